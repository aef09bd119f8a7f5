"""The group of each parameter, by which `optimizer.decay_parameters` chooses the ones that decay."""

from typing import Any

import jax

from rnn_jax.catalogue.cells import GROUPS, CellEntry
from rnn_jax.models.types import Parameters


def group_parameters(parameters: Parameters, cell: CellEntry | None = None) -> Any:
    """Return the group of each parameter, a tree like `parameters`; '' for one without a group.

    In a recurrence, the parameters that the cell declares, `CellEntry.parameter_groups`, belong to the groups
    declared there. All others belong to the groups of their names: `GROUPS`.
    """
    declared = {} if cell is None else cell.parameter_groups

    def group(path: tuple[Any, ...], leaf: Any) -> str:
        del leaf
        names = [key.key for key in path]
        of_name = GROUPS.get(names[-1], "")
        is_of_cell = len(names) > 2 and names[1].startswith("recurrence_")
        return declared.get("/".join(names[2:]), of_name) if is_of_cell else of_name

    return jax.tree_util.tree_map_with_path(group, parameters)


def matrices_without_group(parameters: Parameters, cell: CellEntry) -> list[str]:
    """Return the paths of the matrices without a group, which may be kernels under a name of their own."""
    groups = group_parameters(parameters, cell)
    pairs = zip(jax.tree_util.tree_leaves_with_path(parameters), jax.tree.leaves(groups), strict=True)
    return [
        jax.tree_util.keystr(path[1:], simple=True, separator="/")
        for (path, leaf), group in pairs
        if not group and leaf.ndim > 1
    ]
