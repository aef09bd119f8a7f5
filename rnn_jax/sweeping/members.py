"""The members of a sweep: one config each, and which of them are one program.

A point is a value for each key that is varied; a member is a point with a seed. Members whose configs differ
in the seed and in arguments of the compiled step alone (the keys that the schema marks `Hyper`) are a group,
and one program trains them all. Everything else changes what is compiled: another group, another program.
"""

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from rnn_jax.config.command_line import overridden, wrong_key
from rnn_jax.config.messages import shown, told
from rnn_jax.config.schema import Config, Hyper, examine, keys, split_hyper
from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.study.spaces import draw

Point = dict[str, Any]

SEED = "train.seed"
SEEDS = 2**32
MOST = 100_000
"""Members of a sweep."""
NOT_VARIED = {
    SEED: "seeds are varied by seeds (--seeds N)",
    "train.report_test": "a sweep looks at test once, for its winner",
    "train.duration_steps": "members are compared at the same length: duration_steps of the sweep",
    "train.duration_epochs": "members are compared at the same length: duration_epochs of the sweep",
}


class Base(NamedTuple):
    """What all members of a sweep have in common."""

    source: str
    """The config's name, `configs/mnist.py:seed`."""
    sections: dict[str, Any]
    said: list[str]
    """The keys among them that were typed."""


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


def build(base: Base, sweep: Sweep, origin: str, at: Sequence[Point] | None = None) -> list[Member]:
    """All members, those of a point one after another.

    Args:
        base: what every member has.
        sweep: what is varied.
        origin: the sweep file or the flag, named in mistakes.
        at: the points; None: those of the sweep.

    Raises:
        UserError: a line for each mistake in the keys that are varied or their values.
    """
    mistakes = [mistake for key in sweep.keys if (mistake := _not_to_be_varied(key, origin))]
    if mistakes:
        raise UserError("\n".join(mistakes))
    _refuse_multitudes(sweep, origin)
    members: list[Member] = []
    for point in points(sweep) if at is None else at:
        config = _config(base, sweep, point, mistakes, origin)
        if config is None:
            continue
        if config.train.divergence == "restore":
            raise UserError(
                "train.divergence = 'restore': the members of a sweep share their steps, and one alone "
                "cannot go back; stop or skip"
            )
        if config.train.seed + sweep.seeds > SEEDS:
            raise UserError(
                f"{sweep.seeds} seeds from train.seed = {config.train.seed} on are more than there are"
            )
        for offset in range(sweep.seeds):
            train = config.train.model_copy(update={"seed": config.train.seed + offset})
            members.append(Member(len(members), point, config.model_copy(update={"train": train})))
    if mistakes:
        raise UserError(told(list(dict.fromkeys(mistakes))))
    return members


def _refuse_multitudes(sweep: Sweep, origin: str) -> None:
    count = sweep.num_trials if sweep.num_trials is not None else math.prod(map(len, sweep.grid.values()))
    if count * sweep.seeds > MOST:
        what = f"{shown(count)} points with {shown(sweep.seeds)} seeds"
        raise UserError(f"{origin}: {what} are too many members; a sweep has at most {MOST:,}")


def points(sweep: Sweep) -> list[Point]:
    """The points of a sweep: all combinations of its grid, or what is drawn from its ranges."""
    if sweep.grid:
        return [
            dict(zip(sweep.grid, values, strict=True)) for values in itertools.product(*sweep.grid.values())
        ]
    assert sweep.num_trials is not None
    drawn = draw(sweep.ranges, sweep.num_trials, sweep.draw_seed)
    # Of few choices the same may be drawn again, which would be the same model again.
    return list({json.dumps(point): point for point in drawn}.values())


def corners(sweep: Sweep) -> list[Point]:
    """Points that have every extreme of every range once: what is wrong with a space is wrong with them."""
    extremes = {key: found.extremes for key, found in sweep.ranges.items()}
    first = {key: values[0] for key, values in extremes.items()}
    return [first, *(first | {key: value} for key, values in extremes.items() for value in values[1:])]


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
    """The varied keys of which not all values are of one program."""
    ranges = {key: found.choice or () for key, found in sweep.ranges.items()}
    return [
        key
        for key, values in (sweep.grid | ranges).items()
        # None removes what a number is for.
        if Hyper not in keys()[key].metadata or None in values
    ]


def duration(sweep: Sweep) -> Point:
    """The key that says how long, where the sweep does."""
    said = {f"train.{name}": getattr(sweep, name) for name in ("duration_steps", "duration_epochs")}
    return {key: value for key, value in said.items() if value is not None}


def _config(base: Base, sweep: Sweep, point: Point, mistakes: list[str], origin: str) -> Config | None:
    """The config at a point, without the seed; None, and what is wrong in `mistakes`."""
    given = point | {"train.report_test": False} | duration(sweep)
    examined = examine(overridden(base.sections, given), {*base.said, *given})
    for mistake in examined.mistakes:
        if {mistake.key, mistake.cause} & set(given):
            mistakes.append(f"{origin}: {mistake.line((), None)}")
        else:
            mistakes.append(mistake.line(base.said, base.source))
    return examined.config


def _not_to_be_varied(key: str, origin: str) -> str | None:
    if key in NOT_VARIED:
        return f"{origin}: {key}: {NOT_VARIED[key]}"
    if key in keys():
        return None
    return f"{origin}: {wrong_key(key).line((), None)}"
