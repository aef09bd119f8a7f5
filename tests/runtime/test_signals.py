"""Stopping in good order."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from rnn_jax.runtime import signals
from rnn_jax.runtime.signals import STOPPING, Interrupted, Stop, exit_status

STATUSES = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)]


def send(number: signal.Signals) -> None:
    """Sends a signal to this process, whose handler has run when this returns."""
    signal.raise_signal(number)


@pytest.mark.parametrize(("number", "status"), STATUSES)
def test_a_signal_asks_to_stop(number: signal.Signals, status: int) -> None:
    with Stop() as stop:
        assert stop.requested is None
        stop.check()
        os.kill(os.getpid(), number)
        assert stop.requested is number
        with pytest.raises(Interrupted) as caught:
            stop.check()
        assert caught.value.signal is number
    assert exit_status(number) == status


def test_the_first_of_signals_that_come_together_is_remembered() -> None:
    with Stop() as stop:
        send(signal.SIGUSR1)
        send(signal.SIGTERM)
        send(signal.SIGINT)
        assert stop.requested is signal.SIGUSR1


@pytest.mark.parametrize("number", STOPPING)
def test_at_once_means_where_the_program_is(number: signal.Signals) -> None:
    def work(stop: Stop) -> None:
        with stop.at_once():
            try:
                send(number)
            except Exception:
                pytest.fail("an `except Exception` must not keep a signal")
            pytest.fail("the program went on")

    with Stop() as stop:
        with pytest.raises(Interrupted, match=number.name):
            work(stop)
        send(number)  # outside, one is remembered
        with pytest.raises(Interrupted), stop.at_once():
            pytest.fail("the program went on although a signal had come")


def test_who_swallows_an_interruption_is_interrupted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "AGAIN_SECONDS", 0.05)
    swallowed = []

    def work(stop: Stop) -> None:
        with stop.at_once():
            for number in (signal.SIGTERM, None):
                try:
                    if number is not None:
                        send(number)
                    time.sleep(5)
                except Interrupted as interrupted:
                    swallowed.append(interrupted.signal)
            time.sleep(5)

    with Stop() as stop, pytest.raises(Interrupted):
        work(stop)
    assert swallowed == [signal.SIGTERM] * 2


def test_the_old_handlers_come_back() -> None:
    numbers = [*STOPPING, signal.SIGALRM]
    before = [signal.getsignal(number) for number in numbers]
    with contextlib.suppress(ZeroDivisionError), Stop():
        assert [signal.getsignal(number) for number in numbers] != before
        _ = 1 / 0
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_another_thread_does_nothing() -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    seen = []

    def work() -> None:
        with Stop() as stop, stop.at_once():
            seen.append((stop.requested, [signal.getsignal(number) for number in STOPPING]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(None, before)]


STUBBORN = """
import hashlib, sys, time
from rnn_jax.runtime.signals import Stop
with Stop() as stop:
    print("ready", flush=True)
    if sys.argv[1] == "python":
        while True:
            time.sleep(0.01)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # an hour in C, where no handler of Python runs
"""


@pytest.mark.parametrize("where", ["python", "C"])
def test_a_second_signal_ends_the_process_wherever_it_is(where: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN, where], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)  # so soon, as `timeout` sends it, it is the same
        time.sleep(signals.SAME_REQUEST_SECONDS + 0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "stopped at once" in said


SWALLOWING = """
import time
from rnn_jax.runtime.signals import end_by_default
end_by_default()
print("ready", flush=True)
try:
    time.sleep(60)
except BaseException:
    print("swallowed", flush=True)
"""


def test_before_a_stop_is_entered_nothing_swallows_an_interrupt() -> None:
    with subprocess.Popen([sys.executable, "-c", SWALLOWING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=10)
    assert (process.returncode, said) == (-signal.SIGINT, "")


def test_of_several_processes_what_they_agree_upon_counts() -> None:
    agreed: list[int] = []
    with Stop() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested == signal.SIGTERM
        answers = iter([0, 0, signal.SIGUSR1])

        def agree(number: int) -> int:
            agreed.append(number)
            return next(answers)

        stop.agree_by(agree)
        assert stop.requested is None  # until the others have heard of it
        with stop.at_once():
            pass
        stop.check()
        with pytest.raises(Interrupted) as caught:
            stop.check()
        assert caught.value.signal == signal.SIGUSR1  # of somebody else
        with pytest.raises(Interrupted):
            stop.check()
    assert agreed == [signal.SIGTERM] * 3
