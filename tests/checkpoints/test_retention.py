"""Which checkpoints stay."""

import math

from rnn_jax.checkpoints import retention
from rnn_jax.checkpoints.retention import Kept


def test_when_checkpoints_are_due() -> None:
    keeper = retention.build(every_steps=5, every_seconds=60.0, keep_latest=1, keep_best=1)
    assert [step for step in range(1, 12) if keeper.due(step, 0.0)] == [5, 10]
    assert keeper.due(1, 60.0)
    never = retention.build(every_steps=None, every_seconds=None, keep_latest=1, keep_best=1)
    assert not never.due(5, 1e9)


def superfluous(figures: list[float | None], *, latest: int, best: int, direction: str = "max") -> list[int]:
    there = [Kept(step, figure) for step, figure in enumerate(figures)]
    return retention.build(
        every_steps=None, every_seconds=None, keep_latest=latest, keep_best=best
    ).superfluous(there, direction)


def test_the_latest_and_the_best_stay() -> None:
    assert superfluous([0.1, 0.9, 0.2, 0.3, 0.4], latest=2, best=1) == [0, 2]
    assert superfluous([0.1, 0.9, 0.2, 0.3, 0.4], latest=1, best=1, direction="min") == [1, 2, 3]
    assert superfluous([0.1, 0.9, 0.2, 0.3, 0.4], latest=1, best=2) == [0, 2, 3]


def test_the_latest_planned_one_stays() -> None:
    keeper = retention.build(every_steps=None, every_seconds=None, keep_latest=1, keep_best=1)
    there = [Kept(step, None, is_planned=step in (1, 2)) for step in range(1, 6)]
    assert keeper.superfluous(there, "max") == [1, 3, 4]


def test_of_equal_ones_the_earlier_is_the_best() -> None:
    assert superfluous([0.1, 0.5, 0.5, 0.5, 0.2], latest=1, best=1) == [0, 2, 3]


def test_what_has_no_figure_is_never_the_best() -> None:
    assert superfluous([math.nan, None, 0.1, math.nan, None], latest=1, best=1) == [0, 1, 3]
    assert superfluous([None, None, None], latest=1, best=1) == [0, 1]
