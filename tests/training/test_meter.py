"""The throughput and the order of logged metrics, with a clock that the test sets."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jax
import jax.numpy as jnp
import pytest

from rnn_jax.reporting import log as logs
from rnn_jax.reporting.console import Console
from rnn_jax.reporting.log import Log, read_lines
from rnn_jax.training import meter as meters
from rnn_jax.training import run as runs
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
    return Meter(cast(Any, PROGRAM), [cast(Any, log)], cast(Any, display))


def test_an_evaluation_does_not_change_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, rates = SimpleNamespace(now=100.0), []
    monkeypatch.setattr(meters.time, "perf_counter", lambda: clock.now)
    display = SimpleNamespace(logged=lambda step, metrics, rate: rates.append((step, rate)))
    meter = build_meter(SimpleNamespace(metrics=lambda *_: None, timing=lambda *_: None), display)
    clock.now = 130.0
    meter.restart()  # half a minute of compilation
    for step in range(1, 41):
        meter.count(1)
        meter.flush()
        clock.now += 0.5 if step <= 20 else 0.25
        if step % 10 == 0:
            meter.take(step, None)
        if step in (20, 23):
            meter.flush()
            with meter.paused():
                clock.now += 60.0
    meter.flush()
    assert rates == [(10, 8.0), (20, 8.0), (30, 16.0), (40, 16.0)]
    assert meter.rate() == pytest.approx(4 * 40 / 15)


def test_lines_are_ordered_by_step_whenever_they_are_flushed() -> None:
    def logged(*flushed: int) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        log = SimpleNamespace(
            metrics=lambda step, split, _: found.append((step, split)), timing=lambda *_: None
        )
        meter = build_meter(log, SimpleNamespace(logged=lambda *_: None))
        for step in range(1, 41):
            meter.count(1)
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


# A whole run, on a device that takes half a second for an update -------------------------------------------


class Clock:
    """The time of the host, and when the device will have finished what was dispatched to it."""

    def __init__(self) -> None:
        self.now, self.finished = 100.0, 100.0
        self._called: set[str] = set()

    def dispatch(self, name: str, function: Any, compilation: float, duration: float) -> Callable[..., Any]:
        """Return the function; its first call compiles, and the device finishes earlier calls first."""

        def call(*arguments: Any) -> Any:
            if name not in self._called:
                self._called.add(name)
                self.now += compilation
            self.finished = max(self.now, self.finished) + duration
            return function(*arguments)

        return call


def test_every_report_of_a_run_has_the_same_rate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Callable[..., Any]
) -> None:
    clock, load, rates, arrivals = Clock(), runs.load, list[float](), list[float]()

    def load_slowly(*arguments: Any) -> Any:
        program = load(*arguments)

        def take(state: Any) -> Any:
            arrivals.append(clock.finished)
            return program.take_metrics(state)

        return program._replace(
            train_step=clock.dispatch("train", program.train_step, 30.0, 0.5),
            eval_step=clock.dispatch("eval", program.eval_step, 20.0, 5.0),
            is_finite=clock.dispatch("finite", program.is_finite, 4.0, 0.0),
            take_metrics=clock.dispatch("take", take, 3.0, 0.0),
        )

    def log_slowly(log: Log, step: int, *rest: Any, metrics: Any = Log.metrics) -> None:
        if step == 6:
            clock.now += 0.2  # less than the update that the device computes meanwhile
        metrics(log, step, *rest)

    def wait(tree: Any) -> Any:
        if threading.current_thread() is threading.main_thread():  # not the one that saves
            clock.now = max(clock.now, arrivals.pop(0) if isinstance(tree, Taken) else clock.finished)
        return tree

    class Rates(Console):
        def log_training(self, step: int, metrics: Any, rate: float) -> None:
            rates.append(rate)

    monkeypatch.setattr(meters.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(jax, "block_until_ready", wait)
    monkeypatch.setattr(runs, "load", load_slowly)
    monkeypatch.setattr(Log, "metrics", log_slowly)
    monkeypatch.setattr(logs, "_tensorboard", clock.dispatch("events", logs._tensorboard, 60.0, 0.0))
    changes = {"log.tensorboard": True, "log.batch_accuracy_every_steps": 5}
    summary = runs.train(tiny(changes), tmp_path / "run", console=Rates())
    rows = read_lines(tmp_path / "run" / "timing.jsonl")
    expected = pytest.approx(12 / 0.5)  # a batch of twelve
    assert [row["step"] for row in rows] == [3, 6, 9, 12]
    assert [row["examples_per_second"] for row in rows] == [expected] * 4
    assert [row["training_seconds"] for row in rows] == pytest.approx([1.5, 3.0, 4.5, 6.0])
    assert rates == [expected] * 4
    assert summary["examples_per_second"] == expected
    assert summary["compile_seconds"] == pytest.approx(30.0)
