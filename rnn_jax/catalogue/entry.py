"""What all entries share: a builder, the config keys of its own, and what registered it."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

Data = Literal["image", "labelled_text", "sequences", "text", "numbers"]
"""The kinds of data; `datasets.Dataset` describes their arrays."""
DATA = dict(
    image="images", labelled_text="labelled texts", sequences="sequences", text="a text", numbers="generated"
)
"""Their names in messages."""
STRICT = ConfigDict(extra="forbid")
Builder = str | Callable[..., Any]


@dataclass(frozen=True, eq=False, config=STRICT)
class Entry:
    """A name's builder, and the config keys of its own."""

    builder: Builder
    """Its path, or the object itself."""
    _: KW_ONLY
    options: str | type[BaseModel] | None = None
    """A pydantic model, or its path, in a module without JAX. Its fields are keys of the config section and
    keyword arguments of the builder; those marked `Hyper` are part of `hyper` instead."""
    origin: str | None = None
    """The module or the file that registered it; None: this package."""

    @property
    def option_fields(self) -> Mapping[str, FieldInfo]:
        """The config keys of its own: the fields of its options."""
        return {} if self.options is None else resolve(self.options).model_fields

    def build(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the builder."""
        return resolve(self.builder)(*arguments, **keywords)


def resolve(target: Any) -> Any:
    """Import the object that a path, `module:name`, names; return anything else as it is."""
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
