"""Graceful shutdown by signals."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from rnn_jax.runtime import signals
from rnn_jax.runtime.signals import STOP_SIGNALS, Interrupted, StopSignal, exit_status

STATUSES = [
    *[(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    *[(signal.SIGUSR1, 138), (signal.SIGUSR2, 140), (signal.SIGXCPU, 152)],
]


def send(number: signal.Signals) -> None:
    """Send a signal to this process; its handler has run when this returns."""
    signal.raise_signal(number)


@pytest.mark.parametrize(("number", "status"), STATUSES)
def test_a_signal_requests_a_stop(number: signal.Signals, status: int) -> None:
    with StopSignal() as stop:
        assert stop.requested is None
        stop.check()
        os.kill(os.getpid(), number)
        assert stop.requested is number
        with pytest.raises(Interrupted) as caught:
            stop.check()
        assert caught.value.signal is number
    assert exit_status(number) == status


def test_the_first_of_several_signals_counts() -> None:
    with StopSignal() as stop:
        send(signal.SIGUSR1)
        send(signal.SIGTERM)
        send(signal.SIGINT)
        assert stop.requested is signal.SIGUSR1


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_raising_interrupts_the_program_where_it_is(number: signal.Signals) -> None:
    def work(stop: StopSignal) -> None:
        with stop.raising():
            try:
                send(number)
            except Exception:
                pytest.fail("`except Exception` must not catch the interruption")
            pytest.fail("the program continued")

    with StopSignal() as stop:
        with pytest.raises(Interrupted, match=number.name):
            work(stop)
        send(number)  # outside, it only sets the flag
        with pytest.raises(Interrupted), stop.raising():
            pytest.fail("the program continued although a stop was requested")


def test_code_that_swallows_an_interruption_is_interrupted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "RAISE_AGAIN_SECONDS", 0.05)
    swallowed = []

    def work(stop: StopSignal) -> None:
        with stop.raising():
            for number in (signal.SIGTERM, None):
                try:
                    if number is not None:
                        send(number)
                    time.sleep(5)
                except Interrupted as interrupted:
                    swallowed.append(interrupted.signal)
            time.sleep(5)

    with StopSignal() as stop, pytest.raises(Interrupted):
        work(stop)
    assert swallowed == [signal.SIGTERM] * 2


def test_the_previous_handlers_are_restored() -> None:
    numbers = [*STOP_SIGNALS, signal.SIGALRM]
    before = [signal.getsignal(number) for number in numbers]
    with contextlib.suppress(ZeroDivisionError), StopSignal():
        assert [signal.getsignal(number) for number in numbers] != before
        _ = 1 / 0
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_it_does_nothing_in_another_thread() -> None:
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    seen = []

    def work() -> None:
        with StopSignal() as stop, stop.raising():
            seen.append((stop.requested, [signal.getsignal(number) for number in STOP_SIGNALS]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(None, before)]


BUSY = """
import hashlib, sys, time
from rnn_jax.runtime.signals import StopSignal
with StopSignal() as stop:
    print("ready", flush=True)
    if sys.argv[1] == "python":
        while True:
            time.sleep(0.01)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # an hour in C, where no Python handler runs
"""


def test_an_ignored_signal_stays_ignored() -> None:
    """`nohup` ignores SIGHUP. Shells ignore SIGINT for a command in the background, which may be stopped."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in STOP_SIGNALS}
    try:
        with StopSignal() as stop:
            for number in STOP_SIGNALS:
                if number != signal.SIGINT:
                    os.kill(os.getpid(), number)
            time.sleep(0.01)
            assert stop.requested is None
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.requested is signal.SIGINT
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("where", ["python", "C"])
def test_a_second_signal_ends_the_process_wherever_it_is(where: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BUSY, where], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)  # the same request, as `timeout` sends it
        time.sleep(signals.SAME_REQUEST_SECONDS + 0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGXCPU)  # as the kernel does every second
        time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "stopped at once" in errors


SWALLOWING = """
import time
from rnn_jax.runtime.signals import exit_at_sigint
exit_at_sigint()
print("ready", flush=True)
try:
    time.sleep(60)
except BaseException:
    print("swallowed", flush=True)
"""


def test_before_a_stop_signal_is_entered_sigint_ends_the_process() -> None:
    with subprocess.Popen([sys.executable, "-c", SWALLOWING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, "")


def test_several_processes_stop_by_their_synchronized_signal() -> None:
    synchronized: list[int] = []
    with StopSignal() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested == signal.SIGTERM
        results = iter([0, 0, signal.SIGUSR1])

        def synchronize(number: int) -> int:
            synchronized.append(number)
            return next(results)

        stop.synchronize_by(synchronize)
        assert stop.requested is None  # until the others have it
        with stop.raising():
            pass
        stop.check()
        with pytest.raises(Interrupted) as caught:
            stop.check()
        assert caught.value.signal == signal.SIGUSR1  # of another process
        with pytest.raises(Interrupted):
            stop.check()
    assert synchronized == [signal.SIGTERM] * 3


STARTING = """
import os, runpy, signal, sys, time
sys.orig_argv = [*sys.orig_argv[:1], *{arguments}]
sys.argv = {argv}

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)

sys.meta_path.insert(0, Slow())
{start}
"""


@pytest.mark.parametrize(
    ("start", "argv", "arguments", "module"),
    [
        *(
            (f"runpy.run_module('{name}', run_name='__main__')", ["-m"], ["-m", name, "--help"], module)
            for name, module in (("rnn_jax.main", "ml_collections"), ("rnn_jax", "rnn_jax.runtime.errors"))
        ),
        ("import rnn_jax.__main__", ["/home/me/.venv/bin/rnn-jax", "predict"], [], "rnn_jax.runtime.errors"),
    ],
)
def test_ctrl_c_while_a_command_starts(
    start: str, argv: list[str], arguments: list[str], module: str
) -> None:
    """While the command's module is imported, and before any of its own lines runs."""
    program = STARTING.format(start=start, argv=argv, arguments=arguments, module=module)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_program_that_imports_the_package_keeps_its_handler() -> None:
    program = "import rnn_jax, signal\nassert signal.getsignal(2) is signal.default_int_handler"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
