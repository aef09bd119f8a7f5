"""What the sections of a config have in common.

A section is the keyword arguments of one builder. A key that is typed `X | None` may be left out: None means
"not set". Marks in a key's annotation: `Hyper`, `CatalogueName`, and `only(...)` (see `rules.py`).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel
from pydantic import ConfigDict as ModelConfig

from rnn_jax.catalogue.entry import Entry


class Hyper:
    """Marks a number that is an argument of the compiled step: another value does not compile it again."""


HyperNumber = Annotated[float | None, Hyper]


class CatalogueName(NamedTuple):
    """Marks a key whose choices are the names of a catalogue, or of some of its entries."""

    table: Mapping[str, Entry]
    includes: Callable[[Any], bool] = lambda entry: True


class Section(BaseModel):
    """A part of the config: strict types, finite numbers, no unknown keys."""

    model_config = ModelConfig(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class ComposedSection(Section):
    """A section that names an entry of the catalogue, whose options are keys of the section too."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
