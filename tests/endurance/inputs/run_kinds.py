"""Small valid files of run folders and of prepared data: vocabularies, dataset.json, arrays."""

import json
import tempfile
from pathlib import Path
from typing import Any

import byte_changes
import numpy as np
from byte_changes import Change
from image_kinds import IMAGES, SPEC
from kind import Changes, Files, Kind, change_first, change_json, check_dataset
from text_kinds import TEXT, read_table, table_of

from rnn_jax import datasets
from rnn_jax.datasets import vocabulary
from rnn_jax.datasets.user_files import pictures
from rnn_jax.datasets.vocabulary import (
    Vocabulary,
    learn_bpe,
    learn_characters,
    learn_plain_words,
    learn_words,
)


def _read_vocabulary(folder: Path) -> Any:
    known = Vocabulary.load(folder / "vocabulary.json")
    numbers = known.encode("the cat\n") if known.unit in ("byte", "piece", "plain_word") else np.zeros(1, int)
    assert 0 <= numbers.min() <= numbers.max() < len(known), "an index is out of range"
    known.decode(range(min(len(known), 300))).encode()
    assert known.unit == "plain_word" or 0 <= known.start < len(known), "the start index is out of range"
    return known.tokens


VOCABULARY_WRONG: Changes = {
    "a token twice": lambda files, number: change_json(
        files, lambda content: content["tokens"].append(content["tokens"][0])
    ),
    "a number as a token": lambda files, number: change_json(
        files, lambda content: content["tokens"].append(number)
    ),
    "a lone surrogate": lambda files, number: change_json(
        files, lambda content: content["tokens"].append("\ud800")
    ),
    "no tokens": lambda files, number: change_json(files, lambda content: content.pop("tokens")),
    "another unit": lambda files, number: change_json(files, lambda content: content.update(unit="letter")),
    "nested lists": lambda files, number: change_first(files, lambda data: b'{"a":' + b"[" * 9_000),
}


def _vocabulary(known: vocabulary.Vocabulary) -> bytes:
    content = {"unit": known.unit, "version": "1", "tokens": list(known.tokens), "pieces": known.bpe}
    return json.dumps({key: value for key, value in content.items() if value}).encode()


WORDS = learn_words([TEXT])
PLAIN = learn_plain_words([TEXT])
OF_IMAGES = {
    "name": "mnist",
    "version": "1.0.0",
    "spec": SPEC,
    "classes": ["a", "b", "c"],
    "background": "dark",
}
OF_TEXTS = {
    "name": "labelled_text",
    "version": "1",
    "spec": {"kind": "labelled_text", "unit": "plain_word", "vocabulary": len(PLAIN), "classes": 2},
    "classes": ["a", "b"],
}
OF_SEQUENCES = {
    "name": "sequences",
    "version": "1",
    "spec": {
        "kind": "sequences",
        "features": 2,
        "means": [0.0, 1.0],
        "deviations": [1.0, 2.0],
        "outputs": 1,
        "target_means": [0.5],
        "target_deviations": [1.0],
    },
    "classes": [],
}


def _read_info(folder: Path) -> Any:
    from rnn_jax.datasets import dataset_info

    known = dataset_info.load(folder)
    spec = known.spec
    assert len(known.classes) == spec.get("classes", 0), "the number of classes is not that of the spec"
    if spec["kind"] == "image":
        image = pictures.fit(IMAGES[0], spec["height"], spec["width"], spec["maximum"])
        assert image.max() <= spec["maximum"], "a pixel is above the maximum"
    if spec["kind"] == "sequences":
        assert (np.array(spec["deviations"]) > 0).all(), "a standard deviation is not positive"
    if known.vocabulary is not None and "vocabulary" in spec:
        assert len(known.vocabulary) == spec["vocabulary"], "the vocabulary has another size"
    return spec


INFO_WRONG: Changes = {
    "one class too many": lambda files, number: change_json(
        files, lambda content: content["classes"].append("z")
    ),
    "no kind": lambda files, number: change_json(files, lambda content: content["spec"].pop("kind")),
    "another kind": lambda files, number: change_json(
        files, lambda content: content["spec"].update(kind="sound")
    ),
    "no spec": lambda files, number: change_json(files, lambda content: content.update(spec=[number])),
}


def _stored() -> Files:
    """Return the files that the package stores for a table of labelled texts."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "files"
        folder.mkdir()
        (folder / "a.tsv").write_bytes(table_of("\t"))
        read_table(".tsv", "words")(folder)
        made = next((folder.parent / "data" / "rnn_jax_labelled_text").iterdir())
        return {
            f"data/rnn_jax_labelled_text/{made.name}/{file.name}": file.read_bytes()
            for file in made.iterdir()
        }


def _read_stored(folder: Path) -> Any:
    (folder / "a.tsv").write_bytes(table_of("\t"))
    keys = {"label_column": "label", "text_column": "text", "has_header": True, "encoding": "utf-8"}
    data = datasets.build_dataset(
        name="labelled_text",
        batch_size=2,
        file=str(folder / "a.tsv"),
        tokenizer="words",
        truncate="keep_last",
        data_dir=str(folder / "data"),
        **keys,
    )
    return check_dataset(data)


def _pieces_within(data: bytes, change: Change, number: int) -> bytes:
    """Change the tokenizer of the `tokenizers` library inside the JSON file."""
    del number
    content = json.loads(data)
    content["pieces"] = change(content["pieces"].encode()).decode("utf-8", "replace")
    return json.dumps(content).encode()


def kinds() -> dict[str, Kind]:
    """Return every kind by name."""
    found = {}
    known = {"word": WORDS, "plain word": PLAIN, "character": learn_characters([TEXT])}
    for unit, of in known.items():
        files = {"vocabulary.json": _vocabulary(of)}
        found[f"vocabulary, {unit}"] = Kind(
            files, _read_vocabulary, byte_changes.OF_JSON, wrong=VOCABULARY_WRONG
        )
    pieces = learn_bpe(iter([TEXT]), 280)
    found["vocabulary, piece"] = Kind(
        {"vocabulary.json": _vocabulary(pieces)}, _read_vocabulary, byte_changes.OF_JSON, _pieces_within
    )
    for name, content in (("images", OF_IMAGES), ("texts", OF_TEXTS), ("sequences", OF_SEQUENCES)):
        files = {
            "dataset.json": json.dumps(content).encode(),
            "vocabulary.json": _vocabulary(PLAIN),
        }
        if name != "texts":
            files.pop("vocabulary.json")
        found[f"dataset.json of {name}"] = Kind(files, _read_info, byte_changes.OF_JSON, wrong=INFO_WRONG)
    stored = _stored()
    for number, name in enumerate(sorted(stored)):
        files = dict(sorted(stored.items(), key=lambda item: item[0] != name))
        also_json = byte_changes.OF_JSON if name.endswith(".json") else []
        exact = not name.endswith("manifest.json")
        found[f"stored {Path(name).name} ({number})"] = Kind(files, _read_stored, also_json, is_exact=exact)
    return found
