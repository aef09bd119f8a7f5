"""Weight decay: the exact set of parameters that it changes, for every cell and every other layer."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from rnn_jax.catalogue import CELLS, register_cell
from rnn_jax.config.command_line import load_config
from rnn_jax.config.schema import validate
from rnn_jax.models.parameter_groups import matrices_without_group
from rnn_jax.reporting.console import Console
from rnn_jax.runtime.errors import UserError
from rnn_jax.training.build import Job, build
from rnn_jax.training.run import train
from rnn_jax.training.state import shapes

FOUR = "ii if ig io hi hf hg ho"
BIASES = ("hi/bias", "hf/bias", "hg/bias", "ho/bias")
NORMS = ("norm_input/scale", "norm_hidden/scale", "norm_hidden/bias", "norm_memory/scale", "norm_memory/bias")
EXPECTED: dict[str, tuple[str, tuple[str, ...]]] = {
    "rnn": ("i h", ("i/bias",)),
    "lstm": (FOUR, BIASES),
    "lstm_peephole": (FOUR, (*BIASES, "pi", "pf", "po")),
    "lstm_coupled": ("if ig io hf hg ho", BIASES[1:]),
    "lstm_layer_norm": (FOUR, NORMS),
    "gru": ("ir iz in hr hz hn", ("ir/bias", "iz/bias", "in/bias", "hn/bias")),
    "mgu": ("if in hf hn", ("if/bias", "in/bias", "hn/bias")),
    "janet": ("if ig hf hg", BIASES[1:3]),
    "mingru": ("z h", ("z/bias", "h/bias")),
    "minlstm": ("f i h", ("f/bias", "i/bias", "h/bias")),
    "lru": ("B_real B_imaginary C_real C_imaginary D", ("nu", "theta", "gamma")),
}
"""By cell: the layers whose kernels decay, and the parameters that do not."""


def build_job(source: str = "configs/digits.py:smoke", **changes: Any) -> Job:
    plain: dict[str, Any] = dict.fromkeys(
        ("beta1", "beta2", "epsilon", "clip_norm", "warmup_epochs", "warmup_steps", "final_fraction")
    )
    settings = {f"optimizer.{key}": value for key, value in plain.items()}
    settings |= {"optimizer.name": "sgd", "optimizer.schedule": "constant"}
    settings |= {key.replace("__", "."): value for key, value in changes.items()}
    return build(validate(load_config(source, settings))[0])


def sets_of(job: Job) -> tuple[set[str], set[str]]:
    """The parameters that a step without gradients changes, and those that it does not."""
    ones = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), shapes(job).parameters)
    hyper = {"learning_rate": jnp.float32(1), "weight_decay": jnp.float32(0.5)}
    zeros, state = jax.tree.map(jnp.zeros_like, ones), job.optimizer.init(ones, hyper)
    after, _ = job.optimizer.update(zeros, state, ones, jnp.int32(0), hyper)
    changed, kept = set(), set()
    for path, leaf in jax.tree_util.tree_leaves_with_path(after):
        name = jax.tree_util.keystr(path[1:], simple=True, separator="/")
        assert float(leaf.min()) == float(leaf.max()) in (0.5, 1.0)
        (kept if float(leaf.max()) == 1 else changed).add(name)
    return changed, kept


def test_every_cell_is_covered() -> None:
    assert set(EXPECTED) == set(CELLS)


@pytest.mark.parametrize("cell", EXPECTED)
def test_kernels_and_embeddings_decay_and_nothing_else(cell: str) -> None:
    job = build_job(model__cell=cell, model__layers=2, model__bidirectional=True)
    layers, others = EXPECTED[cell]
    names = [f"recurrence_{layer}{side}" for layer in (0, 1) for side in ("", "_backward")]
    changed = {f"{name}/{layer}/kernel" for name in names for layer in layers.split()}
    kept = {f"{name}/{other}" for name in names for other in others}
    assert sets_of(job) == (changed | {"output/kernel"}, kept | {"output/bias"})


def test_the_other_layers() -> None:
    one: dict[str, Any] = {"model__cell": "rnn", "model__layers": 1}
    kernels, biases = {"recurrence_0/i/kernel", "recurrence_0/h/kernel"}, {"recurrence_0/i/bias"}
    projected = build_job(**one, model__input_projection_size=3)
    assert sets_of(projected) == (
        kernels | {"input/kernel", "output/kernel"},
        biases | {"input/bias", "output/bias"},
    )
    text = "configs/shakespeare.py:smoke"
    embedded = kernels | {"embedding/embedding", "output/kernel"}
    assert sets_of(build_job(text, **one)) == (embedded, biases | {"output/bias"})
    tied = build_job(text, **one, model__tied_embedding=True)
    assert sets_of(tied) == (embedded - {"output/kernel"}, biases | {"output/bias"})


def test_the_config_of_the_experiment_on_cells() -> None:
    job = build_job("configs/mnist.py:smoke", model__cell="lru")
    assert {name.rpartition("/")[2] for name in sets_of(job)[0]} == {"kernel"}


@pytest.mark.parametrize(
    ("groups", "cell", "expected"),
    [
        ("biases", "lstm", {*(f"recurrence_0/{name}" for name in BIASES), "output/bias"}),
        ("scales, peepholes", "lstm_peephole", {f"recurrence_0/{name}" for name in ("pi", "pf", "po")}),
        ("eigenvalues,scales", "lru", {f"recurrence_0/{name}" for name in ("nu", "theta", "gamma")}),
        ("scales", "lstm_layer_norm", {f"recurrence_0/{n}" for n in NORMS if n.endswith("scale")}),
        ("embeddings", "lru", set()),
    ],
)
def test_a_key_chooses_the_groups(groups: str, cell: str, expected: set[str]) -> None:
    changed, _ = sets_of(build_job(model__cell=cell, optimizer__decay_parameters=groups))
    assert changed == expected


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            "kernel",
            "optimizer.decay_parameters = 'kernel': must be one or several of kernels, embeddings, biases, "
            "scales, eigenvalues, peepholes, separated by commas; 'kernel' is not; did you mean kernels?",
        ),
        ("kernels,", "; '' is not"),
        (["kernels"], "optimizer.decay_parameters = ['kernels']: must be text"),
    ],
)
def test_a_group_that_no_cell_has_is_an_error(groups: Any, message: str) -> None:
    config = load_config("configs/digits.py:smoke").to_dict()
    config["optimizer"]["decay_parameters"] = groups
    with pytest.raises(UserError) as raised:
        validate(config)
    assert message in str(raised.value)


# Cells of users --------------------------------------------------------------------------------------------


class OwnCell(nn.RNNCellBase):
    """A cell with parameters under names of its own, and a learned initial state."""

    features: int
    kernel_init: Any = None

    @nn.compact
    def __call__(self, carry: jax.Array, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        kernel = self.param("W", nn.initializers.normal(), (inputs.shape[-1], self.features))
        gain = self.param("gain", nn.initializers.ones, (self.features,))
        start = self.param("start", nn.initializers.zeros, (self.features,))
        h = jnp.tanh(nn.Dense(self.features, name="h")(carry + start[None]) + inputs @ kernel)
        return h * gain[None], h

    @nn.nowrap
    def initialize_carry(self, rng: Any, input_shape: tuple[int, ...]) -> jax.Array:
        return jnp.zeros((*input_shape[:-1], self.features))

    @property
    def num_feature_axes(self) -> int:
        return 1


class Lines(Console):
    """Collects the warnings."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


OWN: dict[str, Any] = {
    "model.cell": "own",
    "model.hidden_size": 4,
    "train.duration_steps": 1,
    "train.evaluate_every_steps": 1,
    "log.tensorboard": False,
}


@pytest.mark.usefixtures("unregistered")
def test_a_cell_of_a_user_declares_its_parameters(tmp_path: Any) -> None:
    register_cell("own", OwnCell, gates=1)
    changed, kept = sets_of(build_job(model__cell="own"))
    assert changed == {"recurrence_0/h/kernel", "output/kernel"}
    assert {"recurrence_0/W", "recurrence_0/gain", "recurrence_0/start"} < kept
    console = Lines()
    train(validate(load_config("configs/digits.py:smoke", OWN))[0], tmp_path / "undeclared", console=console)
    assert console.warnings == [
        "optimizer.weight_decay does not act on recurrence_0/W: give each a group, such as 'kernels', with "
        "parameter_groups in register_cell('own', ...)"
    ]
    register_cell("own", OwnCell, gates=1, parameter_groups={"W": "kernels", "h/kernel": "frozen"})
    changed, _ = sets_of(build_job(model__cell="own"))
    assert changed == {"recurrence_0/W", "output/kernel"}
    changed, _ = sets_of(build_job(model__cell="own", optimizer__decay_parameters="frozen"))
    assert changed == {"recurrence_0/h/kernel"}
    parameters = shapes(build_job(model__cell="own")).parameters
    assert matrices_without_group(parameters, CELLS["own"]) == []


@pytest.mark.usefixtures("unregistered")
def test_a_declared_parameter_must_exist(tmp_path: Any) -> None:
    register_cell("own", OwnCell, gates=1, parameter_groups={"V": "kernels"})
    with pytest.raises(
        UserError, match=r"the cell own has no parameter 'V'.* it has W, gain, start, h/kernel"
    ):
        train(validate(load_config("configs/digits.py:smoke", OWN))[0], tmp_path, console=Console())
