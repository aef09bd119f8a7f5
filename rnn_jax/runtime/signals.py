"""Graceful shutdown: signal handlers set a flag that the training loop checks.

A stop signal requests a checkpoint and the end of the command, with exit status 128 + the signal's number:

    SIGINT             Ctrl-C; the first of three that LSF's `bkill` sends
    SIGTERM            Slurm at the time limit, at preemption and by `scancel`; PBS, HTCondor, Kubernetes
    SIGHUP             the terminal or the connection was closed; ignored below `nohup`
    SIGUSR1, SIGUSR2   warnings before SIGKILL: Slurm's `--signal`, Grid Engine's `-notify`, LSF's run limit
    SIGXCPU            a limit of CPU time: Grid Engine, LSF, `ulimit -t`, which repeats it every second

A second signal ends the process at once.

    with StopSignal() as stop:
        with stop.raising():
            data = prepare()            # here a signal raises Interrupted
        while not stop.requested:
            step()                      # here it only sets `stop.requested`
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

STOP_SIGNALS = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU),
)
SAME_REQUEST = "RNN_JAX_SAME_REQUEST_SECONDS"
"""Environment variable with other seconds than `SAME_REQUEST_SECONDS`."""
SAME_REQUEST_SECONDS = 0.5
"""Signals within this time after the first are the same request: `timeout` sends its signal twice."""
RAISE_AGAIN_SECONDS = 1.0
"""Code that swallows `Interrupted` is interrupted again after this time."""


def exit_at_sigint() -> None:
    """Let Ctrl-C end the process at once, with exit status 130, until a `StopSignal` is entered.

    Python would raise KeyboardInterrupt, somewhere in an import that may swallow it.
    """
    signal.signal(signal.SIGINT, _exit_at_once)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # see `block_sigint`


def raise_at_sigint() -> None:
    """Let Ctrl-C raise KeyboardInterrupt, as Python does, after `exit_at_sigint`."""
    if signal.getsignal(signal.SIGINT) is _exit_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def block_sigint() -> None:
    """Defer Ctrl-C until `exit_at_sigint`, also across a restart of the process by `os.exec*`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def exit_at_sigint_while_starting() -> None:
    """Call `exit_at_sigint` if this process is starting a command of this package.

    That is `python -m rnn_jax` or `python -m rnn_jax.COMMAND`, which is importing this package to find the
    module, or the script `rnn-jax`. A program that imports the package keeps its own handler.
    """
    is_script = os.path.basename(sys.argv[0]) == "rnn-jax" if sys.argv else False
    if sys.argv[:1] == ["-m"] and "-m" in sys.orig_argv[:-1]:  # Python has not found the module yet
        module = sys.orig_argv[sys.orig_argv.index("-m") + 1]
        is_script = module.partition(".")[0] == "rnn_jax"
    if is_script and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        exit_at_sigint()


def _exit_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(exit_status(signal.Signals(number)))


class Interrupted(BaseException):
    """A signal requested a stop. Like KeyboardInterrupt, it is not caught by `except Exception`."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.signal = number


class StopSignal:
    """Context manager whose `requested` is the first signal that requested a stop.

    A second signal ends the process with that signal's exit status, even inside compiled code. Outside the
    main thread, the only one that may handle signals, this does nothing.

    A signal that the process ignores when this is entered, such as SIGHUP below `nohup`, stays ignored; but
    SIGINT, which shells ignore for commands in the background, does not.

    Several processes must stop after the same step: after `synchronize_by`, only `check` sets `requested`, to
    the signal that any of them received.
    """

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self._received: signal.Signals | None = None
        self._synchronize: Callable[[int], int] | None = None
        self._raises = False
        self._handles = False
        self._previous = ExitStack()

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():
            self._handles = True
            self._previous.enter_context(_ending_at_second_signal())
            for number in STOP_SIGNALS:
                if signal.getsignal(number) is signal.SIG_IGN and number != signal.SIGINT:
                    continue
                self._previous.callback(signal.signal, number, signal.signal(number, self._receive))
            previous = signal.signal(signal.SIGALRM, self._raise_again)
            self._previous.callback(signal.signal, signal.SIGALRM, previous)
        return self

    def __exit__(self, *error: object) -> None:
        self._handles = False
        self._previous.close()

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise `Interrupted` from the handler while this context is entered, wherever the program is.

        A signal that came before raises it at once. After `synchronize_by` only `check` raises, because no
        process may leave the others.
        """
        self._raises = self._synchronize is None
        try:
            self.check()
            yield
        finally:
            self._raises = False
            if self._handles:
                signal.setitimer(signal.ITIMER_REAL, 0)

    def synchronize_by(self, synchronize: Callable[[int], int]) -> None:
        """Synchronize with the other processes at every `check`; all of them must call it at the same places.

        `synchronize` takes the signal that this process received, or 0, and returns one value for all.
        """
        self._synchronize = synchronize
        self.requested = None  # a signal received before is synchronized first
        self._raises = False

    def check(self) -> None:
        """Raise `Interrupted` if a signal requested a stop."""
        if self._synchronize is not None and self.requested is None:
            number = self._synchronize(self._received or 0)
            self.requested = signal.Signals(number) if number else None
        if self.requested is not None:
            raise Interrupted(self.requested)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received is None:
            self._received = signal.Signals(number)
            if self._synchronize is None:
                self.requested = self._received
                self._interrupt()

    def _raise_again(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None:
            self._interrupt()

    def _interrupt(self) -> None:
        if self._raises:
            # Python code called from C, such as a destructor, may swallow the exception.
            signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN_SECONDS)
            self.check()


@contextmanager
def _ending_at_second_signal() -> Iterator[None]:
    """End the process at the second signal.

    Python's handlers run between two bytecode instructions, which a compilation or a long computation delays.
    The wakeup file descriptor is written by Python's handler in C, and read by a thread at once.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    previous = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading,), daemon=True, name="second signal").start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        os.close(writing)  # the thread reads the end of the pipe, and closes the other side


def _watch(descriptor: int) -> None:
    first, seconds = None, float(os.environ.get(SAME_REQUEST, SAME_REQUEST_SECONDS))
    while received := os.read(descriptor, 1):
        if received[0] not in STOP_SIGNALS:
            continue
        now = time.monotonic()
        if first is None:
            first = now
        elif now - first > seconds and received[0] != signal.SIGXCPU:
            os.write(2, b"\nstopped at once, without another checkpoint\n")
            os._exit(exit_status(signal.Signals(received[0])))
    os.close(descriptor)


def is_stop_status(status: int) -> bool:
    """Whether the exit status of a process (negative: killed by a signal) is that of a stop signal."""
    return (-status if status < 0 else status - 128) in STOP_SIGNALS


def exit_status(number: signal.Signals) -> int:
    """Return the exit status of a command that was stopped by a signal, as in shells."""
    return 128 + number
