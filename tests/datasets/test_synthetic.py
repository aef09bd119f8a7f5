"""Synthetic doubles: of the right shape, the same every time, and learnable."""

import numpy as np
import pytest

from rnn_jax import datasets
from rnn_jax.catalogue import DATASETS
from rnn_jax.catalogue.entry import resolve
from rnn_jax.runtime.errors import UserError

SPECS = {name: resolve(entry.template) for name, entry in DATASETS.items() if entry.template is not None}
IMAGES = [name for name, spec in SPECS.items() if spec["kind"] == "image"]


def build(template: str, examples: int) -> datasets.Dataset:
    return datasets.build_dataset(name="synthetic", batch_size=8, template=template, examples=examples)


@pytest.mark.parametrize("template", IMAGES)
def test_has_the_spec_of_the_original(template: str) -> None:
    double = build(template, 42)
    spec = SPECS[template]
    assert (double.name, double.spec, double.batch_size) == ("synthetic", spec, 8)
    assert {split: len(arrays["targets"]) for split, arrays in double.splits.items()} == {
        "train": 42,
        "validation": 10,
        "test": 10,
    }
    for arrays in double.splits.values():
        assert arrays["inputs"].shape == (len(arrays["targets"]), spec["height"], spec["width"])
        assert (arrays["inputs"].dtype, arrays["targets"].dtype) == (np.uint8, np.int32)
        assert arrays["inputs"].max() <= int(spec["maximum"])
        assert set(arrays["targets"]) <= set(range(int(spec["classes"])))


def test_is_the_same_every_time() -> None:
    first, second = build("digits", 40).splits, build("digits", 40).splits
    for split, arrays in first.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, second[split][name])
    assert not np.array_equal(first["validation"]["inputs"], first["test"]["inputs"])


@pytest.mark.parametrize("template", IMAGES)
def test_is_learnable_but_not_trivial(template: str) -> None:
    """The nearest class mean finds most labels; guessing finds a tenth."""
    splits = build(template, 400).splits
    inputs, targets = splits["train"]["inputs"].astype(float), splits["train"]["targets"]
    means = np.stack([inputs[targets == label].mean(axis=0) for label in range(10)])
    tested = splits["test"]["inputs"].astype(float)
    distances = ((tested[:, None] - means) ** 2).sum(axis=(2, 3))
    assert (distances.argmin(axis=1) == splits["test"]["targets"]).mean() > 0.8
    assert np.bincount(splits["test"]["targets"]).max() <= 0.2 * len(tested)
    spread = [inputs[targets == label].std(axis=0).mean() for label in range(10)]
    assert min(spread) > 0.05 * splits["train"]["inputs"].max()  # the images of a class differ


def test_few_examples_give_at_least_one_to_each_split() -> None:
    assert len(build("digits", 3).splits["test"]["targets"]) == 1


@pytest.mark.parametrize("template", ["imdb", "sequences", "measurements"])
def test_sequences_are_of_many_lengths(template: str) -> None:
    double = build(template, 400)
    for arrays in double.splits.values():
        assert list(arrays) == ["lengths", "targets", "steps"]
        assert arrays["lengths"].sum() == len(arrays["steps"])
        assert len(arrays["lengths"]) == len(arrays["targets"])
        assert arrays["lengths"].min() >= 1
        assert len(np.unique(arrays["lengths"])) > 20
    spec = double.spec
    if "classes" in spec:
        assert (
            np.bincount(double.splits["train"]["targets"]).tolist()
            == [400 // spec["classes"]] * spec["classes"]
        )
    else:
        assert double.splits["train"]["targets"].shape == (400, spec["outputs"])


WRONG = {
    "an unknown name": (
        {"name": "minst"},
        r"dataset\.name = minst: unknown; must be one of mnist, fashion_mnist, digits, ",
    ),
    "none of TFDS": ({"name": "tfds"}, r"dataset\.name = tfds: unknown; .*tfds.* \(as tfds:NAME\)"),
    "half of a double": (
        {"name": "synthetic"},
        "dataset.name = synthetic: needs dataset.examples and dataset.template",
    ),
    "a double of nothing": (
        {"name": "synthetic", "template": "synthetic", "examples": 20},
        "dataset.template = synthetic: unknown; must be one of mnist, fashion_mnist, digits, ",
    ),
    "another one's key": ({"name": "digits", "file": "a.txt"}, r"dataset\.file = a.txt: not a key of digits"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments(case: str) -> None:
    arguments, message = WRONG[case]
    with pytest.raises(UserError, match=message):
        datasets.build_dataset(batch_size=8, **arguments)
