"""The config section `model`."""

from typing import Annotated, Literal

from pydantic import Field

from rnn_jax.catalogue import CELLS
from rnn_jax.config.rules import only
from rnn_jax.config.sections.section import CatalogueName, ComposedSection, HyperNumber

DenseInit = Literal["lecun_normal", "glorot_uniform", "normal", "uniform"]
KernelInit = Literal["lecun_normal", "glorot_uniform", "joint_glorot_uniform", "normal", "uniform"]
RecurrentInit = Literal["orthogonal", "glorot_uniform", "joint_glorot_uniform", "normal", "uniform"]

HAS_STATE_KERNELS = only(cell=lambda cell: cell.state_kernels)
READS_TOKENS = only(task__name=lambda task: task.reads == "tokens")


class Model(ComposedSection):
    """The recurrent network."""

    cell: Annotated[str, CatalogueName(CELLS)] = Field(description="the recurrent cell")
    implementation: Literal["auto", "scan", "fused", "parallel"] = Field(
        description="how the cell is unrolled over time (auto: the fastest that fits the cell)"
    )
    remat_steps: int | None = Field(
        None, ge=1, description="gradient checkpointing: steps between two stored carries (None: store all)"
    )
    hidden_size: int = Field(ge=1, description="units of each recurrent layer")
    layers: int = Field(ge=1, le=1_000, description="the number of recurrent layers")
    bidirectional: bool = Field(description="each layer has a second recurrence, backward in time")
    residual: bool = Field(description="add each layer's input to its output, from the second layer on")
    dropout: HyperNumber = Field(None, ge=0, lt=1, description="dropout rate between two layers")
    recurrent_dropout: Annotated[HyperNumber, HAS_STATE_KERNELS] = Field(
        None, ge=0, lt=1, description="dropout rate of the hidden state where a kernel multiplies it"
    )
    weight_drop: Annotated[HyperNumber, HAS_STATE_KERNELS] = Field(
        None, ge=0, lt=1, description="dropout rate of the weights that multiply the hidden state"
    )
    variational_dropout: bool | None = Field(
        None, description="dropout uses the same mask at every time step (None: False)"
    )
    input_dropout: Annotated[HyperNumber, READS_TOKENS] = Field(
        None, ge=0, lt=1, description="dropout rate of the embedded tokens' features"
    )
    output_dropout: HyperNumber = Field(None, ge=0, lt=1, description="dropout rate before the output layer")
    embedding_dropout: Annotated[HyperNumber, READS_TOKENS] = Field(
        None, ge=0, lt=1, description="probability that a token is dropped everywhere in its row"
    )
    embedding_scale: Annotated[HyperNumber, READS_TOKENS] = Field(
        None, gt=0, description="factor on the initial embedding, besides init_scale (None: 1)"
    )
    tied_embedding: Annotated[
        bool | None, only(task__name=lambda task: task.language_model, required=True)
    ] = Field(None, description="the output layer's kernel is the embedding")
    embedding_size: Annotated[int | None, READS_TOKENS] = Field(
        None, ge=1, description="features of an embedded token (None: hidden_size)"
    )
    input_projection_size: Annotated[
        int | None, only(task__name=lambda task: task.reads == "features" and task.predicts == "sequence")
    ] = Field(None, ge=1, description="units of a linear layer before the recurrence (None: no such layer)")
    pool: Annotated[
        Literal["last", "mean", "max"] | None,
        only(task__name=lambda task: task.predicts == "sequence", required=True),
    ] = Field(None, description="the hidden states that the prediction is made from")
    forget_bias: Annotated[HyperNumber, only(cell=lambda cell: cell.forget_bias)] = Field(
        None, description="initial bias of the forget gate (None: 0)"
    )
    chrono_steps: Annotated[HyperNumber, only(cell=lambda cell: cell.chrono_keep or cell.chrono_write)] = (
        Field(None, ge=2, description="longest memory, in steps, of chrono initialization (None: not used)")
    )
    kernel_init: KernelInit = Field(description="initializer of the input kernels of the recurrence")
    recurrent_init: Annotated[
        RecurrentInit | None, only(cell=lambda cell: cell.state_kernels, required=True)
    ] = Field(None, description="initializer of the recurrent kernels")
    dense_init: DenseInit = Field(description="initializer of the kernels of the input and output layers")
    dense_bias: HyperNumber = Field(None, description="initial biases of input and output layers (None: 0)")
    init_scale: HyperNumber = Field(None, ge=0, description="factor on every initial matrix (None: 1)")
