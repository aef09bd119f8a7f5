"""The config sections `optimizer`, `train`, `checkpoint`, `log` and `runtime`; see `section.py`."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from rnn_jax.config.objective import to_text
from rnn_jax.config.rules import only, split_names
from rnn_jax.config.sections.section import Hyper, HyperNumber, Section
from rnn_jax.runtime.processes import Processes, processes_of

ADAM = ("adam", "adamw")
STEPWISE = ("step", "exponential")


class Optimizer(Section):
    """The optimizer, its learning-rate schedule, and averages of the parameters."""

    name: Literal["adam", "adamw", "sgd", "rmsprop"] = Field(description="the optimizer")
    learning_rate: Annotated[float, Hyper] = Field(ge=0, description="learning rate, times its schedule")
    schedule: Literal["constant", "cosine", "step", "exponential"] = Field(
        description="schedule of the learning rate: see docs/optimizers.md"
    )
    warmup_epochs: float | None = Field(None, ge=0, description="epochs of linear warmup")
    warmup_steps: int | None = Field(None, ge=0, description="steps of linear warmup")
    decay_every_epochs: Annotated[float | None, only(schedule=STEPWISE)] = Field(
        None, gt=0, description="epochs in which the learning rate decays by decay_factor"
    )
    decay_every_steps: Annotated[int | None, only(schedule=STEPWISE)] = Field(
        None, ge=1, description="steps in which the learning rate decays by decay_factor"
    )
    decay_from_epochs: Annotated[float | None, only(schedule="step")] = Field(
        None, gt=0, description="epochs before the first decay (None: decay_every_epochs)"
    )
    decay_from_steps: Annotated[int | None, only(schedule="step")] = Field(
        None, ge=1, description="steps before the first decay (None: decay_every_steps)"
    )
    decay_factor: Annotated[float | None, only(schedule=STEPWISE, required=True)] = Field(
        None, gt=0, le=1, description="factor on the learning rate per decay_every_*"
    )
    final_fraction: Annotated[float | None, only(schedule="cosine", required=True)] = Field(
        None, ge=0, le=1, description="learning rate at the end, as a fraction of learning_rate"
    )
    weight_decay: Annotated[HyperNumber, only(name=("adamw", "sgd", "rmsprop"))] = Field(
        None, ge=0, description="decoupled weight decay times the rate (None: none)"
    )
    decay_parameters: Annotated[str | None, only(name=("adamw", "sgd", "rmsprop"))] = Field(
        None, description="groups that decay: see docs/optimizers.md (None: kernels,embeddings)"
    )
    clip_norm: HyperNumber = Field(
        None, gt=0, description="gradient clipping: largest global norm (None: no clipping)"
    )
    beta1: Annotated[float | None, only(name=ADAM, required=True)] = Field(
        None, ge=0, lt=1, description="decay rate of the gradient's first moment"
    )
    beta2: Annotated[float | None, only(name=ADAM, required=True)] = Field(
        None, ge=0, lt=1, description="decay rate of the gradient's second moment"
    )
    epsilon: Annotated[float | None, only(name=(*ADAM, "rmsprop"), required=True)] = Field(
        None, gt=0, description="added to the root of the second moment; with rmsprop, inside the root"
    )
    momentum: Annotated[float | None, only(name=("sgd", "rmsprop"))] = Field(
        None, ge=0, lt=1, description="momentum (None: no momentum)"
    )
    rms_decay: Annotated[float | None, only(name="rmsprop", required=True)] = Field(
        None, ge=0, lt=1, description="decay rate of the mean squared gradient"
    )
    average_decay: float | None = Field(
        None, ge=0, lt=1, description="decay of the parameters' moving average (EMA), which is then evaluated"
    )
    average_from_epochs: float | None = Field(
        None, ge=0, description="epochs before Polyak averaging: then the parameters' mean is evaluated"
    )
    average_from_steps: int | None = Field(
        None, ge=0, description="steps before Polyak averaging: then the parameters' mean is evaluated"
    )

    @property
    def decayed_groups(self) -> list[str]:
        """The groups of parameters that weight decay acts on."""
        return split_names(self.decay_parameters or "kernels,embeddings")


class Train(Section):
    """Duration, seed, evaluation, early stopping, and what follows divergence."""

    seed: int = Field(ge=0, lt=2**32, description="seed of initialization, order, augmentation and dropout")
    duration_epochs: float | None = Field(None, gt=0, description="epochs of training")
    duration_steps: int | None = Field(None, ge=1, description="steps of training")
    evaluate_every_epochs: float | None = Field(None, gt=0, description="epochs between evaluations")
    evaluate_every_steps: int | None = Field(None, ge=1, description="steps between evaluations")
    objective: Annotated[str | None, BeforeValidator(to_text)] = Field(
        None, description="validation metrics that decide, in order: `accuracy, loss` (None: the task's)"
    )
    early_stopping_patience: int | None = Field(
        None, ge=1, description="stop after this number of evaluations without improvement (None: never)"
    )
    report_test: bool = Field(description="evaluate the best checkpoint on the test split at the end")
    divergence: Literal["stop", "skip", "restore"] = Field(
        description="response to a loss or gradient that is not finite (restore: roll back)"
    )
    divergence_limit: Annotated[int | None, only(divergence=("skip", "restore"), required=True)] = Field(
        None, ge=1, description="skipped updates, or roll-backs, before the run stops"
    )
    divergence_rate_factor: Annotated[float | None, only(divergence="restore", required=True)] = Field(
        None, gt=0, le=1, description="factor on the learning rate at each roll-back"
    )


class Checkpoint(Section):
    """Checkpoints besides those of every evaluation and of the end, and how many are kept."""

    every_steps: int | None = Field(None, ge=1, description="steps between checkpoints")
    every_seconds: float | None = Field(None, gt=0, description="seconds between checkpoints")
    keep_latest: int = Field(ge=1, description="number of latest checkpoints kept")
    keep_best: int = Field(ge=1, description="number of best checkpoints kept, by the validation objective")


class Log(Section):
    """Logging during training."""

    every_steps: int = Field(ge=1, description="steps between logged training metrics")
    batch_accuracy_every_steps: Annotated[int | None, only(task__name=lambda task: task.has_accuracy)] = (
        Field(None, ge=1, description="steps between accuracies on the training batch, after its update")
    )
    sample_tokens: Annotated[int | None, only(task__name=lambda task: task.language_model)] = Field(
        None, ge=1, description="tokens of the text sampled at each evaluation (None: no sample)"
    )
    tensorboard: bool = Field(description="also write TensorBoard event files")


class Runtime(Section):
    """Devices, processes and precision."""

    devices: int | None = Field(
        None, ge=1, description="devices of all processes (None: all accelerators, or useful CPU cores)"
    )
    matmul_precision: Literal["float32", "tensorfloat32", "bfloat16"] = Field(
        description="precision of matrix products"
    )
    allow_device_change: bool = Field(description="resume on another number of devices, with other last bits")
    process_count: int | None = Field(None, ge=1, description="processes (None: the cluster's, or 1)")
    process_index: int | None = Field(None, ge=0, description="index of this process, from 0")
    coordinator: str | None = Field(None, description="HOST:PORT of process 0, which the others connect to")

    @property
    def processes(self) -> Processes:
        """The processes that train together; raises UserError if their number or index is not known."""
        return processes_of(self.process_count, self.process_index, self.coordinator)
