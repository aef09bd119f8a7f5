"""What the sections of a config have in common.

A section is the keyword arguments of one builder. A key that is typed `X | None` may be left out: None means
"not set". `Hyper` marks the numbers that are arguments of the compiled step, so that another value compiles
nothing anew; `only(...)` (see `rules.py`) marks the keys that belong to some kinds alone.
"""

from pydantic import BaseModel
from pydantic import ConfigDict as ModelConfig


class Hyper:
    """Marks a key whose number is an argument of the compiled step, not a constant of the program."""


class Section(BaseModel):
    """A part of the config: strict types, finite numbers, no unknown keys."""

    model_config = ModelConfig(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)
