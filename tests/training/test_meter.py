"""The rate of training, with a clock that the test turns."""

from types import SimpleNamespace
from typing import Any, cast

import jax.numpy as jnp
import pytest

from rnn_jax.training import meter as meters
from rnn_jax.training.meter import Meter
from rnn_jax.training.state import State
from rnn_jax.training.steps import Taken


def test_an_evaluation_does_not_disturb_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, rates = SimpleNamespace(now=100.0), []
    monkeypatch.setattr(meters.time, "perf_counter", lambda: clock.now)
    taken = Taken({}, jnp.int32(-1), jnp.int32(0))
    job = SimpleNamespace(task=SimpleNamespace(unit="examples", finalize=lambda sums: {}), units_per_step=4)
    program = SimpleNamespace(job=job, take_metrics=lambda state: (state, taken))
    console = SimpleNamespace(logged=lambda step, figures, rate: rates.append((step, rate)))
    log = SimpleNamespace(console=console, metrics=lambda *_: None, timing=lambda *_: None)
    meter = Meter(cast(Any, program), cast(Any, log), 0)
    clock.now = 130.0
    meter.restart(0)  # half a minute of compilation
    state = cast(State, None)
    for step in range(1, 41):
        clock.now += 0.5 if step <= 20 else 0.25
        if step % 10 == 0:
            meter.take(step, state)
        if step in (20, 23):
            meter.flush()
            with meter.paused():
                clock.now += 60.0
    meter.flush()
    assert rates == [(10, 8.0), (20, 8.0), (30, 16.0), (40, 16.0)]
    assert meter.rate(40) == pytest.approx(4 * 40 / 15)


def test_lines_come_in_the_order_of_their_steps_whenever_they_are_flushed() -> None:
    def logged(*flushed: int) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        taken = Taken({}, jnp.int32(-1), jnp.int32(0))
        task = SimpleNamespace(unit="examples", finalize=lambda sums: {})
        job = SimpleNamespace(task=task, units_per_step=4)
        program = SimpleNamespace(job=job, take_metrics=lambda state: (state, taken))
        console = SimpleNamespace(logged=lambda *_: None)
        log = SimpleNamespace(
            console=console,
            metrics=lambda step, split, _: found.append((step, split)),
            timing=lambda *_: None,
        )
        meter = Meter(cast(Any, program), cast(Any, log), 0)
        for step in range(1, 41):
            if step % 10 == 0:
                meter.take(step, cast(State, None))
            if step % 3 == 0:
                meter.log_batch(step, {})
            if step in flushed:
                meter.flush()
        meter.flush()
        return found

    straight = logged()
    assert straight == sorted(straight, key=lambda row: row[0])
    assert len(straight) == 4 + 13
    for step in range(1, 41):
        assert logged(step, step + 7) == straight
