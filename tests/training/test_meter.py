"""The throughput and the order of logged metrics, with a clock that the test sets."""

from types import SimpleNamespace
from typing import Any, cast

import jax.numpy as jnp
import pytest

from rnn_jax.training import meter as meters
from rnn_jax.training.meter import Meter
from rnn_jax.training.steps import Taken

TAKEN = Taken({}, jnp.int32(-1), jnp.int32(0))
PROGRAM = SimpleNamespace(
    job=SimpleNamespace(task=SimpleNamespace(unit="examples", finalize=lambda sums: {}), units_per_step=4),
    take_metrics=lambda state: (state, TAKEN),
    running=lambda state: {0: 0},
    member=lambda tree, place: tree,
    means=lambda sums: sums,
)


def build_meter(log: Any, display: Any) -> Meter:
    return Meter(cast(Any, PROGRAM), [cast(Any, log)], cast(Any, display), 0)


def test_an_evaluation_does_not_change_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, rates = SimpleNamespace(now=100.0), []
    monkeypatch.setattr(meters.time, "perf_counter", lambda: clock.now)
    display = SimpleNamespace(logged=lambda step, metrics, rate: rates.append((step, rate)))
    meter = build_meter(SimpleNamespace(metrics=lambda *_: None, timing=lambda *_: None), display)
    clock.now = 130.0
    meter.restart(0)  # half a minute of compilation
    for step in range(1, 41):
        clock.now += 0.5 if step <= 20 else 0.25
        if step % 10 == 0:
            meter.take(step, None)
        if step in (20, 23):
            meter.flush()
            with meter.paused():
                clock.now += 60.0
    meter.flush()
    assert rates == [(10, 8.0), (20, 8.0), (30, 16.0), (40, 16.0)]
    assert meter.rate(40) == pytest.approx(4 * 40 / 15)


def test_lines_are_ordered_by_step_whenever_they_are_flushed() -> None:
    def logged(*flushed: int) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        log = SimpleNamespace(
            metrics=lambda step, split, _: found.append((step, split)), timing=lambda *_: None
        )
        meter = build_meter(log, SimpleNamespace(logged=lambda *_: None))
        for step in range(1, 41):
            if step % 10 == 0:
                meter.take(step, None)
            if step % 3 == 0:
                meter.log_batch(step, {0: {}})
            if step in flushed:
                meter.flush()
        meter.flush()
        return found

    straight = logged()
    assert straight == sorted(straight, key=lambda row: row[0])
    assert len(straight) == 4 + 13
    for step in range(1, 41):
        assert logged(step, step + 7) == straight
