"""Compute with PyTorch what this package must compute, and store it beside the tests.

    python tests/peers/write_vectors.py       # with the extra `peers` installed

writes layers.npz and optimizers.npz. The stored files were written with PyTorch 2.13.0, NumPy 2.4.6 and seed
0 (`torch_cases.SEED`); their `metadata`, a JSON text, says so too. All random values are NumPy's. A case's
seed is that seed followed by the bytes of its name.

Parameters are stored by this package's names; kernels are PyTorch's weights, transposed. PyTorch's own
layers, optimizers, schedules and averages compute everything. Where a definition differs, a comment here
begins with "Differs:" and gives the mapping that makes the comparison exact.
"""

import importlib
import platform
from typing import Any

import numpy as np
from torch_cases import (
    BATCH,
    FEATURES,
    FOLDER,
    HIDDEN,
    LAYERS,
    LENGTHS,
    OPTIMIZERS,
    SEED,
    STEPS,
    TIME,
    LayerCase,
    OptimizerCase,
    Tree,
    random_values,
    write,
)

torch: Any = importlib.import_module("torch")
"""Any: type checkers need no PyTorch."""

GATES = {"rnn": [""], "lstm": ["i", "f", "g", "o"], "gru": ["r", "z", "n"]}
"""The layers of a cell, in PyTorch's order of the rows of its weights; `i` and `h` come before the name."""


def layer_vectors(case: LayerCase, seed: int) -> Tree:
    """Return the arguments of a network, its results, and the gradients of a linear function of them."""
    rng = random_values(case, seed)
    kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[case.cell]
    network = kind(FEATURES, HIDDEN, case.layers, batch_first=True, bidirectional=case.bidirectional).double()
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.tensor(0.7 * rng.normal(size=weight.shape)))
    inputs = torch.tensor(rng.normal(size=(BATCH, TIME, FEATURES)), requires_grad=True)
    names = [name for layer in case.recurrences for name, _ in layer]
    parts = "ch" if case.cell == "lstm" else "h"
    shape = (len(names), BATCH, HIDDEN)
    carry = {part: torch.tensor(0.7 * rng.normal(size=shape), requires_grad=True) for part in parts}

    packed = torch.nn.utils.rnn.pack_padded_sequence(
        inputs, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False
    )
    # Differs: the LSTM's carry is (h, c) in PyTorch, (c, h) here.
    outputs, last = network(packed, (carry["h"], carry["c"]) if case.cell == "lstm" else carry["h"])
    outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    final = {"h": last[0], "c": last[1]} if case.cell == "lstm" else {"h": last}

    results = {"outputs": outputs, **{part: final[part] for part in parts}}
    towards = {name: torch.tensor(rng.normal(size=values.shape)) for name, values in results.items()}
    torch.autograd.backward(list(results.values()), list(towards.values()))

    def by_recurrence(values: dict[str, Any]) -> Tree:
        return {
            name: {part: to_numpy(array[place]) for part, array in values.items()}
            for place, name in enumerate(names)
        }

    return {
        "arguments": {
            "inputs": to_numpy(inputs),
            "parameters": cell_parameters(case, network, gradients=False),
            "carry": by_recurrence(carry),
        },
        "results": {"outputs": to_numpy(outputs), "carry": by_recurrence(final)},
        "towards": {
            "outputs": to_numpy(towards["outputs"]),
            "carry": by_recurrence({part: towards[part] for part in parts}),
        },
        "gradients": {
            "inputs": to_numpy(inputs.grad),
            "parameters": cell_parameters(case, network, gradients=True),
            "carry": by_recurrence({part: array.grad for part, array in carry.items()}),
        },
    }


def cell_parameters(case: LayerCase, network: Any, *, gradients: bool) -> Tree:
    """Return the parameters of each recurrence by this package's names, or their gradients."""
    return {
        name: parameters_of(case.cell, network, f"l{layer}" + "_reverse" * reverse, gradients)
        for layer, recurrences in enumerate(case.recurrences)
        for name, reverse in recurrences
    }


def parameters_of(cell: str, network: Any, suffix: str, gradients: bool) -> Tree:
    """Return the parameters of one recurrence, or their gradients."""

    def by_gate(name: str) -> list[np.ndarray]:
        weight = getattr(network, f"{name}_{suffix}")
        return np.split(to_numpy(weight.grad if gradients else weight), len(GATES[cell]))

    tree: Tree = {}
    of_gates = zip(*map(by_gate, ("weight_ih", "weight_hh", "bias_ih", "bias_hh")), strict=True)
    for gate, (of_input, of_state, input_bias, state_bias) in zip(GATES[cell], of_gates, strict=True):
        own, recurrent = {"kernel": of_input.T}, {"kernel": of_state.T}
        if gate == "n":  # the one gate with two biases here too: r multiplies the second
            own["bias"], recurrent["bias"] = input_bias, state_bias
        else:
            # Differs: PyTorch adds two biases, b_ih + b_hh, where one is enough. Their gradients are equal.
            if gradients:
                np.testing.assert_allclose(input_bias, state_bias, rtol=1e-12)
            bias = input_bias if gradients else input_bias + state_bias
            (recurrent if cell == "lstm" else own)["bias"] = bias
        tree |= {f"i{gate}": own, f"h{gate}": recurrent}
    return tree


def optimizer_vectors(case: OptimizerCase, seed: int) -> Tree:
    """Return the batches and initial parameters of a small network, and its parameters after each step."""
    rng = random_values(case, seed)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.tensor(rng.normal(size=weight.shape)))
    inputs, targets = rng.normal(size=(STEPS, 8, 3)), rng.normal(size=(STEPS, 8, 2))
    initial = dense_parameters(network)
    optimizer = build_optimizer(case, network)
    scheduler = build_scheduler(case, optimizer)
    averaged = build_average(case, network)

    steps: list[Tree] = []
    for number in range(STEPS):
        optimizer.zero_grad()
        errors = network(torch.tensor(inputs[number])) - torch.tensor(targets[number])
        (errors**2).mean().backward()
        if "clip_norm" in case.hyper:
            clip(case, network)
        rate = optimizer.param_groups[0]["lr"]
        decay_weights(case, network, rate)
        make_step(case, optimizer)
        scheduler.step()
        step = {"rate": np.array(rate), "parameters": dense_parameters(network)}
        if averaged is not None:
            if number >= (case.settings.get("average_from_steps") or 0):
                averaged.update_parameters(network)
            step["averaged"] = dense_parameters(averaged.module if averaged.n_averaged else network)
        steps.append(step)
    return {
        "arguments": {"inputs": inputs, "targets": targets, "parameters": initial},
        "results": stack(steps),
    }


def dense_parameters(network: Any) -> Tree:
    """Return the parameters of the small network by this package's names."""
    return {
        name: {"kernel": to_numpy(layer.weight.T), "bias": to_numpy(layer.bias)}
        for name, layer in (("hidden", network[0]), ("output", network[2]))
    }


def build_optimizer(case: OptimizerCase, network: Any) -> Any:
    """Build PyTorch's optimizer of a case."""
    settings, rate = case.settings, case.learning_rate
    momentum = settings.get("momentum") or 0.0
    if settings["name"] == "sgd":
        return torch.optim.SGD(network.parameters(), rate, momentum)
    if settings["name"] == "rmsprop":
        optimizer = torch.optim.RMSprop(
            network.parameters(), rate, settings["rms_decay"], eps=0.0, momentum=momentum
        )
        for weight in network.parameters():  # PyTorch's own initial state, for `make_step`
            buffer = {"momentum_buffer": torch.zeros_like(weight)} if momentum else {}
            optimizer.state[weight] = {
                "step": torch.zeros(()),
                "square_avg": torch.zeros_like(weight),
                **buffer,
            }
        return optimizer
    options = {"betas": (settings["beta1"], settings["beta2"]), "eps": settings["epsilon"]}
    if settings["name"] == "adam":
        return torch.optim.Adam(network.parameters(), rate, **options)
    # Differs: biases do not decay.
    kernels, biases = (
        [weight for weight in network.parameters() if (weight.ndim == 1) == own] for own in (False, True)
    )
    groups = [{"params": kernels, **case.hyper}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, rate, **options)


def decay_weights(case: OptimizerCase, network: Any, rate: float) -> None:
    """Decay the kernels where PyTorch's optimizer has only an L2 penalty."""
    # Differs: the decay of SGD and RMSProp is AdamW's, p -= rate · weight_decay · p: it enters no momentum.
    if case.settings["name"] in ("sgd", "rmsprop") and "weight_decay" in case.hyper:
        with torch.no_grad():
            for weight in network.parameters():
                if weight.ndim == 2:
                    weight.mul_(1 - rate * case.hyper["weight_decay"])


def make_step(case: OptimizerCase, optimizer: Any) -> None:
    """Make a step of PyTorch's optimizer."""
    if case.settings["name"] != "rmsprop":
        optimizer.step()
        return
    # Differs: RMSProp divides by √(v + ε), PyTorch by √v + ε. Its v is v + ε during the step, its own ε is 0.
    decay, epsilon = case.settings["rms_decay"], case.settings["epsilon"]
    for state in optimizer.state.values():
        state["square_avg"].add_(epsilon / decay)
    optimizer.step()
    for state in optimizer.state.values():
        state["square_avg"].sub_(epsilon)


def clip(case: OptimizerCase, network: Any) -> None:
    """Clip the gradients by their global norm."""
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in network.parameters()])
    # Differs: clipped gradients are multiplied by clip / norm, in PyTorch by clip / (norm + 1e-6).
    torch.nn.utils.clip_grad_norm_(network.parameters(), case.hyper["clip_norm"] * (1 + 1e-6 / norm))


def build_scheduler(case: OptimizerCase, optimizer: Any) -> Any:
    """Build PyTorch's learning-rate schedule of a case."""
    schedules: Any = torch.optim.lr_scheduler
    settings: Any = case.settings
    kind, warmup = settings.get("schedule", "constant"), settings.get("warmup_steps") or 0
    every, factor = settings.get("decay_every_steps"), settings.get("decay_factor")
    parts = []
    if warmup:
        # The first step has the rate peak / warmup, step number `warmup` the peak.
        parts.append(schedules.LinearLR(optimizer, 1 / warmup, total_iters=warmup - 1))
    if kind == "cosine":
        minimum = settings["final_fraction"] * case.learning_rate
        parts.append(schedules.CosineAnnealingLR(optimizer, STEPS - warmup, minimum))
        return schedules.SequentialLR(optimizer, parts, [warmup]) if warmup else parts[0]
    if kind == "step" and "decay_from_steps" in settings:
        milestones = range(settings["decay_from_steps"], STEPS, every)
        parts.append(schedules.MultiStepLR(optimizer, milestones, factor))
    elif kind == "step":
        parts.append(schedules.StepLR(optimizer, every, factor))
    elif kind == "exponential":
        parts.append(schedules.ExponentialLR(optimizer, factor ** (1 / every)))
    # Both count from the first step of training: the rate decays during the warmup too.
    return schedules.ChainedScheduler(parts or [schedules.ConstantLR(optimizer, 1.0)], optimizer)


def build_average(case: OptimizerCase, network: Any) -> Any:
    """Build PyTorch's average of the parameters; None where a case has none."""
    average = torch.optim.swa_utils.AveragedModel
    if "average_from_steps" in case.settings:
        return average(network)
    if "average_decay" not in case.settings:
        return None

    def moving(old: Any, new: Any, updates: Any) -> Any:
        # Differs: update n = 1, 2, ... keeps min(decay, n / (9 + n)) of the average, PyTorch always `decay`.
        kept = min(case.settings["average_decay"], int(updates) / (9 + int(updates)))
        return kept * old + (1 - kept) * new

    averaged = average(network, avg_fn=moving)
    averaged.update_parameters(
        network
    )  # Differs: the initial parameters count, in PyTorch those of update 1.
    return averaged


def to_numpy(values: Any) -> np.ndarray:
    """Return a tensor as an array of its own."""
    return values.detach().numpy().copy()


def stack(trees: list[Tree]) -> Tree:
    """Stack the arrays of equal trees."""
    first = trees[0]
    return {
        name: stack([tree[name] for tree in trees])
        if isinstance(first[name], dict)
        else np.stack([tree[name] for tree in trees])
        for name in first
    }


def main() -> None:
    """Write both files."""
    metadata = {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "seed": SEED,
        "command": "python tests/peers/write_vectors.py",
    }
    write(FOLDER / "layers.npz", {str(case): layer_vectors(case, SEED) for case in LAYERS}, metadata)
    write(
        FOLDER / "optimizers.npz", {str(case): optimizer_vectors(case, SEED) for case in OPTIMIZERS}, metadata
    )


if __name__ == "__main__":
    main()
