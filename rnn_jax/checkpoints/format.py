"""Trees of arrays as safetensors files (https://huggingface.co/docs/safetensors).

The name of an array joins the keys on the way to it: `params/recurrence_0/hf/kernel`. Two kinds of arrays are
stored as views, since safetensors has no dtype for them:

- a complex array [...] as its real and imaginary parts, float [..., 2]; the file's metadata maps its name to
  its dtype, `{"carry/0": "complex64"}`
- a random key [...] as its data, uint32 [..., words], which `jax.random.wrap_key_data` turns into a key again
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict
from safetensors import SafetensorError, safe_open

_CODES = {"bool": "BOOL", "bfloat16": "BF16", "float16": "F16", "float32": "F32", "float64": "F64"}
_CODES |= {
    f"{kind}{bits}": f"{kind[0].upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)
}
"""The codes of dtypes in the header of a safetensors file."""
_PARTS = {"complex64": "float32", "complex128": "float64"}
"""The dtype of the real and imaginary parts."""


def replace_keys(tree: Any) -> Any:
    """Replace random keys by their data, uint32 [..., words]."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, tree)


def write_arrays(file: Path, tree: Any) -> None:
    """Write a tree of arrays, without random keys, to a new file.

    Raises:
        OSError: the disk is full or cannot be written to.
        ValueError: an array has a dtype that cannot be stored, or two arrays have the same name.
    """
    arrays, metadata = dict[str, np.ndarray](), dict[str, str]()
    for name, leaf in _by_name(tree).items():
        array = np.asarray(leaf)
        if array.dtype.name in _PARTS:
            metadata[name] = array.dtype.name
            array = array.reshape(-1).view(_PARTS[array.dtype.name]).reshape(*array.shape, 2)
        if array.dtype.name not in _CODES:
            raise ValueError(f"{name} has dtype {array.dtype}, which a safetensors file cannot store")
        arrays[name] = array
    header, end = dict[str, Any](__metadata__=metadata), 0
    ordered = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))  # so that each one is aligned
    for name in ordered:
        array, begin = arrays[name], end
        end += array.nbytes
        code = _CODES[array.dtype.name]
        header[name] = {"dtype": code, "shape": array.shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    # Not `safetensors.numpy.save_file`: it hides the error number of a full disk, and `save` holds Python's
    # lock, which the training loop needs, while it copies all arrays.
    with file.open("xb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for name in ordered:
            out.write(arrays[name].reshape(-1).view(np.uint8).data)


def read_arrays(file: Path, prefix: str = "") -> dict[str, np.ndarray]:
    """Read the arrays whose names start with `prefix`, by name.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no valid safetensors file, or holds arrays that `write_arrays` does not write.
    """
    try:
        with safe_open(file, framework="numpy") as stored:
            names = [name for name in stored.keys() if name.startswith(prefix)]  # noqa: SIM118 (no mapping)
            for name in names:
                code = stored.get_slice(name).get_dtype()
                if code not in _CODES.values():
                    raise ValueError(f"{name} has the unsupported dtype {code}")
            metadata = stored.metadata() or {}
            return {name: _restored(name, stored.get_tensor(name), metadata.get(name)) for name in names}
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def nested(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Nest arrays by name in dictionaries; raise ValueError if a name is the beginning of another one."""
    try:
        return unflatten_dict(dict(arrays), sep="/")
    except (TypeError, LookupError) as error:
        raise ValueError("a name of an array is also the beginning of another one") from error


def arrange_like(arrays: Mapping[str, np.ndarray], template: Any) -> Any:
    """Arrange arrays by name in the structure of a template; where it has random keys, data become keys.

    Raises:
        ValueError: an array is missing, unexpected, or of another shape or dtype than the template's.
    """
    like = _by_name(jax.eval_shape(replace_keys, template))
    for name in dict.fromkeys((*arrays, *like)):
        stored, expected = (_described(leaves.get(name)) for leaves in (arrays, like))
        if stored != expected:
            raise ValueError(f"{name} is {stored} in the file, and {expected} in the model")

    leaves, structure = jax.tree.flatten(template)
    found = (
        jax.random.wrap_key_data(jnp.asarray(arrays[name])) if _is_key(leaf) else arrays[name]
        for leaf, name in zip(leaves, like, strict=True)
    )
    return jax.tree.unflatten(structure, found)


def _by_name(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    named = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
    if len(named) != len(leaves):
        raise ValueError("two arrays have the same name")
    return named


def _restored(name: str, array: np.ndarray, dtype: str | None) -> np.ndarray:
    if dtype is None:
        return array
    if array.dtype.name != _PARTS.get(dtype) or array.shape[-1:] != (2,):
        raise ValueError(f"{name} is {_described(array)}, which is no view of a {dtype} array")
    return array.view(dtype)[..., 0]


def _described(leaf: Any) -> str:
    """`float32[8, 8]`."""
    return "missing" if leaf is None else f"{np.dtype(leaf.dtype).name}{list(leaf.shape)}"


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
