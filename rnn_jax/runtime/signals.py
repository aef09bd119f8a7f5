"""Stopping in good order: a signal asks for it, and the training loop looks.

SIGINT (Ctrl-C), SIGTERM (a scheduler's end) and SIGUSR1 (a scheduler's warning) ask for a checkpoint and an
end; the command then ends with status 128 + the signal's number.
"""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Stop:
    """While entered, remembers the first signal that asked to stop.

    A second Ctrl-C raises KeyboardInterrupt at once. Outside the main thread, which alone can have signals,
    this does nothing.

        with Stop() as stop:
            while not stop.requested: ...
    """

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self._interrupted = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._hear) for number in STOPPING}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = self._interrupted or number == signal.SIGINT
        self.requested = self.requested or signal.Signals(number)


def exit_status(number: signal.Signals) -> int:
    """What a command that was stopped by a signal ends with, as shells have it."""
    return 128 + number
