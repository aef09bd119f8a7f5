"""Trees of arrays as safetensors files."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from rnn_jax.checkpoints.format import arrange_like, nested, read_arrays, replace_keys, write_arrays


class Pair(NamedTuple):
    """As the states of optimizers are."""

    first: Any
    second: Any


RANDOM = np.random.default_rng(0)
DTYPES = [
    *(np.dtype(name) for name in ("bool", "int8", "int16", "int32", "int64")),
    *(np.dtype(name) for name in ("uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")),
    *(np.dtype(name) for name in ("complex64", "complex128", ml_dtypes.bfloat16)),
]


def random_array(dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Any bits, NaN with payloads too."""
    if dtype.name == "bool":
        return np.asarray(RANDOM.random(shape) < 0.5)
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(RANDOM.bytes(size), dtype).reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_bit_comes_back(dtype: np.dtype, tmp_path: Path) -> None:
    shapes = {"scalar": (), "empty": (0, 3), "vector": (5,), "cube": (2, 3, 4)}
    tree = {name: random_array(dtype, shape) for name, shape in shapes.items()}
    tree["transposed"] = tree["cube"].T
    write_arrays(tmp_path / "a", tree)
    found = read_arrays(tmp_path / "a")
    assert set(found) == set(tree)
    for name, array in tree.items():
        assert (found[name].dtype, found[name].shape) == (dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_names_join_the_keys_and_each_kind_of_leaf_comes_back(tmp_path: Path) -> None:
    key = jax.random.key(3)
    tree = {
        "params": {"dense": {"kernel": jnp.ones((2, 3))}},
        "carry": (Pair(jnp.zeros(2), None), 1j * jnp.ones(2)),
    }
    write_arrays(tmp_path / "a", replace_keys(tree | {"key": key}))
    arrays = read_arrays(tmp_path / "a")
    assert set(arrays) == {"params/dense/kernel", "carry/0/first", "carry/1", "key"}
    assert set(nested(arrays)["params"]["dense"]) == {"kernel"}
    assert set(read_arrays(tmp_path / "a", "params/")) == {"params/dense/kernel"}
    template = jax.eval_shape(lambda: tree | {"key": key})
    found = arrange_like(arrays, template)
    assert jax.tree.structure(found) == jax.tree.structure(template)
    assert jax.random.key_data(found["key"]).tolist() == jax.random.key_data(key).tolist()
    np.testing.assert_array_equal(found["carry"][1], tree["carry"][1])


def test_any_reader_of_safetensors_reads_it(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", {"b": np.arange(6.0).reshape(2, 3), "a": np.array([1 + 2j], np.complex64)})
    found = safetensors.numpy.load_file(tmp_path / "a")
    assert found["b"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["a"].tolist() == [[1, 2]]
    with safetensors.safe_open(tmp_path / "a", "numpy") as stored:
        assert stored.metadata() == {"a": "complex64"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"kernel": np.zeros((2, 4), np.float32)},
            r"kernel is float32\[2, 4\] in the file, and float32\[2, 3\]",
        ),
        (
            {"kernel": np.zeros((2, 3), np.float64)},
            r"kernel is float64\[2, 3\] in the file, and float32\[2, 3\]",
        ),
        ({}, r"kernel is missing in the file"),
        (
            {"kernel": np.zeros((2, 3), np.float32), "bias": np.zeros(3)},
            r"bias is float64\[3\] .* missing in",
        ),
    ],
)
def test_other_arrays_are_refused_by_name(changed: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arrange_like(changed, {"kernel": np.zeros((2, 3), np.float32)})


def test_what_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="text has dtype"):
        write_arrays(tmp_path / "a", {"text": np.array("a")})
    with pytest.raises(ValueError, match="same name"):
        write_arrays(tmp_path / "a", {"a": {"b": np.zeros(2)}, "a/b": np.zeros(3)})


def stored(header: Any, size: int) -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return len(text).to_bytes(8, "little") + text + bytes(size)


def array(begin: int, end: int, dtype: str = "F32", shape: tuple[int, ...] = (2,)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


CRAFTED: dict[str, bytes] = {
    "empty": b"",
    "a length beyond the file": (1 << 40).to_bytes(8, "little") + b"{}",
    "a negative length": b"\xff" * 16,
    "no JSON": stored(b"{no json", 0),
    "a deep header": stored(b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}", 0),
    "data beyond the file": stored({"a": array(0, 8)}, 4),
    "data that no array has": stored({"a": array(0, 8)}, 16),
    "overlapping arrays": stored({"a": array(0, 8), "b": array(4, 12)}, 12),
    "one array twice": stored({"a": array(0, 8), "b": array(0, 8)}, 8),
    "a gap": stored({"a": array(0, 8), "b": array(12, 20)}, 20),
    "a shape of another size": stored({"a": array(0, 8, shape=(3,))}, 8),
    "a shape that overflows": stored({"a": array(0, 8, shape=(1 << 40, 1 << 40))}, 8),
    "a negative shape": stored({"a": array(0, 8, shape=(-2,))}, 8),
    "offsets that go back": stored({"a": array(8, 0)}, 8),
    "an unknown dtype": stored({"a": array(0, 8, "O64")}, 8),
    "a dtype that is not written": stored({"a": array(0, 2, "F8_E4M3")}, 2),
    "a name within another": stored({"a": array(0, 8), "a/b": array(8, 16)}, 16),
    "a complex array of integers": stored({"__metadata__": {"a": "complex64"}, "a": array(0, 8, "I32")}, 8),
    "a complex array of three": stored(
        {"__metadata__": {"a": "complex64"}, "a": array(0, 12, shape=(3,))}, 12
    ),
    "a complex scalar": stored({"__metadata__": {"a": "complex64"}, "a": array(0, 4, shape=())}, 4),
    "objects": stored({"__metadata__": {"a": "object"}, "a": array(0, 8)}, 8),
}


@pytest.mark.parametrize("content", CRAFTED.values(), ids=CRAFTED)
def test_a_crafted_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        nested(read_arrays(tmp_path / "a"))


def test_an_honest_file_by_hand_is_read(tmp_path: Path) -> None:
    """So that what the others are refused for is what they say."""
    (tmp_path / "a").write_bytes(stored({"a": array(0, 8), "b/c": array(8, 16)}, 16))
    assert jax.tree.map(np.shape, nested(read_arrays(tmp_path / "a"))) == {"a": (2,), "b": {"c": (2,)}}
