"""The members of a sweep: one config each, and which of them are one program.

A point is a value for each key that is varied; a member is a point with a seed. Members whose configs differ
in the seed and in arguments of the compiled step alone (the keys that the schema marks `Hyper`) are a group,
and one program trains them all. Everything else changes what is compiled: another group, another program.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rnn_jax.runtime.config import wrong_key
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.schema import KEYS, Config, Hyper, split_hyper
from rnn_jax.runtime.validation import examine, plain
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.draw import draw

Point = dict[str, Any]

SEED = "train.seed"
NOT_VARIED = {
    SEED: "seeds are varied by seeds (--seeds N)",
    "train.report_test": "a sweep looks at test once, for its winner",
    "train.duration_steps": "members are compared at the same length: duration_steps of the sweep",
    "train.duration_epochs": "members are compared at the same length: duration_epochs of the sweep",
}


class Member(NamedTuple):
    """One model of a sweep."""

    number: int
    point: Point
    """The values of the keys that are varied."""
    config: Config
    """The whole config, its seed included."""

    @property
    def seed(self) -> int:
        """What decides its initial parameters and the order of its examples."""
        return self.config.train.seed


def build(base: Mapping[str, Any], said: Sequence[str], sweep: Sweep, origin: str) -> list[Member]:
    """All members, those of a point one after another.

    Args:
        base: the sections that every member has.
        said: the keys of the command line among them.
        sweep: what is varied.
        origin: the sweep file or the flag, named in mistakes.

    Raises:
        UserError: a line for each mistake in the keys that are varied or their values.
    """
    mistakes = [mistake for key in sweep.keys if (mistake := _not_to_be_varied(key, origin))]
    if mistakes:
        raise UserError("\n".join(mistakes))
    members: list[Member] = []
    for point in points(sweep):
        config = _config(base, said, sweep, point, mistakes, origin)
        for offset in range(sweep.seeds if config else 0):
            assert config is not None
            train = config.train.model_copy(update={"seed": config.train.seed + offset})
            members.append(Member(len(members), point, config.model_copy(update={"train": train})))
    if mistakes:
        raise UserError("\n".join(dict.fromkeys(mistakes)))
    return members


def points(sweep: Sweep) -> list[Point]:
    """The points of a sweep: all combinations of its grid, or what is drawn from its ranges."""
    if sweep.grid:
        return [
            dict(zip(sweep.grid, values, strict=True)) for values in itertools.product(*sweep.grid.values())
        ]
    assert sweep.draws is not None
    return draw(sweep.ranges, sweep.draws, sweep.draw_seed)


def groups(members: Sequence[Member]) -> list[list[Member]]:
    """The members of each program, in the order of their first ones."""
    found: dict[str, list[Member]] = {}
    for member in members:
        sections, hyper = split_hyper(member.config)
        del sections["train"]["seed"]
        # Which numbers there are changes the program, what they are does not.
        found.setdefault(json.dumps([sections, sorted(hyper)], sort_keys=True), []).append(member)
    return list(found.values())


def keys_of_shape(sweep: Sweep) -> list[str]:
    """The varied keys that need a program for each of their values."""
    return [key for key in sweep.keys if Hyper not in KEYS[key].metadata]


def duration(sweep: Sweep) -> Point:
    """The key that says how long, where the sweep does."""
    said = {f"train.{name}": getattr(sweep, name) for name in ("duration_steps", "duration_epochs")}
    return {key: value for key, value in said.items() if value is not None}


def _config(
    base: Mapping[str, Any], said: Sequence[str], sweep: Sweep, point: Point, mistakes: list[str], origin: str
) -> Config | None:
    """The config at a point, without the seed; None, and what is wrong in `mistakes`."""
    sections = plain(base)
    given = point | {"train.report_test": False} | duration(sweep)
    for key, value in given.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = value
    typed = {*said, *given}
    examined = examine(sections, typed, Config, KEYS)
    if examined.mistakes:
        mistakes += [f"{origin}: {mistake.line((), None)}" for mistake in examined.mistakes]
        return None
    return Config.model_validate(examined.sections)


def _not_to_be_varied(key: str, origin: str) -> str | None:
    if key in NOT_VARIED:
        return f"{origin}: {key}: {NOT_VARIED[key]}"
    if key in KEYS:
        return None
    return f"{origin}: {wrong_key(key).line((), None)}"
