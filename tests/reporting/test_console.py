"""The console of a run, on a terminal and without one."""

import io
import logging
import re
import time

import numpy as np
import pytest

from rnn_jax.reporting import terminal
from rnn_jax.reporting.console import Console, build_console, logging_to

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LONG = "a folder with a long name " * 12


def use_every_method(console: Console) -> None:
    console.header({"data": "digits: 1,257 train", "run folder": "runs/[red]/one"})
    console.info("gru has no forget_bias")
    console.warn("checkpoint 40 is damaged")
    console.start(40, 1500, "examples", units_per_step=64)
    console.tick(41)
    console.log_training(100, {"accuracy": 0.925, "loss": 0.5}, 6400.0)
    console.log_evaluation(1000, "validation", {"loss": 0.25, "accuracy": 1.0}, True)
    console.log_evaluation(1500, "validation", {"loss": float("nan"), "accuracy": 0.5}, False)
    console.tick(1500)
    console.stop()
    console.results(
        [("best validation, step 1000", {"accuracy": 1.0, "loss": 0.25}), ("test", {"accuracy": 0.975})],
        ["360 images"],
    )
    console.confusion(np.array([[3, 0], [1, 2]]), ["a", "b"])


PLAIN = """\
data        digits: 1,257 train
run folder  runs/[red]/one
gru has no forget_bias
warning: checkpoint 40 is damaged
training from step 40 to step 1500
step  100  train       loss   0.5000  accuracy  92.50 %  6,400 examples/s  0:14 left
step 1000  validation  loss   0.2500  accuracy 100.00 %  best
step 1500  validation  loss      nan  accuracy  50.00 %
                                loss  accuracy
best validation, step 1000    0.2500  100.00 %
test                                   97.50 %
360 images
       predicted
label  a  b   recall
    a  3  .  100.0 %
    b  1  2   66.7 %
"""


def test_without_a_terminal_lines_are_plain() -> None:
    stream = io.StringIO()
    use_every_method(build_console(stream))
    assert stream.getvalue() == PLAIN


def test_plain_lines_are_written_at_once_and_never_wrapped() -> None:
    class Stream(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    stream = Stream()
    console = build_console(stream)
    console.info(LONG)
    console.header({"run folder": LONG})
    assert stream.getvalue().splitlines() == [LONG.rstrip(), f"run folder  {LONG}".rstrip()]
    assert stream.flushed == 2


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN_REDRAWS", 0.0)
    return io.StringIO()


def test_a_terminal_shows_events_above_the_progress_bar(screen: io.StringIO) -> None:
    use_every_method(build_console(screen, force_terminal=True))
    assert ESCAPES.search(screen.getvalue())
    shown = ESCAPES.sub("", screen.getvalue()).replace("\r", "\n")
    lines = [line.rstrip() for line in shown.splitlines()]
    assert "│ run folder  runs/[red]/one      │" in lines
    assert "warning: checkpoint 40 is damaged" in lines
    assert any(line.endswith("   41/1,500 compiling the training step") for line in lines)
    assert "step 1,000  validation  loss   0.2500  accuracy 100.00 %  best" in lines
    bar = "1,000/1,500 6,400 examples/s  0:14 left  loss 0.5000  accuracy 92.50 %"
    assert any(line.startswith("━") and line.endswith(bar) for line in lines)
    assert any("1,500/1,500" in line for line in lines)
    assert "│ best validation, step 1000 │ 0.2500 │ 100.00 % │" in lines
    assert "│ test                       │        │  97.50 % │" in lines
    assert "360 images" in lines
    assert lines[-1] == "    b  1  2   66.7 %"
    assert max(map(len, lines)) <= 100


def test_long_lines_are_left_to_the_terminal_to_wrap(screen: io.StringIO) -> None:
    console = build_console(screen, force_terminal=True)
    console.info(LONG)
    console.warn(LONG)
    assert ESCAPES.sub("", screen.getvalue()).splitlines() == [LONG, f"warning: {LONG}"]


def test_the_bar_is_redrawn_a_few_times_a_second(
    screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter((10.0, 10.1, 10.3, 10.4, 10.6))
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN_REDRAWS", 0.25)
    monkeypatch.setattr(terminal.time, "perf_counter", lambda: next(seconds))
    console = build_console(screen, force_terminal=True)
    console.start(0, 10, "steps")
    redrawn = []
    for step in (1, 2, 3, 4):
        before = len(screen.getvalue())
        console.tick(step)
        redrawn.append(len(screen.getvalue()) > before)
    assert redrawn == [False, True, False, True]
    monkeypatch.undo()
    console.stop()


def test_stopping_ends_the_progress_bar(screen: io.StringIO) -> None:
    console = build_console(screen, force_terminal=True)
    console.start(0, 10, "steps")
    console.tick(7)
    console.stop()
    stopped = len(screen.getvalue())
    assert " 7/10" in ESCAPES.sub("", screen.getvalue())
    console.log_evaluation(7, "test", {"loss": 1.0}, False)
    console.tick(8)
    assert ESCAPES.sub("", screen.getvalue()[stopped:]) == "step  7  test        loss   1.0000\n"


def test_log_records_are_printed() -> None:
    logger = logging.getLogger("rnn_jax")
    before = logger.level, logger.handlers
    outer, inner = io.StringIO(), io.StringIO()
    with logging_to(build_console(outer)):
        with logging_to(build_console(inner)):
            logging.getLogger("rnn_jax.datasets").info("preparing %s", "mnist")
        logging.getLogger("rnn_jax.datasets").warning("waiting")
        logging.getLogger("rnn_jax.datasets").debug("not shown")
    logging.getLogger("rnn_jax.datasets").info("not shown")
    assert inner.getvalue() == "preparing mnist\n"
    assert outer.getvalue() == "warning: waiting\n"
    assert (logger.level, logger.handlers) == before


def test_stopping_shows_the_cursor_again(screen: io.StringIO) -> None:
    console = build_console(screen, force_terminal=True)
    console.start(0, 10, "steps")
    assert screen.getvalue().count("\x1b[?25l") == 1
    console.stop()
    console.stop()
    assert screen.getvalue().count("\x1b[?25h") == 1


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(build_console(Terminal()), terminal.TerminalConsole)
    assert not isinstance(build_console(Terminal(), force_terminal=False), terminal.TerminalConsole)
    monkeypatch.setenv("TERM", "dumb")
    assert not isinstance(build_console(Terminal()), terminal.TerminalConsole)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_every_method_may_be_called_at_any_time(is_terminal: bool) -> None:
    console = build_console(io.StringIO(), force_terminal=is_terminal)
    console.stop()
    console.tick(1)
    console.log_training(1, {"loss": 1.0}, 0.0)
    console.log_evaluation(1, "validation", {}, False)
    console.results([])
    console.header({})


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_tick_costs_less_than_five_microseconds(is_terminal: bool) -> None:
    console = build_console(io.StringIO(), force_terminal=is_terminal)
    ticks = 200_000
    console.start(0, ticks, "steps")
    began = time.process_time()
    for step in range(ticks):
        console.tick(step)
    seconds = time.process_time() - began
    console.stop()
    assert seconds / ticks < 5e-6


def test_samples_are_shown_on_terminals_without_control_characters() -> None:
    stream = io.StringIO()
    build_console(stream, force_terminal=True).log_sample("ROMEO:\nBut [soft]\x1b[2J")
    assert "ROMEO:" in stream.getvalue()
    assert "But [soft]\N{REPLACEMENT CHARACTER}[2J" in stream.getvalue()
    stream = io.StringIO()
    build_console(stream).log_sample("ROMEO:")
    assert stream.getvalue() == ""
