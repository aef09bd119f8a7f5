"""Stopping in good order."""

import contextlib
import os
import signal
import threading

import pytest

from rnn_jax.runtime.signals import STOPPING, Stop, exit_status


def send(number: signal.Signals) -> None:
    """Sends a signal to this process, whose handler has run when this returns."""
    signal.raise_signal(number)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)]
)
def test_a_signal_asks_to_stop(number, status):
    with Stop() as stop:
        assert stop.requested is None
        os.kill(os.getpid(), number)
        assert stop.requested is number
    assert exit_status(number) == status


def test_the_first_signal_is_remembered():
    with Stop() as stop:
        send(signal.SIGUSR1)
        send(signal.SIGTERM)
        send(signal.SIGINT)
        assert stop.requested is signal.SIGUSR1


def test_a_second_interrupt_raises_at_once():
    with Stop() as stop:
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        assert stop.requested is signal.SIGINT


def test_the_old_handlers_come_back():
    before = [signal.getsignal(number) for number in STOPPING]
    with contextlib.suppress(ZeroDivisionError), Stop():
        assert [signal.getsignal(number) for number in STOPPING] != before
        _ = 1 / 0
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_another_thread_does_nothing():
    before = [signal.getsignal(number) for number in STOPPING]
    seen = []

    def work():
        with Stop() as stop:
            seen.append((stop.requested, [signal.getsignal(number) for number in STOPPING]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(None, before)]
