"""The config section `dataset`, and the keys of each data set's own: its options in the catalogue."""

from typing import Annotated, Literal

from pydantic import Field

from rnn_jax.catalogue import DATASETS
from rnn_jax.config.rules import only
from rnn_jax.config.sections.section import CatalogueName, ComposedSection, Section


class Dataset(ComposedSection):
    """The data set and its batches."""

    name: Annotated[str, CatalogueName(DATASETS, lambda entry: entry.is_choice)] = Field(
        description="the data set; of your own: text, labelled_text, sequences, idx, image_folder"
    )
    batch_size: int = Field(ge=1, description="rows of a batch, over all devices")
    data_dir: str | None = Field(None, description="folder of prepared data (None: the default of TFDS)")

    @property
    def is_cross_validated(self) -> bool:
        """Whether a run trains a model for each fold and a last one; False for a fold alone."""
        return self.validation_folds is not None and self.validation_fold is None


class Original(Section):
    """Keys of the data sets that are prepared from published files."""

    manual_dir: str | None = Field(None, description="folder with the original files, instead of a download")


class OwnFiles(Section):
    """Keys of the data sets in files of one's own."""

    file: str = Field(description="your file: a text, a table of labelled texts, or an .npz of sequences")
    validation_file: str | None = Field(
        None, description="file of the validation split (None: a tenth of the file, of a text the ninth)"
    )
    test_file: str | None = Field(
        None, description="file of the test split (None: a tenth of the file, of a text the last)"
    )


class Folded(Section):
    """Keys of the user's own data that can be cross-validated."""

    validation_folds: int | None = Field(
        None,
        ge=2,
        description="folds of a cross-validation; then all of them train (None: none)",
    )
    validation_fold: int | None = Field(
        None, ge=0, description="only the model that this fold validates, from 0 (None: all)"
    )


class Tokenized(Section):
    """Keys of the data sets that are tokenized."""

    tokenizer: Literal["characters", "bytes", "words", "bpe"] = Field(
        description="the unit of a token (words of labelled texts: lower case, punctuation apart)"
    )
    vocabulary_size: Annotated[int | None, only(tokenizer=("characters", "words", "bpe"))] = Field(
        None, ge=3, description="the number of tokens in the vocabulary, the most frequent (None: all)"
    )


class Truncated(Section):
    """Keys of the data sets whose sequences differ in length."""

    max_length: int | None = Field(
        None, ge=1, description="longer sequences are truncated to this number of steps (None: not truncated)"
    )
    truncate: Literal["keep_first", "keep_last"] = Field(description="the kept steps of a truncated sequence")


class Imdb(Truncated, Tokenized, Original):
    """Keys of the IMDB reviews."""


class Text(Tokenized, OwnFiles):
    """Keys of `text`: a text file."""

    encoding: str | None = Field(
        None, description="the encoding of the text files (None: found by a mark, else UTF-8)"
    )


class LabelledText(Truncated, Folded, Text):
    """Keys of `labelled_text`: a table with a text and a label in each line."""

    label_column: str = Field(description="the column of the labels: its name, or its number, from 1")
    text_column: str = Field(description="the column of the texts: its name, or its number, from 1")
    has_header: bool | None = Field(
        None, description="whether the first line names the columns (None: found)"
    )
    delimiter: str | None = Field(
        None, description="between columns: a character, tab, comma, semicolon or bar (None: found)"
    )
    quoting: Literal["double", "none"] | None = Field(
        None, description="double quotes around fields, or none (None: found)"
    )
    newline: Literal["lf", "crlf", "cr"] | None = Field(
        None, description="the line ends: line feed, carriage return, or both (None: found)"
    )


class Sequences(Truncated, Folded, OwnFiles):
    """Keys of `sequences`: an .npz file."""


class Images(Folded):
    """Keys of `idx` and `image_folder`."""

    folder: str = Field(description="your folder: subfolders of images by class, or four IDX files as MNIST")
    validation_examples: int | None = Field(
        None, ge=1, description="size of the validation split, cut from train (None: see configs/images.py)"
    )
    follow_links: bool = Field(False, description="read files by links that lead out of the folder")


class ImageFolder(Images):
    """Keys of `image_folder`."""

    background: Literal["dark", "light"] | None = Field(
        None, description="invert images whose edges are not mostly so (None: none), also in predictions"
    )


class Generated(Section):
    """Keys of `generated`: examples that the task generates."""

    examples: int = Field(ge=20, description="the number of training examples, of a text: tokens")


class Synthetic(Generated):
    """Keys of `synthetic`: random data with the spec of another data set."""

    template: Annotated[str, CatalogueName(DATASETS, lambda entry: entry.template is not None)] = Field(
        description="the data set whose spec the synthetic data have"
    )
