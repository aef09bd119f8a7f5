"""The sections that say what is trained: which data, what is asked of them, which network.

Every key has its type, its range, its choices, and what it means; see `section.py`.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rnn_jax.config.messages import Besides
from rnn_jax.config.rules import Kinds, only
from rnn_jax.config.section import Hyper, Section

Drawn = Literal["lecun_normal", "glorot_uniform", "normal", "uniform"]
DrawnForGates = Literal["lecun_normal", "glorot_uniform", "joint_glorot_uniform", "normal", "uniform"]
DrawnForState = Literal["orthogonal", "glorot_uniform", "joint_glorot_uniform", "normal", "uniform"]

FORGETTING = ("lstm", "lstm_peephole", "lstm_coupled", "lstm_layer_norm", "janet", "minlstm")
READING_STATE = ("rnn", *FORGETTING[:-1], "gru", "mgu")
CHRONO = (*FORGETTING, "gru", "mgu", "mingru")
READING_FEATURES = ("classification", "sequence_classification", "sequence_regression", "adding")
READING_LENGTHS = ("text_classification", "sequence_classification", "sequence_regression")
ANSWERING_ONCE = (*READING_FEATURES, "text_classification")
NAMING_CLASSES = ("classification", "text_classification", "sequence_classification")
READING_TOKENS = ("text_classification", "copying", "language_modelling")
ORIGINALS = ("mnist", "fashion_mnist", "ptb", "tiny_shakespeare", "imdb")
OWN_FILES = ("text", "labelled_text", "sequences")
OF_LENGTHS = ("imdb", "labelled_text", "sequences")
OF_TOKENS = ("text", "labelled_text", "imdb")

# What the data of a set is; of a synthetic one, that of its double (dataset.template).
KINDS_OF_DATA = {
    "mnist": "images",
    "fashion_mnist": "images",
    "digits": "images",
    "idx": "images",
    "image_folder": "images",
    "tfds": "images",
    "imdb": "labelled texts",
    "labelled_text": "labelled texts",
    "sequences": "sequences",
    "measurements": "sequences",
    "ptb": "a text",
    "tiny_shakespeare": "a text",
    "text": "a text",
    "generated": "generated",
}
KINDS_OF_TASKS = {
    "classification": "images",
    "text_classification": "labelled texts",
    "sequence_classification": "sequences",
    "sequence_regression": "sequences",
    "language_modelling": "a text",
    # Their examples are drawn as they are needed.
    "adding": "generated",
    "copying": "generated",
}


class Dataset(Section):
    """Which examples, and how many of them in a batch."""

    name: Annotated[
        Literal[
            "mnist",
            "fashion_mnist",
            "digits",
            "ptb",
            "tiny_shakespeare",
            "imdb",
            "text",
            "labelled_text",
            "sequences",
            "idx",
            "image_folder",
            "synthetic",
            "generated",
        ]
        | Annotated[str, StringConstraints(pattern=r"^tfds:[\w./-]+$")],
        Besides("tfds:"),
        Kinds(KINDS_OF_DATA),
    ] = Field(description="the data set; of one's own: text, labelled_text, sequences, idx, image_folder")
    batch_size: int = Field(ge=1, description="rows of a batch, over all devices")
    data_dir: str | None = Field(None, description="folder of prepared data (None: TFDS's own)")
    manual_dir: Annotated[str | None, only(name=ORIGINALS)] = Field(
        None, description="folder with the original files, used instead of a download"
    )
    file: Annotated[str | None, only(name=OWN_FILES, required=True)] = Field(
        None, description="one's own: a text, a table of labelled texts, or an .npz of sequences"
    )
    validation_file: Annotated[str | None, only(name=OWN_FILES)] = Field(
        None, description="what to validate with (None: a tenth of the file, of a text the ninth)"
    )
    test_file: Annotated[str | None, only(name=OWN_FILES)] = Field(
        None, description="what to test with (None: a tenth of the file, of a text the last)"
    )
    folder: Annotated[str | None, only(name=("idx", "image_folder"), required=True)] = Field(
        None, description="one's own: a folder of pictures a class, or four IDX files as MNIST's"
    )
    validation_examples: Annotated[int | None, only(name=("idx", "image_folder"))] = Field(
        None, ge=1, description="the first so many training images validate (None: see configs/images.py)"
    )
    label_column: Annotated[str | None, only(name="labelled_text", required=True)] = Field(
        None, description="the column of the labels, by its name, or its number from 1 on"
    )
    text_column: Annotated[str | None, only(name="labelled_text", required=True)] = Field(
        None, description="the column of the texts, by its name, or its number from 1 on"
    )
    has_header: Annotated[bool | None, only(name="labelled_text", required=True)] = Field(
        None, description="whether the first line names the columns"
    )
    tokenizer: Annotated[
        Literal["characters", "bytes", "words", "bpe"] | None, only(name=OF_TOKENS, required=True)
    ] = Field(None, description="what a token is (words of labelled texts: in lower case, and marks apart)")
    vocabulary_size: Annotated[int | None, only(tokenizer=("characters", "words", "bpe"))] = Field(
        None, ge=3, description="the most frequent tokens, or BPE tokens, that are told apart (None: all)"
    )
    encoding: Annotated[str | None, only(name=("text", "labelled_text"), required=True)] = Field(
        None, description="the encoding of the text files"
    )
    max_length: Annotated[int | None, only(name=OF_LENGTHS)] = Field(
        None, ge=1, description="longer sequences are cut to so many steps (None: none is)"
    )
    truncate: Annotated[Literal["keep_first", "keep_last"] | None, only(name=OF_LENGTHS, required=True)] = (
        Field(None, description="which steps of a sequence that is cut are kept")
    )
    template: Annotated[
        Literal[
            "mnist",
            "fashion_mnist",
            "digits",
            "ptb",
            "tiny_shakespeare",
            "imdb",
            "sequences",
            "measurements",
        ]
        | None,
        only(name="synthetic", required=True),
    ] = Field(None, description="the data set whose shapes the synthetic one has")
    examples: Annotated[int | None, only(name=("synthetic", "generated"), required=True)] = Field(
        None, ge=20, description="training examples, or tokens, of data that is drawn"
    )


class Task(Section):
    """What is asked of the model."""

    name: Annotated[
        Literal[
            "classification",
            "text_classification",
            "sequence_classification",
            "sequence_regression",
            "adding",
            "copying",
            "language_modelling",
        ],
        Kinds(KINDS_OF_TASKS),
    ] = Field(description="the task")
    reading: Annotated[Literal["rows", "pixels"] | None, only(name="classification", required=True)] = Field(
        None, description="what of an image is one time step"
    )
    permutation_seed: Annotated[int | None, only(reading="pixels")] = Field(
        None, ge=0, lt=2**32, description="decides a fixed order of the pixels (None: their own)"
    )
    shift_pixels: Annotated[int | None, only(name="classification", required=True)] = Field(
        None, ge=0, description="training images are moved by up to so many pixels"
    )
    buckets: Annotated[int | None, only(name=READING_LENGTHS, required=True)] = Field(
        None, ge=1, le=64, description="lengths that sequences are filled up to, at most (1: to the longest)"
    )
    label_smoothing: Annotated[float | None, Hyper, only(name=NAMING_CLASSES)] = Field(
        None, ge=0, lt=1, description="probability that is spread evenly over the classes"
    )
    time_steps: Annotated[int | None, only(name="adding", required=True)] = Field(
        None, ge=2, description="steps of a sequence whose marked numbers are added"
    )
    delay_steps: Annotated[int | None, only(name="copying", required=True)] = Field(
        None, ge=1, description="steps between what is to be copied and the copy"
    )
    copied_symbols: Annotated[int | None, only(name="copying", required=True)] = Field(
        None, ge=1, description="symbols that are to be copied"
    )
    alphabet_size: Annotated[int | None, only(name="copying", required=True)] = Field(
        None, ge=2, description="different symbols that there are"
    )
    bptt_steps: Annotated[int | None, only(name="language_modelling", required=True)] = Field(
        None, ge=1, description="steps of a text after which an update is made and gradients stop"
    )
    eval_batch_size: Annotated[int | None, only(name="language_modelling", required=True)] = Field(
        None, ge=1, description="streams that a text is cut into where it is evaluated"
    )
    loss_per: Annotated[Literal["token", "row"] | None, only(name="language_modelling", required=True)] = (
        Field(None, description="the loss is a mean over tokens, or over rows of a sum over their steps")
    )


class Model(Section):
    """The recurrent network."""

    cell: Literal[
        "rnn",
        "lstm",
        "lstm_peephole",
        "lstm_coupled",
        "lstm_layer_norm",
        "gru",
        "mgu",
        "janet",
        "mingru",
        "minlstm",
        "lru",
    ] = Field(description="the recurrent cell")
    implementation: Literal["auto", "scan", "fused", "parallel"] = Field(
        description="how the cell is run over time (auto: the fastest that fits)"
    )
    remat_steps: int | None = Field(
        None, ge=1, description="steps between what is kept for the backward pass (None: all is kept)"
    )
    hidden_size: int = Field(ge=1, description="units of each recurrence")
    layers: int = Field(ge=1, le=1_000, description="recurrences upon one another")
    bidirectional: bool = Field(description="a second recurrence in each layer reads backwards")
    residual: bool = Field(description="every layer after the first adds what it reads to what it says")
    dropout: Annotated[float | None, Hyper] = Field(
        None, ge=0, lt=1, description="probability that a value is dropped between two layers"
    )
    recurrent_dropout: Annotated[float | None, Hyper, only(cell=READING_STATE)] = Field(
        None, ge=0, lt=1, description="probability that a unit is dropped where gates read the state"
    )
    weight_drop: Annotated[float | None, Hyper, only(cell=READING_STATE)] = Field(
        None, ge=0, lt=1, description="probability that a weight is dropped where gates read the state"
    )
    variational_dropout: bool | None = Field(
        None, description="dropout drops the same values at every time step (None: False)"
    )
    input_dropout: Annotated[float | None, Hyper, only(task__name=READING_TOKENS)] = Field(
        None, ge=0, lt=1, description="probability that a number of an embedded token is dropped"
    )
    output_dropout: Annotated[float | None, Hyper] = Field(
        None, ge=0, lt=1, description="probability that a value is dropped before the last layer"
    )
    embedding_dropout: Annotated[float | None, Hyper, only(task__name=READING_TOKENS)] = Field(
        None, ge=0, lt=1, description="probability that a token is dropped, wherever it is in its row"
    )
    embedding_scale: Annotated[float | None, Hyper, only(task__name=READING_TOKENS)] = Field(
        None, gt=0, description="factor on the drawn embedding, besides init_scale (None: 1)"
    )
    tied_embedding: Annotated[bool | None, only(task__name="language_modelling", required=True)] = Field(
        None, description="the last layer's kernel is the embedding"
    )
    embedding_size: Annotated[int | None, only(task__name=READING_TOKENS)] = Field(
        None, ge=1, description="numbers that stand for a token (None: as many as units)"
    )
    input_projection_size: Annotated[int | None, only(task__name=READING_FEATURES)] = Field(
        None, ge=1, description="units of a linear layer before the recurrence (None: no such layer)"
    )
    pool: Annotated[Literal["last", "mean", "max"] | None, only(task__name=ANSWERING_ONCE, required=True)] = (
        Field(None, description="which hidden states the answer is read from")
    )
    forget_bias: Annotated[float | None, Hyper, only(cell=FORGETTING)] = Field(
        None, description="initial bias of the forget gate (None: 0)"
    )
    chrono_steps: Annotated[float | None, Hyper, only(cell=CHRONO)] = Field(
        None, ge=2, description="chrono initialization, for memories of up to so many steps (None: none)"
    )
    kernel_init: DrawnForGates = Field(description="how the input kernels of the recurrence are drawn")
    recurrent_init: Annotated[DrawnForState | None, only(cell=READING_STATE, required=True)] = Field(
        None, description="how the hidden kernels of the recurrence are drawn"
    )
    dense_init: Drawn = Field(description="how the kernels of the input and output layers are drawn")
    dense_bias: Annotated[float | None, Hyper] = Field(
        None, description="initial biases of the input and output layers (None: 0)"
    )
    init_scale: Annotated[float | None, Hyper] = Field(
        None, ge=0, description="factor on every drawn matrix (None: 1)"
    )
