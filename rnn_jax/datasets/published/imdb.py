"""IMDB: 50,000 reviews of films, good ones and bad ones (Maas et al. 2011, https://aclanthology.org/P11-1015).

The original is the authors' archive. A folder `aclImdb` that was unpacked from it will do, and any archive of
such a folder: what counts is that the reviews are the original ones, each to its last byte.
"""

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.datasets import ragged, splitting, untrusted
from rnn_jax.datasets.dataset import Loaded, Spec, Splits
from rnn_jax.datasets.own_files import labelled_texts
from rnn_jax.datasets.own_files.labelled_texts import Examples, Labelled, Reading
from rnn_jax.datasets.published import builder, sources
from rnn_jax.datasets.published.sources import Feature, Source
from rnn_jax.datasets.ragged import End
from rnn_jax.runtime.errors import UserError

ARCHIVE = "aclImdb_v1.tar.gz"
CLASSES = ("neg", "pos")
_PLACE = re.compile(r"(?:.*/)?(?P<split>train|test)/(?P<label>neg|pos)/(?P<name>\d+_\d+)\.txt")
_COUNT = 12_500  # reviews of each class, in train and in test
# SHA-256 over a line for each review, `train/neg/0_3 <SHA-256>`, in alphabetical order.
_CONTENTS = "7afa30dfbfd4ee465f2094af214b20adf3dc83f60878ebb7a5f8052010fbe540"
_LONGEST = 1 << 20  # bytes of a review: a damaged archive may claim anything
_VALIDATION = 2_500
_WORDS = 20_000  # of the synthetic double
SPEC: Spec = {"kind": "labelled_text", "unit": "plain_word", "vocabulary": _WORDS, "classes": 2}


def _read_reviews(place: Path) -> Iterator[tuple[str, bytes]]:
    """The reviews of a folder or an archive, by `train/neg/0_3`."""
    if place.is_dir():
        for path in place.rglob("*.txt"):
            found = _PLACE.fullmatch(path.as_posix())
            if found and untrusted.inside(place, path).is_file() and path.stat().st_size <= _LONGEST:
                yield "/".join(found.groups()), path.read_bytes()
        return
    for name, review in untrusted.read_tar(place, lambda name: bool(_PLACE.fullmatch(name)), _LONGEST):
        found = _PLACE.fullmatch(name)
        assert found is not None
        yield "/".join(found.groups()), review


def _reviews(place: Path) -> dict[str, bytes]:
    """The reviews of a folder or an archive, verified.

    Raises:
        UserError: it cannot be read, or its reviews are not the original ones.
    """
    with untrusted.reading(place):
        reviews = dict(itertools.islice(_read_reviews(place), 4 * _COUNT + 1))
    if len(reviews) != 4 * _COUNT:
        raise UserError(
            f"{place}: has {len(reviews):,} reviews (aclImdb/train/neg/0_3.txt and the like), should have "
            f"{4 * _COUNT:,}"
        )
    reviews = dict(sorted(reviews.items()))
    if digest_of(reviews) != _CONTENTS:
        raise UserError(f"{place}: its reviews are not the original ones; get {_SOURCE.url}{ARCHIVE}")
    return reviews


def digest_of(reviews: Mapping[str, bytes]) -> str:
    """What tells some reviews from any others: see `_CONTENTS`."""
    digest = hashlib.sha256()
    for name, review in reviews.items():
        digest.update(f"{name} {hashlib.sha256(review).hexdigest()}\n".encode())
    return digest.hexdigest()


def _find(folder: Path) -> dict[str, Path] | None:
    """A folder `aclImdb`, or what is in it, or an archive of it."""
    for place in (folder / "aclImdb", folder):
        if (place / "train" / "pos").is_dir():
            _reviews(place)
            return {ARCHIVE: place}
    archives = [path for path in sorted(folder.iterdir()) if re.search(r"\.(tar(\.\w+)?|tgz)$", path.name)]
    if not archives:
        return None
    _reviews(archives[0])
    return {ARCHIVE: archives[0]}


def _read(files: dict[str, Path]) -> Splits:
    splits: Splits = {}
    reviews = _reviews(files[ARCHIVE])
    for split in ("train", "test"):
        own = {name: review for name, review in reviews.items() if name.startswith(f"{split}/")}
        texts: Any = [np.frombuffer(review, np.uint8) for review in own.values()]
        labels = [CLASSES.index(name.split("/")[1]) for name in own]
        splits[split] = {"text": texts, "targets": np.array(labels, np.int32)}
    return splits


def examples(data_dir: str | None = None, manual_dir: str | None = None) -> Examples:
    """The reviews as texts, in their three splits; see `load` for the arguments."""
    splits: dict[str, Labelled] = {}
    for split, arrays in builder.load(_SOURCE, data_dir, manual_dir).items():
        ends = np.cumsum(arrays["text_lengths"])
        texts = [
            untrusted.text_of(
                arrays["text"][end - length : end].tobytes(), builder.folder_of(_SOURCE, data_dir)
            )
            for end, length in zip(ends, arrays["text_lengths"], strict=True)
        ]
        splits[split] = Labelled(texts, [CLASSES[label] for label in arrays["targets"]])
    train = splits["train"]
    _, labels = splitting.number_classes(train.labels)
    order = splitting.stratified_order(labels, splitting.SEED)
    rows = {"train": np.sort(order[_VALIDATION:]), "validation": np.sort(order[:_VALIDATION])}
    cut = {
        split: Labelled([train.texts[row] for row in own], [train.labels[row] for row in own])
        for split, own in rows.items()
    }
    return Examples({**cut, "test": splits["test"]}, [])


def load(
    *,
    tokenizer: str | None,
    vocabulary_size: int | None,
    max_length: int | None,
    truncate: End | None,
    data_dir: str | None = None,
    manual_dir: str | None = None,
) -> Loaded:
    """Loads the reviews; see `labelled_texts.load` for the arguments that are the same there.

    Args:
        tokenizer: what a token is.
        vocabulary_size: how many there are.
        max_length: longer reviews are cut to so many tokens.
        truncate: which of them are kept.
        data_dir: the folder of prepared data.
        manual_dir: a folder with the authors' archive, or `aclImdb`, or an archive of it; None: see
            `builder`.
    """
    assert tokenizer is not None
    sources.locate(_SOURCE, manual_dir)  # wrong files are an error also where all was prepared before
    loaded = labelled_texts.in_tokens(
        "imdb_tokens",
        [_SOURCE.name, _SOURCE.version],
        Reading(tokenizer, vocabulary_size),
        lambda: examples(data_dir, manual_dir),
        "the reviews",
        data_dir,
    )
    return ragged.cut(loaded, max_length, truncate)


_SOURCE = Source(
    "imdb",
    "1.0.0",
    "50,000 reviews of films from IMDB, collected by A. L. Maas, R. E. Daly, P. T. Pham, D. Huang, A. Y. Ng "
    "and C. Potts.",
    "https://ai.stanford.edu/~amaas/data/sentiment/",
    {ARCHIVE: "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe"},
    {"text": Feature((None,), np.uint8), "targets": Feature((), np.int32)},
    _read,
    _find,
)
