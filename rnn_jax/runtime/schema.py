"""Every key of a config: its type, its range, its choices, and what it means.

A section is the keyword arguments of one builder. A key that is typed `X | None` may be left out: None means
"not set". `Hyper` marks the numbers that are arguments of the compiled step, so that another value compiles
nothing anew; `only(...)` marks the keys that belong to some kinds alone.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from ml_collections import ConfigDict
from pydantic import BaseModel, Field
from pydantic import ConfigDict as ModelConfig
from pydantic.fields import FieldInfo

from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.rules import only
from rnn_jax.runtime.validation import examine


class Hyper:
    """Marks a key whose number is an argument of the compiled step, not a constant of the program."""


Drawn = Literal["lecun_normal", "glorot_uniform", "normal", "uniform"]
DrawnForGates = Literal["lecun_normal", "glorot_uniform", "joint_glorot_uniform", "normal", "uniform"]
DrawnForState = Literal["orthogonal", "glorot_uniform", "joint_glorot_uniform", "normal", "uniform"]

ADAM = ("adam", "adamw")
DECAYING = ("step", "exponential")


class Section(BaseModel):
    """A part of the config: strict types, finite numbers, no unknown keys."""

    model_config = ModelConfig(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class Dataset(Section):
    """Which examples, and how many of them in a batch."""

    name: Literal["mnist", "digits", "synthetic"] = Field(description="the data set")
    batch_size: int = Field(ge=1, description="examples in a batch, over all devices")
    data_dir: str | None = Field(None, description="folder of prepared data (None: TFDS's own)")
    manual_dir: Annotated[str | None, only(name="mnist")] = Field(
        None, description="folder with the original files, used instead of a download"
    )
    like: Annotated[Literal["mnist", "digits"] | None, only(name="synthetic", required=True)] = Field(
        None, description="the data set whose shapes the synthetic one has"
    )
    examples: Annotated[int | None, only(name="synthetic", required=True)] = Field(
        None, ge=20, description="synthetic training examples"
    )


class Task(Section):
    """What is asked of the model."""

    name: Literal["classification"] = Field(description="the task")
    shift_pixels: int = Field(ge=0, description="training images are moved by up to so many pixels")
    label_smoothing: Annotated[float | None, Hyper] = Field(
        None, ge=0, lt=1, description="probability that is spread evenly over the classes"
    )


class Model(Section):
    """The recurrent network."""

    cell: Literal["lstm"] = Field(description="the recurrent cell")
    implementation: Literal["auto", "scan"] = Field(description="how the cell is run over time")
    hidden_size: int = Field(ge=1, description="units of the recurrence")
    input_layer: int | None = Field(
        None, ge=1, description="units of a linear layer before the recurrence (None: no such layer)"
    )
    pool: Literal["last", "mean", "max"] = Field(description="which hidden states the answer is read from")
    forget_bias: Annotated[float | None, Hyper, only(cell="lstm")] = Field(
        None, description="initial bias of the forget gate (None: 0)"
    )
    kernel_init: DrawnForGates = Field(description="how the input kernels of the recurrence are drawn")
    recurrent_init: DrawnForState = Field(description="how the hidden kernels of the recurrence are drawn")
    dense_init: Drawn = Field(description="how the kernels of the input and output layers are drawn")
    dense_bias: Annotated[float | None, Hyper] = Field(
        None, description="initial biases of the input and output layers (None: 0)"
    )
    init_scale: Annotated[float | None, Hyper] = Field(
        None, ge=0, description="factor on every drawn kernel (None: 1)"
    )


class Optimizer(Section):
    """How the parameters move."""

    name: Literal["adam", "adamw", "sgd", "rmsprop"] = Field(description="the optimizer")
    learning_rate: Annotated[float, Hyper] = Field(ge=0, description="the schedule's peak")
    schedule: Literal["constant", "cosine", "step", "exponential"] = Field(
        description="how the learning rate goes on after the warm-up"
    )
    warmup_epochs: float | None = Field(None, ge=0, description="epochs of linear warm-up")
    warmup_steps: int | None = Field(None, ge=0, description="steps of linear warm-up")
    decay_every_epochs: Annotated[float | None, only(schedule=DECAYING)] = Field(
        None, gt=0, description="epochs from one factor to the next"
    )
    decay_every_steps: Annotated[int | None, only(schedule=DECAYING)] = Field(
        None, ge=1, description="steps from one factor to the next"
    )
    decay_factor: Annotated[float | None, only(schedule=DECAYING, required=True)] = Field(
        None, gt=0, le=1, description="the factor on the learning rate"
    )
    final_fraction: Annotated[float | None, only(schedule="cosine", required=True)] = Field(
        None, ge=0, le=1, description="the last learning rate, as a fraction of the peak"
    )
    weight_decay: Annotated[float | None, Hyper, only(name=("adamw", "sgd", "rmsprop"))] = Field(
        None, ge=0, description="weight decay, not on biases (None: none)"
    )
    clip: Annotated[float | None, Hyper] = Field(
        None, ge=0, description="largest global norm of the gradient (None: no clipping)"
    )
    beta1: Annotated[float | None, only(name=ADAM, required=True)] = Field(
        None, ge=0, lt=1, description="decay of the mean gradient"
    )
    beta2: Annotated[float | None, only(name=ADAM, required=True)] = Field(
        None, ge=0, lt=1, description="decay of the mean squared gradient"
    )
    epsilon: Annotated[float | None, only(name=(*ADAM, "rmsprop"), required=True)] = Field(
        None, gt=0, description="added to the root of the mean squared gradient"
    )
    momentum: Annotated[float | None, only(name=("sgd", "rmsprop"))] = Field(
        None, ge=0, lt=1, description="decay of the accumulated steps (None: no momentum)"
    )
    decay: Annotated[float | None, only(name="rmsprop", required=True)] = Field(
        None, ge=0, lt=1, description="decay of the mean squared gradient"
    )
    average_decay: float | None = Field(
        None, ge=0, lt=1, description="decay of the parameters' moving average, evaluated instead of them"
    )


class Train(Section):
    """How long, from which seed, and how often evaluated."""

    seed: int = Field(ge=0, lt=2**32, description="decides initial parameters, order and augmentation")
    duration_epochs: float | None = Field(None, gt=0, description="epochs of training")
    duration_steps: int | None = Field(None, ge=1, description="steps of training")
    evaluate_every_epochs: float | None = Field(None, gt=0, description="epochs between evaluations")
    evaluate_every_steps: int | None = Field(None, ge=1, description="steps between evaluations")
    stop_after_evaluations: int | None = Field(
        None, ge=1, description="stop after so many evaluations without improvement (None: never)"
    )
    report_test: bool = Field(description="evaluate the best checkpoint on the test split at the end")


class Checkpoint(Section):
    """When the state is saved, besides every evaluation and the end."""

    save_every_steps: int | None = Field(None, ge=1, description="steps between saves")
    save_every_seconds: float | None = Field(None, gt=0, description="seconds between saves")
    keep: int = Field(ge=1, description="latest checkpoints kept, besides the best")


class Log(Section):
    """What is written down while training."""

    every_steps: int = Field(ge=1, description="steps between logged figures")
    batch_accuracy_every_steps: int | None = Field(
        None, ge=1, description="steps between accuracies on the training batch after its update"
    )
    tensorboard: bool = Field(description="also write TensorBoard event files")


class Runtime(Section):
    """What the run runs on."""

    devices: int | None = Field(
        None, ge=1, description="devices that share a batch (None: every accelerator, or one CPU device)"
    )
    matmul_precision: Literal["float32", "tensorfloat32", "bfloat16"] = Field(
        description="precision of matrix products"
    )
    allow_device_change: bool = Field(description="resume on another number of devices, with other last bits")


class Config(Section):
    """A whole config, one section for each builder."""

    dataset: Dataset
    task: Task
    model: Model
    optimizer: Optimizer
    train: Train
    checkpoint: Checkpoint
    log: Log
    runtime: Runtime


SECTIONS: dict[str, type[Section]] = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
KEYS: dict[str, FieldInfo] = {
    f"{section}.{key}": field
    for section, model in SECTIONS.items()
    for key, field in model.model_fields.items()
}


def validate(
    config: Mapping[str, Any] | ConfigDict, said: Collection[str] = (), origin: str | None = None
) -> tuple[Config, list[str]]:
    """Checks a whole config, and finds every mistake at once.

    Args:
        config: sections of keys.
        said: the keys (`section.key`) that were typed on the command line. One that the chosen kind lacks is
            a mistake; one that comes from the file is passed over, with a note. Likewise a typed key
            (`train.duration_steps`) takes the place of its twin in the file (`train.duration_epochs`).
        origin: the file that the other keys come from, named in their mistakes.

    Returns:
        The config with every key, and the notes.

    Raises:
        UserError: one line for each mistake: the key, its value, what is allowed.
    """
    examined = examine(config, said, Config, KEYS)
    if examined.mistakes:
        raise UserError("\n".join(mistake.line(said, origin) for mistake in examined.mistakes))
    return Config.model_validate(examined.sections), examined.notes


def split_hyper(config: Config) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """Takes the keys marked `Hyper` out of their sections.

    Returns:
        The sections without these keys, and the keys that are set, by their names (unique over all sections).
    """
    sections = config.model_dump()
    hyper = {}
    for key, field in KEYS.items():
        section, _, name = key.partition(".")
        if Hyper in field.metadata:
            value = sections[section].pop(name)
            hyper |= {} if value is None else {name: value}
    return sections, hyper
