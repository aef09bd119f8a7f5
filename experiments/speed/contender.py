"""The interface of a timed framework, and the common names under which gradients are compared."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from workloads import Workload

Gradients = dict[str, np.ndarray]


class Contender(NamedTuple):
    """One framework on one workload."""

    version: str
    step: Callable[[], float]
    """Train one step and return its loss."""
    gradients: Callable[[], tuple[float, Gradients]]
    """Return the loss and the gradients at the initial parameters, by the names of `workloads.parameters`."""
    details: Mapping[str, Any] = {}


def tree_of(workload: Workload, named: Gradients) -> Any:
    """Return named parameters as the Flax tree of this package."""
    tree: dict[str, Any] = {}
    for layer in range(workload.layers):
        of_input, of_state, bias = (
            np.split(named[f"lstm_{layer}/{part}"], 4, axis=-1) for part in ("input", "state", "bias")
        )
        cell = {f"i{gate}": {"kernel": kernel} for gate, kernel in zip("ifgo", of_input, strict=True)}
        for gate, kernel, own in zip("ifgo", of_state, bias, strict=True):
            cell[f"h{gate}"] = {"kernel": kernel, "bias": own}
        tree[f"recurrence_{layer}"] = cell
    for layer in ("input", "output"):
        if f"{layer}/kernel" in named:
            tree[layer] = {part: named[f"{layer}/{part}"] for part in ("kernel", "bias")}
    if "embedding" in named:
        tree["embedding"] = {"embedding": named["embedding"]}
    return {"params": tree}


def names_of(workload: Workload, tree: Any) -> Gradients:
    """Return the parameters of such a tree by name: the inverse of `tree_of`."""
    layers, named = tree["params"], {}
    for layer in range(workload.layers):
        cell = layers[f"recurrence_{layer}"]
        for part, name in (("input", "i{}/kernel"), ("state", "h{}/kernel"), ("bias", "h{}/bias")):
            outer, _, inner = name.partition("/")
            parts = [np.asarray(cell[outer.format(gate)][inner]) for gate in "ifgo"]
            named[f"lstm_{layer}/{part}"] = np.concatenate(parts, axis=-1)
    for layer in ("input", "output"):
        if layer in layers:
            named |= {f"{layer}/{part}": np.asarray(layers[layer][part]) for part in ("kernel", "bias")}
    if "embedding" in layers:
        named["embedding"] = np.asarray(layers["embedding"]["embedding"])
    return named
