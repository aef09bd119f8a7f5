"""The members of a sweep, and which of them train in one program.

A point has a value for each varied key; a member is a point with a seed. Members whose configs differ only
in the seed and in arguments of the compiled step (the keys that the schema marks `Hyper`) form a group, which
one program trains. Any other difference changes what is compiled, and makes another group.
"""

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from rnn_jax.config.messages import format_value, join_lines
from rnn_jax.config.schema import Config, Hyper, examine, keys, split_hyper, wrong_key
from rnn_jax.config.values import overridden
from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.study.search_space import Point, sample

NUM_SEEDS = 2**32
MAX_MEMBERS = 100_000
NOT_VARIED = {
    "train.seed": "use seeds (--seeds N)",
    "train.report_test": "a sweep evaluates test once, for its winner",
    "train.duration_steps": "members are compared at the same length; use duration_steps of the sweep",
    "train.duration_epochs": "members are compared at the same length; use duration_epochs of the sweep",
    "train.objective": "members are compared by one objective; use objective of the sweep",
}


class Base(NamedTuple):
    """The config that all members of a sweep share."""

    source: str  # `configs/mnist.py:seed`
    sections: dict[str, Any]
    typed: list[str]  # the keys that were set on the command line


class Member(NamedTuple):
    """One model of a sweep."""

    number: int
    point: Point
    config: Config  # with the member's seed

    @property
    def seed(self) -> int:
        """The seed of its initial parameters and of the order of its examples."""
        return self.config.train.seed


def build_members(base: Base, sweep: Sweep, origin: str, at: Sequence[Point] | None = None) -> list[Member]:
    """Build all members, the seeds of a point one after another; raise UserError with a line per error.

    `at` are the points, by default those of the sweep; `origin` is the sweep file or flag, for messages.
    """
    errors = [f"{key}: cannot be varied; {NOT_VARIED[key]}" for key in sweep.keys if key in NOT_VARIED]
    errors += [wrong_key(key).line((), None) for key in sweep.keys if key not in keys()]
    if errors:
        raise UserError("\n".join(f"{origin}: {error}" for error in errors))
    count = sweep.num_trials if sweep.num_trials is not None else math.prod(map(len, sweep.grid.values()))
    if count * sweep.seeds > MAX_MEMBERS:
        found = f"{format_value(count)} points with {format_value(sweep.seeds)} seeds"
        raise UserError(f"{origin}: {found} are too many members; a sweep has at most {MAX_MEMBERS:,}")
    members: list[Member] = []
    for point in points(sweep) if at is None else at:
        given = point | {"train.report_test": False} | shared_values(sweep)
        config, _, problems = examine(overridden(base.sections, given), {*base.typed, *given})
        for problem in problems:
            is_given = {problem.key, problem.cause} & set(given)
            errors.append(problem.line((), origin) if is_given else problem.line(base.typed, base.source))
        if config is None:
            continue
        _check_config(config)
        first = config.train.seed
        if first + sweep.seeds > NUM_SEEDS:
            found = f"{sweep.seeds} seeds from train.seed = {first}"
            raise UserError(f"{found}: seeds are less than {NUM_SEEDS:,}")
        for seed in range(first, first + sweep.seeds):
            train = config.train.model_copy(update={"seed": seed})
            members.append(Member(len(members), point, config.model_copy(update={"train": train})))
    if errors:
        raise UserError(join_lines(list(dict.fromkeys(errors))))
    return members


def _check_config(config: Config) -> None:
    if config.train.divergence == "restore":
        reason = "not in a sweep, whose members share their steps; use 'stop' or 'skip'"
        raise UserError(f"train.divergence = 'restore': {reason}")
    if config.dataset.is_cross_validated:
        reason = "not in a sweep; set dataset.validation_fold too: that fold then validates every member"
        raise UserError(f"dataset.validation_folds = {config.dataset.validation_folds}: {reason}")


def points(sweep: Sweep) -> list[Point]:
    """Return the points of a sweep: all combinations of its grid, or a random sample of its ranges."""
    if sweep.grid:
        combinations = itertools.product(*sweep.grid.values())
        return [dict(zip(sweep.grid, values, strict=True)) for values in combinations]
    assert sweep.num_trials is not None
    sampled = sample(sweep.ranges, sweep.num_trials, sweep.sampler_seed)
    # Few choices can be sampled repeatedly, which would train the same model again.
    return list({json.dumps(point): point for point in sampled}.values())


def corners(sweep: Sweep) -> list[Point]:
    """Return points with every extreme of every range: an invalid range is invalid at one of them."""
    extremes = {key: found.extremes for key, found in sweep.ranges.items()}
    first = {key: values[0] for key, values in extremes.items()}
    return [first, *(first | {key: value} for key, values in extremes.items() for value in values[1:])]


def groups(members: Sequence[Member]) -> list[list[Member]]:
    """Return the members of each program, in the order of the first ones."""
    found: dict[str, list[Member]] = {}
    for member in members:
        sections, hyper = split_hyper(member.config)
        del sections["train"]["seed"]
        # The program depends on which hyperparameters there are, not on their values.
        found.setdefault(json.dumps([sections, sorted(hyper)], sort_keys=True), []).append(member)
    return list(found.values())


def keys_that_recompile(sweep: Sweep) -> list[str]:
    """Return the varied keys whose values need several programs."""
    values = sweep.listed_values  # None removes a mechanism
    return [key for key in values if Hyper not in keys()[key].metadata or None in values[key]]


def shared_values(sweep: Sweep) -> Point:
    """Return the keys that a sweep sets for all members: the length of training and the objective."""
    fields = ("duration_steps", "duration_epochs", "objective")
    keys = {f"train.{name}": getattr(sweep, name) for name in fields}
    return {key: value for key, value in keys.items() if value is not None}
