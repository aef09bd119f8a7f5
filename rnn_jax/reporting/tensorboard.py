"""TensorBoard's event files, written without TensorFlow and without a thread."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Events:
    """One event file, written step by step.

    tensorboardX's own SummaryWriter hands every figure to a thread through a pipe, and its `flush` waits for
    neither; its parts, used here, write where they are called.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        """Begins a file for the steps from `first_step` on; TensorBoard hides them in earlier files."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2, summary_pb2

        # The generated modules have no types that a checker could know.
        self._event: Any = event_pb2
        self._summary: Any = summary_pb2
        # The suffix keeps apart two files that begin in the same second.
        self._writer = EventsWriter(str(folder / "events"), f".{first_step}")
        started = self._event.SessionLog(status=self._event.SessionLog.START)
        self._write(first_step, session_log=started)

    def add(self, step: int, group: str, figures: Mapping[str, float]) -> None:
        """Adds a scalar `group/name` for each figure; what is not finite is left out."""
        values = [
            self._summary.Summary.Value(tag=f"{group}/{name}", simple_value=float(value))
            for name, value in figures.items()
            if math.isfinite(value)
        ]
        self._write(step, summary=self._summary.Summary(value=values))

    def flush(self) -> None:
        """Puts everything into the file."""
        self._writer.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self._writer.close()

    def _write(self, step: int, **content: Any) -> None:
        self._writer.write_event(self._event.Event(wall_time=time.time(), step=step, **content))
