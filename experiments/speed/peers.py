"""Other frameworks, each in its idiomatic form, and the limit of the machine."""

import importlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from contender import Contender, Gradients, names_of, tree_of
from workloads import LIMIT_PRODUCTS, LIMIT_SHAPE, Workload, arrays, parameters


def flax(workload: Workload, cell_name: str) -> Contender:
    """Build Flax Linen's step: `nn.RNN` over one of its cells, in one jitted function."""
    import flax
    import jax
    import optax
    from flax import linen as nn

    words = workload.kind == "words"

    class Model(nn.Module):
        @nn.compact
        def __call__(self, inputs: jax.Array) -> jax.Array:
            if workload.input_layer:
                inputs = nn.Dense(workload.units, name="input")(inputs)
            elif words:
                inputs = nn.Embed(workload.width, workload.units, name="embedding")(inputs)
            last = None
            for layer in range(workload.layers):
                cell = getattr(nn, cell_name)(workload.units, name=f"recurrence_{layer}")
                (_, last), inputs = nn.RNN(cell, return_carry=True)(inputs)
            return nn.Dense(workload.outputs, name="output")(inputs if words else last)

    inputs, targets = arrays(workload)
    model = Model()
    optimizer = optax.chain(optax.clip_by_global_norm(5.0), optax.sgd(1.0)) if words else optax.adam(1e-3)
    tree = jax.device_put(tree_of(workload, parameters(workload)))
    state = (tree, optimizer.init(tree))

    def mean(tree: Any, inputs: jax.Array, targets: jax.Array) -> jax.Array:
        logits: Any = model.apply(tree, inputs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()

    @jax.jit
    def train_step(state: Any, inputs: jax.Array, targets: jax.Array) -> Any:
        tree, moments = state
        loss, gradients = jax.value_and_grad(mean)(tree, inputs, targets)
        updates, moments = optimizer.update(gradients, moments, tree)
        return (optax.apply_updates(tree, updates), moments), loss

    def step() -> float:
        nonlocal state
        state, loss = train_step(state, inputs, targets)
        return float(loss)

    def gradients() -> tuple[float, Gradients]:
        start = tree_of(workload, parameters(workload))
        loss, found = jax.jit(jax.value_and_grad(mean))(start, inputs, targets)
        return float(loss), names_of(workload, found)

    return Contender(f"Flax {flax.__version__}, JAX {jax.__version__}", step, gradients)


def torch(workload: Workload) -> Contender:
    """Build PyTorch's step: `nn.LSTM` in eager mode."""
    torch = importlib.import_module("torch")
    words = workload.kind == "words"
    first, lstm, output = _torch_layers(torch.nn, workload)
    slots = _torch_slots(workload, first, lstm, output)
    with torch.no_grad():
        for layer in range(workload.layers):
            getattr(lstm, f"bias_hh_l{layer}").zero_()
        for name, value in parameters(workload).items():
            slot, transposed = slots[name]
            slot.copy_(torch.tensor(value.T if transposed else value))
    every = [*first.parameters(), *lstm.parameters(), *output.parameters()]
    optimizer = torch.optim.SGD(every, 1.0) if words else torch.optim.Adam(every, 1e-3)
    inputs, targets = (torch.tensor(array) for array in arrays(workload))
    inputs, targets = (inputs.long() if words else inputs), targets.long()

    def backward() -> Any:
        optimizer.zero_grad()
        hidden, (last, _) = lstm(first(inputs))
        logits = output(hidden if words else last[-1]).reshape(-1, workload.outputs)
        loss = torch.nn.functional.cross_entropy(logits, targets.reshape(-1))
        loss.backward()
        return loss

    def step() -> float:
        loss = backward()
        if words:
            torch.nn.utils.clip_grad_norm_(every, 5.0)
        optimizer.step()
        return loss.detach().item()

    def gradients() -> tuple[float, Gradients]:
        loss = backward().detach().item()
        found = {name: slot.grad.numpy().copy() for name, (slot, _) in slots.items()}
        return loss, {
            name: found[name].T if transposed else found[name] for name, (_, transposed) in slots.items()
        }

    return Contender(f"PyTorch {torch.__version__}", step, gradients)


def _torch_layers(nn: Any, workload: Workload) -> tuple[Any, Any, Any]:
    first, reads = nn.Identity(), workload.width
    if workload.kind == "words":
        first, reads = nn.Embedding(workload.width, workload.units), workload.units
    elif workload.input_layer:
        first, reads = nn.Linear(workload.width, workload.units), workload.units
    lstm = nn.LSTM(reads, workload.units, workload.layers, batch_first=True)
    return first, lstm, nn.Linear(workload.units, workload.outputs)


def _torch_slots(workload: Workload, first: Any, lstm: Any, output: Any) -> dict[str, tuple[Any, bool]]:
    """Return by name the tensor of each parameter and whether it is transposed."""
    slots = {"output/kernel": (output.weight, True), "output/bias": (output.bias, False)}
    if workload.kind == "words":
        slots["embedding"] = (first.weight, False)
    elif workload.input_layer:
        slots |= {"input/kernel": (first.weight, True), "input/bias": (first.bias, False)}
    for layer in range(workload.layers):
        slots[f"lstm_{layer}/input"] = (getattr(lstm, f"weight_ih_l{layer}"), True)
        slots[f"lstm_{layer}/state"] = (getattr(lstm, f"weight_hh_l{layer}"), True)
        slots[f"lstm_{layer}/bias"] = (getattr(lstm, f"bias_ih_l{layer}"), False)
    return slots


def keras(workload: Workload) -> Contender:
    """Build Keras 3's step on JAX: `layers.LSTM` and `train_on_batch`."""
    os.environ["KERAS_BACKEND"] = "jax"
    keras = importlib.import_module("keras")
    import jax
    import optax

    words, units = workload.kind == "words", workload.units
    shape, dtype = ((workload.time,), "int32") if words else ((workload.time, workload.width), "float32")
    layers = [keras.Input(shape, dtype=dtype)]
    if words:
        layers.append(keras.layers.Embedding(workload.width, units))
    elif workload.input_layer:
        layers.append(keras.layers.Dense(units))
    for layer in range(workload.layers):
        layers.append(keras.layers.LSTM(units, return_sequences=words or layer + 1 < workload.layers))
    model = keras.Sequential([*layers, keras.layers.Dense(workload.outputs)])
    optimizer = keras.optimizers.SGD(1.0, global_clipnorm=5.0) if words else keras.optimizers.Adam(1e-3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss)
    named = parameters(workload)
    names = list(named)
    model.set_weights(list(named.values()))
    inputs, targets = arrays(workload)

    def gradients() -> tuple[float, Gradients]:
        fixed = [variable.value for variable in model.non_trainable_variables]

        def mean(trained: Any) -> jax.Array:
            logits, _ = model.stateless_call(trained, fixed, inputs)
            return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()

        trained = [variable.value for variable in model.trainable_variables]
        value, found = jax.jit(jax.value_and_grad(mean))(trained)
        return float(value), dict(zip(names, map(np.asarray, found), strict=True))

    return Contender(
        f"Keras {keras.__version__}, JAX", lambda: float(model.train_on_batch(inputs, targets)), gradients
    )


def limit(workload: Workload) -> Contender:
    """Build the limit: a step is twenty products [3584, 128] · [128, 512], computed by XLA."""
    del workload
    import jax

    key = jax.random.key(0)
    rows, inner, columns = LIMIT_SHAPE
    left, right = jax.random.normal(key, (rows, inner)), jax.random.normal(key, (inner, columns))
    product = jax.jit(lambda left, right: left @ right)

    def step() -> float:
        for _ in range(LIMIT_PRODUCTS):
            product(left, right).block_until_ready()
        return 0.0

    return Contender("one product", step, lambda: (0.0, {}))


PEERS: dict[str, Callable[[Workload], Contender]] = {
    "torch": torch,
    "flax": lambda workload: flax(workload, "LSTMCell"),
    "flax_optimized": lambda workload: flax(workload, "OptimizedLSTMCell"),
    "keras": keras,
    "limit": limit,
}
