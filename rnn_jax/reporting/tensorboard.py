"""TensorBoard's event files, written without TensorFlow and without a thread."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Events:
    """One event file, written step by step.

    tensorboardX's own SummaryWriter passes every value to a thread, and its `flush` does not wait for it; the
    parts used here write synchronously.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        """Start a file at `first_step`; TensorBoard hides later steps of earlier files."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2, summary_pb2

        self._event: Any = event_pb2  # generated modules, unknown to type checkers
        self._summary: Any = summary_pb2
        # The suffix distinguishes two files started in the same second.
        self._writer = EventsWriter(str(folder / "events"), f".{first_step}")
        self._write(first_step, session_log=self._event.SessionLog(status=self._event.SessionLog.START))

    def add(self, step: int, group: str, values: Mapping[str, float]) -> None:
        """Add a scalar `group/name` for each value; NaN and infinities are left out."""
        scalars = [
            self._summary.Summary.Value(tag=f"{group}/{name}", simple_value=float(value))
            for name, value in values.items()
            if math.isfinite(value)
        ]
        self._write(step, summary=self._summary.Summary(value=scalars))

    def flush(self) -> None:
        """Write buffered events to the file."""
        self._writer.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()

    def _write(self, step: int, **content: Any) -> None:
        self._writer.write_event(self._event.Event(wall_time=time.time(), step=step, **content))
