"""From the text of the command line to the values of keys."""

import ast
import warnings
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from ml_collections import ConfigDict

from rnn_jax.config.messages import choices_of, kind_of


def read_value(text: str, annotation: Any) -> Any:
    """The value that a text means for a key of the given type.

    `None`; `true` and `false`; numbers (`1e3` is an integer for a key that wants one); lists, `[1, 2]` or
    `1,2`; strings with or without quotes. What is none of these stays a string, for the schema to refuse.
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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python finds odd in the text, which then stays text
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        pass
    try:
        return float(text)  # nan and inf, which Python has no literals for
    except ValueError:
        return text


def _fit(value: Any, kind: Any) -> Any:
    """A whole float becomes an integer where one is wanted, and a tuple a list, in which the same holds."""
    if isinstance(value, list | tuple):
        inner = get_args(kind)[0] if get_origin(kind) is list else kind
        return [_fit(item, inner) for item in value]
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def plain(value: Any) -> Any:
    """Nested dictionaries and lists, as JSON has them, of a config's mappings and sequences."""
    if isinstance(value, Mapping | ConfigDict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value
