"""Data sets: NumPy arrays in splits, made from original files, from a package, or drawn at random.

`build` takes the config's section `dataset` as its keyword arguments. A new data set is an `Entry` in the
table `DATASETS`: `images.py` shows one from IDX files and one from a package; a text is a `TextEntry` in
`TEXTS`. A new kind of data (`spec["kind"]`) has a file of its own beside `images.py`, and a line in
`synthetic.py`.
"""

from rnn_jax.datasets import generated, images, synthetic, text_files, texts, vocabulary
from rnn_jax.datasets.dataset import Dataset, Entry
from rnn_jax.datasets.texts import TextEntry
from rnn_jax.runtime.errors import UserError

__all__ = ["DATASETS", "NAMES", "TEXTS", "Dataset", "build"]

# The data sets with data of their own.
DATASETS: dict[str, Entry] = {"mnist": images.MNIST, "digits": images.DIGITS}
TEXTS: dict[str, TextEntry] = {"ptb": texts.PTB, "tiny_shakespeare": texts.TINY_SHAKESPEARE}
# Every value of `dataset.name`: "text" is a file of one's own, "synthetic" is a double of any of the above,
# "generated" is drawn by the task.
NAMES = (*DATASETS, *TEXTS, "text", "synthetic", "generated")


def build(
    *,
    name: str,
    batch_size: int,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    file: str | None = None,
    validation_file: str | None = None,
    test_file: str | None = None,
    tokens: str | None = None,
    vocabulary_size: int | None = None,
    encoding: str | None = None,
    like: str | None = None,
    examples: int | None = None,
) -> Dataset:
    """Loads the data set `name`, which prepares it first where that has not been done.

    Args:
        name: a key of `DATASETS` or `TEXTS`, "text", "synthetic" or "generated".
        batch_size: examples in a batch.
        data_dir: the folder of prepared data; None: that of TensorFlow Datasets.
        manual_dir: a folder with the original files, which are used instead of a download. None: the folder
            `$RNN_JAX_DATA/<name>` where it has them, then prepared data, then a download.
        file: for "text", a text file; where there is no other, its last two tenths validate and test.
        validation_file: for "text", the file to validate with.
        test_file: for "text", the file to test with.
        tokens: for "text", what a token is: a key of `text_files.UNITS`.
        vocabulary_size: for "text", how many tokens there are; None: all words or characters that it has.
        encoding: for "text", its encoding.
        like: for "synthetic", the data set whose spec it has.
        examples: for "synthetic" and "generated", the number of training examples; of a text, tokens.

    Raises:
        UserError: wrong input, or data that cannot be had.
        StorageError: the disk is full.
    """
    if name == "generated":
        if examples is None:
            raise UserError("dataset.name = generated: needs dataset.examples as well")
        return Dataset(name, generated.VERSION, dict(generated.SPEC), generated.number(examples), batch_size)
    if name == "synthetic":
        if like is None or examples is None:
            raise UserError("dataset.name = synthetic: needs dataset.like and dataset.examples as well")
        return _synthetic(like, examples, batch_size)
    if name == "text":
        assert tokens is not None
        assert encoding is not None
        reading = text_files.Reading(tokens, vocabulary_size, encoding)
        files = {"train": file, "validation": validation_file, "test": test_file}
        found = text_files.load(files, reading, data_dir)
        return Dataset(name, found.version, found.spec, found.text.splits, batch_size, found.text.vocabulary)
    if name in TEXTS:
        entry = TEXTS[name]
        text = entry.load(data_dir, manual_dir)
        splits = texts.with_last_tenth(text.splits) if entry.has_last_tenth else text.splits
        return Dataset(name, entry.version, dict(entry.spec), splits, batch_size, text.vocabulary)
    entry = _entry("name", name)
    return Dataset(name, entry.version, dict(entry.spec), entry.load(data_dir, manual_dir), batch_size)


def _synthetic(like: str, examples: int, batch_size: int) -> Dataset:
    entry = TEXTS[like] if like in TEXTS else _entry("like", like)
    splits, spec, known = synthetic.draw(entry.spec, examples), dict(entry.spec), None
    if isinstance(entry, TextEntry):
        known = vocabulary.made_up(str(spec["unit"]), int(spec["vocabulary"]))
        splits = texts.with_last_tenth(splits) if entry.has_last_tenth else splits
    return Dataset("synthetic", synthetic.VERSION, spec, splits, batch_size, known)


def _entry(key: str, value: str) -> Entry:
    if value not in DATASETS:
        choices = NAMES if key == "name" else (*DATASETS, *TEXTS)
        raise UserError(f"dataset.{key} = {value}: unknown; there are {', '.join(choices)}")
    return DATASETS[value]
