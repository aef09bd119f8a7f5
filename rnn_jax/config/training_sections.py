"""The sections that say how a network is trained: how it moves, how long, what is kept, and on what it runs.

Every key has its type, its range, its choices, and what it means; see `section.py`.
"""

from typing import Annotated, Literal

from pydantic import Field

from rnn_jax.config.rules import only
from rnn_jax.config.section import Hyper, Section

TELLING_RIGHT_FROM_WRONG = (
    "classification",
    "text_classification",
    "sequence_classification",
    "adding",
    "copying",
)
ADAM = ("adam", "adamw")
DECAYING = ("step", "exponential")


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
    decay_from_epochs: Annotated[float | None, only(schedule="step")] = Field(
        None, gt=0, description="epochs to the first factor (None: as from one to the next)"
    )
    decay_from_steps: Annotated[int | None, only(schedule="step")] = Field(
        None, ge=1, description="steps to the first factor (None: as from one to the next)"
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
    clip_norm: Annotated[float | None, Hyper] = Field(
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
    rms_decay: Annotated[float | None, only(name="rmsprop", required=True)] = Field(
        None, ge=0, lt=1, description="decay of the mean squared gradient"
    )
    average_decay: float | None = Field(
        None, ge=0, lt=1, description="decay of the parameters' moving average, evaluated instead of them"
    )
    average_from_epochs: float | None = Field(
        None, ge=0, description="epochs after which the mean of the parameters is evaluated instead of them"
    )
    average_from_steps: int | None = Field(
        None, ge=0, description="steps after which the mean of the parameters is evaluated instead of them"
    )


class Train(Section):
    """How long, from which seed, and how often evaluated."""

    seed: int = Field(ge=0, lt=2**32, description="decides initial parameters, order and augmentation")
    duration_epochs: float | None = Field(None, gt=0, description="epochs of training")
    duration_steps: int | None = Field(None, ge=1, description="steps of training")
    evaluate_every_epochs: float | None = Field(None, gt=0, description="epochs between evaluations")
    evaluate_every_steps: int | None = Field(None, ge=1, description="steps between evaluations")
    early_stopping_patience: int | None = Field(
        None, ge=1, description="stop after so many evaluations without improvement (None: never)"
    )
    report_test: bool = Field(description="evaluate the best checkpoint on the test split at the end")
    divergence: Literal["stop", "skip", "restore"] = Field(
        description="what follows a loss or gradient that is not finite"
    )
    divergence_limit: Annotated[int | None, only(divergence=("skip", "restore"), required=True)] = Field(
        None, ge=1, description="updates skipped, or returns, until the run ends"
    )
    divergence_rate_factor: Annotated[float | None, only(divergence="restore", required=True)] = Field(
        None, gt=0, le=1, description="factor on the learning rate at each return"
    )


class Checkpoint(Section):
    """When the state is saved, besides every evaluation and the end."""

    every_steps: int | None = Field(None, ge=1, description="steps between saves")
    every_seconds: float | None = Field(None, gt=0, description="seconds between saves")
    keep_latest: int = Field(ge=1, description="latest checkpoints kept")
    keep_best: int = Field(ge=1, description="best checkpoints by validation kept, besides the latest")


class Log(Section):
    """What is written down while training."""

    every_steps: int = Field(ge=1, description="steps between logged figures")
    batch_accuracy_every_steps: Annotated[int | None, only(task__name=TELLING_RIGHT_FROM_WRONG)] = Field(
        None, ge=1, description="steps between accuracies on the training batch after its update"
    )
    sample_tokens: Annotated[int | None, only(task__name="language_modelling")] = Field(
        None, ge=1, description="tokens that are written at each evaluation, as a sample (None: none)"
    )
    tensorboard: bool = Field(description="also write TensorBoard event files")


class Runtime(Section):
    """What the run runs on."""

    devices: int | None = Field(
        None,
        ge=1,
        description="devices that share a batch, of all processes (None: what pays)",
    )
    matmul_precision: Literal["float32", "tensorfloat32", "bfloat16"] = Field(
        description="precision of matrix products"
    )
    allow_device_change: bool = Field(description="resume on another number of devices, with other last bits")
    process_count: int | None = Field(
        None, ge=1, description="processes of this run (None: as the cluster says, or one)"
    )
    process_index: int | None = Field(None, ge=0, description="which of them this is, from 0")
    coordinator: str | None = Field(None, description="HOST:PORT where the first one waits for the others")
