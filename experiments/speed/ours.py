"""The training step of this package on a workload."""

import time
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from contender import Contender, Gradients, names_of, tree_of
from workloads import Workload, arrays, parameters

from rnn_jax.config import sections
from rnn_jax.config.objective import Objective
from rnn_jax.config.sections import Model, Train
from rnn_jax.datasets import Dataset
from rnn_jax.models import build_network
from rnn_jax.models.recurrence import Implementation
from rnn_jax.runtime import devices
from rnn_jax.tasks.classification import cross_entropy
from rnn_jax.tasks.task import Batch, Task
from rnn_jax.training import program
from rnn_jax.training.build import Job
from rnn_jax.training.optimizer import Optimizer, build_optimizer
from rnn_jax.training.plan import build_plan
from rnn_jax.training.state import place


class Ours(NamedTuple):
    """The variant of this package to time."""

    cell: str = "lstm"
    implementation: Implementation = "auto"
    devices: int | None = None


def build(workload: Workload, options: Ours) -> Contender:
    """Build the training step as `rnn_jax.main` runs it."""
    where = devices.build_devices(
        devices.worthwhile_cores(workload.batch, workload.time),
        devices=options.devices,
        matmul_precision="float32",
        allow_device_change=False,
    )
    built = job(workload, options)
    loaded = program.load(built, where)
    state = loaded.init()
    if options.cell == "lstm":
        state = place(state._replace(parameters=tree_of(workload, parameters(workload))), where.mesh)
    indices, data = loaded.indices("train", 0), loaded.data["train"]
    began = time.perf_counter()
    train_step: Any = loaded.train_step
    compiled = train_step.lower(state, loaded.hyper, data, indices).compile()
    details = {
        **options._asdict(),
        "devices": where.device_count,
        "compile_seconds": round(time.perf_counter() - began, 2),
        "temporary_bytes": compiled.memory_analysis().temp_size_in_bytes,
    }
    labels = float(workload.batch * workload.time if workload.kind == "words" else workload.batch)
    seen = 0.0

    def step() -> float:
        nonlocal state, seen
        state = loaded.train_step(state, loaded.hyper, data, indices)
        before, seen = seen, float(state.metrics["loss"][0])  # copies one float to the host, as the others do
        return (seen - before) / labels

    def gradients() -> tuple[float, Gradients]:
        if options.cell != "lstm":
            return 0.0, {}  # the other frameworks have the LSTM only
        batch = built.task.fetch(data, indices, None)

        def mean(tree: Any) -> jax.Array:
            outputs, _ = built.network.apply(tree, batch.inputs, None, None, {}, None)
            total, count, _ = built.task.loss(outputs, batch, {})
            return total / count

        value, tree = jax.jit(jax.value_and_grad(mean))(tree_of(workload, parameters(workload)))
        return float(value), names_of(workload, tree)

    return Contender(f"rnn_jax, JAX {jax.__version__}", step, gradients, details)


def job(workload: Workload, options: Ours) -> Job:
    """Build the job of this package for a workload."""
    words = workload.kind == "words"
    task = _task(workload)
    model: dict[str, Any] = {
        "cell": options.cell,
        "implementation": options.implementation,
        "hidden_size": workload.units,
        "layers": workload.layers,
        "bidirectional": False,
        "residual": False,
        "input_projection_size": workload.units if workload.input_layer else None,
        "pool": "last",
        "kernel_init": "lecun_normal",
        "recurrent_init": "orthogonal",
        "dense_init": "lecun_normal",
    }
    inputs, targets = arrays(workload)
    rates = {"learning_rate": 1.0, "clip_norm": 5.0} if words else {"learning_rate": 1e-3}
    return Job(
        task=task,
        data=Dataset(
            "1",
            {},
            {"train": {"inputs": inputs, "targets": targets}},
            name="speed",
            batch_size=workload.batch,
        ),
        network=build_network(Model(**model), task.spec),
        optimizer=_optimizer("sgd" if words else "adam"),
        plan=_PLAN,
        hyper={name: np.float32(value) for name, value in rates.items()},
    )


def _task(workload: Workload) -> Task:
    words = workload.kind == "words"
    spec: dict[str, int | str] = {"time_steps": workload.time, "output_size": workload.outputs}
    if words:
        spec |= {"head": "step", "vocabulary": workload.width}
    else:
        spec |= {"head": "sequence", "input_size": workload.width}

    def fetch(data: Any, indices: jax.Array, keys: Any) -> Batch:
        del keys
        rows = jax.numpy.maximum(indices, 0)
        weights = (indices >= 0).astype(jax.numpy.float32)
        return Batch(data["inputs"][rows], data["targets"][rows], weights)

    def of_words(logits: jax.Array, batch: Batch, hyper: Any) -> Any:
        del hyper
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.targets)
        total, count = (losses * batch.weights[:, None]).sum(), batch.weights.sum() * losses.shape[1]
        return total, count, {"loss": (total, count)}

    return Task(
        spec=spec,
        objective=Objective("loss", "min"),
        metrics={"loss": "min"} if words else {"loss": "min", "accuracy": "max"},
        batches={"train": Fraction(1)},
        select=lambda split, seed, step: np.arange(workload.batch, dtype=np.int32),
        fetch=fetch,
        loss=of_words if words else cross_entropy,
    )


_PLAN = build_plan(
    Train.model_validate(
        {
            "seed": 0,
            "duration_steps": 1,
            "evaluate_every_steps": 1,
            "report_test": False,
            "divergence": "stop",
        }
    ),
    Fraction(1),
)


def _optimizer(name: str) -> Optimizer:
    adam = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8} if name == "adam" else {}
    fields = {"name": name, "learning_rate": 1.0, "schedule": "constant", **adam}
    return build_optimizer(sections.Optimizer.model_validate(fields), _PLAN)
