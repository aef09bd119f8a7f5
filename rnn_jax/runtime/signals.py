"""Stopping in good order: a signal asks for it, and whoever works looks when it suits.

SIGINT (Ctrl-C), SIGTERM (a scheduler's end) and SIGUSR1 (a scheduler's warning) ask for a checkpoint and an
end; the command then ends with status 128 + the signal's number. A second one ends the process at once.

    with Stop() as stop:
        with stop.at_once():
            data = prepare()            # here a signal raises Interrupted
        while not stop.requested:
            step()                      # here it is remembered
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
SAME_REQUEST = "RNN_JAX_SAME_REQUEST_SECONDS"
SAME_REQUEST_SECONDS = 0.5
"""Signals so close to the first one are the same request: `timeout` sends its own to a process twice.

The environment may say another number of seconds, under `SAME_REQUEST`.
"""
AGAIN_SECONDS = 1.0
"""Code that was interrupted and swallowed the exception is interrupted again after so long."""


def end_by_default() -> None:
    """Until a `Stop` is entered, Ctrl-C ends the process as SIGTERM does.

    Python would raise KeyboardInterrupt somewhere in an import, which may swallow it.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Interrupted(BaseException):
    """A signal asked to stop. As KeyboardInterrupt, it passes through `except Exception`."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.signal = number


class Stop:
    """While entered, remembers the first signal that asked to stop.

    A second one ends the process with the signal's status, wherever it is, in compiled code too. Outside the
    main thread, which alone can have signals, this does nothing.

    Where several processes work together they must stop at the same step: from `agree_by` on what counts is
    not what this process heard, but what all of them agree upon, whenever they `check`.
    """

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self._heard: signal.Signals | None = None
        self._agree: Callable[[int], int] | None = None
        self._raises = False
        self._before: dict[signal.Signals, Any] = {}
        self._watch: _Watch | None = None

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            self._watch = _Watch()
            self._before = {number: signal.signal(number, self._hear) for number in STOPPING}
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._remind)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        if self._watch is not None:
            self._watch.end()
            self._watch = None

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, a signal raises `Interrupted` where the program is: what is being done is given up.

        Of processes that work together none may leave the others: they hear it at the next `check`.

        Raises:
            Interrupted: a signal asked to stop, here or before.
        """
        self._raises = self._agree is None
        try:
            self.check()
            yield
        finally:
            self._raises = False
            if self._before:
                signal.setitimer(signal.ITIMER_REAL, 0)

    def agree_by(self, agree: Callable[[int], int]) -> None:
        """From here on other processes are asked too, at every `check`, which all make at the same places.

        Args:
            agree: of the numbers that the processes give, the one that all take; 0 for nothing.
        """
        self._agree = agree
        self.requested = None  # what was heard so far is agreed upon first
        self._raises = False

    def check(self) -> None:
        """Raises `Interrupted` if a signal asked to stop."""
        if self._agree is not None and self.requested is None:
            number = self._agree(self._heard or 0)
            self.requested = signal.Signals(number) if number else None
        if self.requested is not None:
            raise Interrupted(self.requested)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._heard is None:
            self._heard = signal.Signals(number)
            if self._agree is None:
                self.requested = self._heard
                self._interrupt()

    def _remind(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None:
            self._interrupt()

    def _interrupt(self) -> None:
        if self._raises:
            # What Python calls from C, a destructor for one, may swallow the exception.
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
            self.check()


class _Watch:
    """Ends the process at the second signal.

    Python's handlers run between two steps of the interpreter, which a compilation or a long computation
    keeps from coming. What Python's own handler in C writes to a pipe is read by a thread at once.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(self._read,), daemon=True, name="second signal").start()

    def end(self) -> None:
        """Stops watching."""
        signal.set_wakeup_fd(self._before)
        os.close(self._write)  # the thread reads the end, and closes its side

    def _watch(self, descriptor: int) -> None:
        first, seconds = None, float(os.environ.get(SAME_REQUEST, SAME_REQUEST_SECONDS))
        while received := os.read(descriptor, 1):
            if received[0] not in STOPPING:
                continue
            now = time.monotonic()
            if first is None:
                first = now
            elif now - first > seconds:
                os.write(2, b"\nstopped at once, without another checkpoint\n")
                os._exit(exit_status(signal.Signals(received[0])))
        os.close(descriptor)


def was_asked_to_stop(status: int) -> bool:
    """Whether a process that ended with such a status (negative: killed by a signal) was asked to."""
    return (-status if status < 0 else status - 128) in STOPPING


def exit_status(number: signal.Signals) -> int:
    """What a command that was stopped by a signal ends with, as shells have it."""
    return 128 + number
