"""IMDB: 50,000 reviews of films, positive and negative (Maas et al. 2011, https://aclanthology.org/P11-1015).

The original is the authors' archive. A folder `aclImdb` that was unpacked from it, or any archive of such a
folder, is accepted, too, if the contents of all reviews are the original ones.
"""

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.config.sections.dataset import Imdb
from rnn_jax.datasets import archives, splitting
from rnn_jax.datasets.dataset import Dataset, Spec, Splits, take
from rnn_jax.datasets.published import builder, sources
from rnn_jax.datasets.published.sources import Feature, Source
from rnn_jax.datasets.safe_reading import decode_utf8, reading, require_inside
from rnn_jax.datasets.user_files import labelled_texts
from rnn_jax.datasets.user_files.labelled_texts import Examples
from rnn_jax.runtime.errors import UserError

ARCHIVE = "aclImdb_v1.tar.gz"
CLASSES = ("neg", "pos")
SPEC: Spec = {"kind": "labelled_text", "unit": "plain_word", "vocabulary": 20_000, "classes": 2}
_PATH = re.compile(r"(?:.*/)?(train|test)/(neg|pos)/\d+_\d+\.txt")
_ARCHIVE = re.compile(r"\.(tar(\.\w+)?|tgz)$")
_COUNT = 12_500  # reviews of each class, in train and in test
# SHA-256 of one line for each review, `train/neg/0_3 <SHA-256>`, in alphabetical order.
_CONTENTS = "7afa30dfbfd4ee465f2094af214b20adf3dc83f60878ebb7a5f8052010fbe540"
_MAX_BYTES = 1 << 20  # of a review
_VALIDATION = 2_500
_FORMAT = 1  # part of the version of the tokens: increase it when the same reviews are tokenized differently


def load_imdb(*, data_dir: str | None = None, **keys: Any) -> Dataset:
    """Load the reviews, with the keys of the config section `Imdb`; `sources.locate` finds `manual_dir`."""
    options = Imdb.model_construct(**keys)
    sources.locate(_SOURCE, options.manual_dir)  # invalid files are an error even if prepared data exist
    read = partial(read_examples, data_dir, options.manual_dir)
    source = [_FORMAT, [_SOURCE.name, _SOURCE.version]]
    return labelled_texts.tokenize("imdb_tokens", source, options, read, "the reviews", data_dir)


def read_examples(data_dir: str | None = None, manual_dir: str | None = None) -> Examples:
    """Return the reviews as texts: 2,500 of train, stratified, are for validation. See `load_imdb`."""
    folder = builder.folder_of(_SOURCE, data_dir)
    splits: Splits = {}
    for split, arrays in builder.load_splits(_SOURCE, data_dir, manual_dir).items():
        reviews = np.split(arrays["text"], np.cumsum(arrays["text_lengths"])[:-1])
        texts: Any = [decode_utf8(review.tobytes(), folder) for review in reviews]
        splits[split] = {"texts": np.array(texts, object), "targets": arrays["targets"]}
    train = splits["train"]
    validation, rest = np.split(splitting.stratified_order(train["targets"]), [_VALIDATION])
    splits |= {"train": take(train, np.sort(rest)), "validation": take(train, np.sort(validation))}
    return Examples(splits, CLASSES)


def _find(folder: Path) -> dict[str, Path] | None:
    """Find and verify the folder `aclImdb`, its contents, or an archive of it."""
    folders = [place for place in (folder / "aclImdb", folder) if (place / "train" / "pos").is_dir()]
    packed = [path for path in sorted(folder.iterdir()) if _ARCHIVE.search(path.name)]
    for place in [*folders, *packed]:
        _reviews(place)  # raises, whatever else there is
        return {ARCHIVE: place}
    return None


def _read(files: dict[str, Path]) -> Splits:
    splits: Splits = {}
    reviews = _reviews(files[ARCHIVE])
    for split in ("train", "test"):
        own = {name: review for name, review in reviews.items() if name.startswith(f"{split}/")}
        texts: Any = [np.frombuffer(review, np.uint8) for review in own.values()]
        labels = [CLASSES.index(name.split("/")[1]) for name in own]
        splits[split] = {"text": texts, "targets": np.array(labels, np.int32)}
    return splits


def _reviews(place: Path) -> dict[str, bytes]:
    """Return the reviews in alphabetical order, by name, `train/neg/0_3`; raise UserError for others."""
    with reading(place):
        found = itertools.islice(_read_reviews(place), 4 * _COUNT + 1)
        reviews = {"/".join(path.split("/")[-3:]).removesuffix(".txt"): review for path, review in found}
    if len(reviews) != 4 * _COUNT:
        found = f"has {len(reviews):,} reviews, as aclImdb/train/neg/0_3.txt"
        raise UserError(f"{place}: {found}: must have {4 * _COUNT:,}")
    reviews = dict(sorted(reviews.items()))
    if digest_of(reviews) != _CONTENTS:
        raise UserError(f"{place}: its reviews are not the original ones; get {_SOURCE.url}{ARCHIVE}")
    return reviews


def _read_reviews(place: Path) -> Iterator[tuple[str, bytes]]:
    """Yield paths and contents."""
    if not place.is_dir():
        yield from archives.read_tar(place, lambda name: bool(_PATH.fullmatch(name)), _MAX_BYTES)
        return
    for path in place.rglob("*.txt"):
        is_review = _PATH.fullmatch(path.as_posix()) and require_inside(place, path).is_file()
        if is_review and path.stat().st_size <= _MAX_BYTES:
            yield path.as_posix(), path.read_bytes()


def digest_of(reviews: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of reviews in their order: see `_CONTENTS`."""
    lines = [f"{name} {hashlib.sha256(review).hexdigest()}\n" for name, review in reviews.items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


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
