"""Values of keys: parsed from the command line, and as plain Python."""

import ast
import contextlib
import warnings
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from ml_collections import ConfigDict

from rnn_jax.config.messages import choices_of, kind_of


def read_value(text: str, annotation: Any) -> Any:
    """Parse the text of a value for a key of the given type.

    `None`; `true` and `false`; numbers (`1e3` is an integer for an integer key); lists, `[1, 2]` or `1,2`;
    strings with or without quotes. Any other text stays a string, for which the schema has an error.
    """
    text = text.strip()
    if text == "None":
        return None
    kind, _ = kind_of(annotation)
    if kind is str or choices_of(annotation):
        quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""
        return text[1:-1] if quoted else text
    return _fit(_literal(text), kind)


def _literal(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    for parse in (ast.literal_eval, float):  # nan and inf have no literals
        with (
            warnings.catch_warnings(),
            contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError),
        ):
            warnings.simplefilter("ignore")  # SyntaxWarning
            return parse(text)
    return text


def _fit(value: Any, kind: Any) -> Any:
    """Convert whole floats to integers for an integer key, and tuples to lists."""
    if isinstance(value, list | tuple):
        inner = get_args(kind)[0] if get_origin(kind) is list else kind
        return [_fit(item, inner) for item in value]
    return int(value) if kind is int and isinstance(value, float) and value.is_integer() else value


def plain(value: Any) -> Any:
    """A config's value as JSON has it: nested dictionaries and lists, and Python's own numbers.

    Scalars and arrays of NumPy and JAX become numbers and nested lists.
    """
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Mapping | ConfigDict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def overridden(base: Mapping[str, Any] | ConfigDict, values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a config with other values for some keys, `section.key`."""
    config = plain(base)
    for key, value in values.items():
        section, _, name = key.partition(".")
        if isinstance(config.setdefault(section, {}), dict):
            config[section][name] = plain(value)
    return config


def flatten(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a config's sections by `section.key`."""
    return {
        f"{section}.{key}": value
        for section, keys in sections.items()
        if isinstance(keys, Mapping)
        for key, value in keys.items()
    }
