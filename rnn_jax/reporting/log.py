"""The log of a run: metrics.jsonl, timing.jsonl, samples.txt and TensorBoard's event files."""

import contextlib
import io
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rnn_jax.config import sections
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.console import Console
from rnn_jax.reporting.formatting import scalars
from rnn_jax.runtime.files import finite, flush, flush_open, replacing, write_all, write_text, writing

TRAINING_SPLITS = ("train", "batch")
"""Splits whose metrics are logged with the updates, not by an evaluation."""
REPEATABLE_SPLITS = (*TRAINING_SPLITS, "validation")
"""Splits that are not evaluated again when a run is resumed from its last step; test splits are."""
HEADING = re.compile(r"^── step ([\d,]+) ──$", re.MULTILINE)
"""The line before each sample in samples.txt."""


class Log:
    """Writes a run's metrics, timing and samples. The files are created if they do not exist."""

    def __init__(self, folder: RunFolder, console: Console, settings: sections.Log) -> None:
        self.console, self.settings = console, settings
        self._path = folder.path
        self._samples = Samples(folder.samples)
        self._metrics, self._timing = Lines(folder.metrics), Lines(folder.timing)
        self._first_step = 0
        self._events: Events | None = None
        if settings.tensorboard:
            _tensorboard()

    def resume(self, step: int, evaluated_at: int | None = None) -> None:
        """Drop what was logged after `step`, from where the run resumes and logs it again.

        Evaluations are kept up to `evaluated_at` (None: `step`). Test metrics are dropped, whatever their
        step is, since test is evaluated again.
        """
        last_evaluation = step if evaluated_at is None else min(step, evaluated_at)

        def is_kept(row: Mapping[str, Any]) -> bool:
            split = row.get("split")
            last = step if split in TRAINING_SPLITS else last_evaluation
            return split in REPEATABLE_SPLITS and row["step"] <= last

        self._metrics.keep(is_kept)
        self._timing.keep(lambda row: row["step"] <= step)
        self._samples.keep_up_to(last_evaluation)
        self._close_events()
        self._first_step = step + 1

    def metrics(self, step: int, split: str, metrics: Mapping[str, Any]) -> None:
        """Log reproducible metrics of a split; NaN and infinities become `null`."""
        self._metrics.append({"step": step, "split": split, **_plain(metrics)})
        self._add_scalars(step, split, scalars(metrics))

    def timing(self, step: int, values: Mapping[str, float]) -> None:
        """Log throughput and times, which differ between equal runs."""
        self._timing.append({"step": step, **_plain(values)})
        self._add_scalars(step, "timing", values)

    def sample(self, step: int, text: str) -> None:
        """Log text sampled from a language model, and show it on the console."""
        self._samples.append(step, text)
        self.console.log_sample(text)

    def flush(self) -> None:
        """Wait until everything is on the disk, so that neither a checkpoint nor a crash outruns the log."""
        for file in (self._metrics, self._timing, self._samples):
            file.flush()

    def flush_events(self) -> None:
        """Write buffered TensorBoard events; unlike `flush`, not from another thread."""
        if self._events is not None:
            with writing(self._path):
                self._events.flush()

    def close(self) -> None:
        """Close the files. Nothing can be logged afterwards."""
        self._metrics.close()
        self._timing.close()
        self._close_events()

    def _add_scalars(self, step: int, group: str, values: Mapping[str, float | None]) -> None:
        if self.settings.tensorboard:
            with writing(self._path):
                self._events = self._events or Events(self._path, self._first_step)
                self._events.add(step, group, values)

    def _close_events(self) -> None:
        if self._events is not None:
            with contextlib.suppress(OSError):  # errors that matter were raised by `flush_events`
                self._events.close()
        self._events = None


class Lines:
    """A file of JSON objects, one per line, each with a `step`. Lines are appended unbuffered and whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()

    def _open(self) -> None:
        with writing(self._path):
            self._file = io.FileIO(self._path, "a+")

    def append(self, row: Mapping[str, object]) -> None:
        """Append a line. ValueError for NaN and infinities, which JSON does not have."""
        with writing(self._path):
            write_all(self._file, json.dumps(row, allow_nan=False).encode() + b"\n")

    def keep(self, is_kept: Callable[[Mapping[str, Any]], bool]) -> None:
        """Drop the lines for which `is_kept` is false, and damaged ones: a crash may have torn the last."""
        content = self._path.read_bytes()
        kept = b"".join(line + b"\n" for line, row in _rows(content) if is_kept(row))
        if kept != content:
            self._file.close()
            with replacing(self._path) as unfinished:
                unfinished.write_bytes(kept)
            self._open()

    def flush(self) -> None:
        """Wait until the lines are on the disk."""
        with writing(self._path):
            flush_open(self._file.fileno(), self._path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Samples:
    """samples.txt: text sampled from a language model at each evaluation, below a `HEADING`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, step: int, text: str) -> None:
        """Append the sample of a step."""
        with writing(self._path), self._path.open("ab", buffering=0) as file:
            write_all(file, f"── step {step:,} ──\n{text}\n\n".encode(errors="backslashreplace"))

    def flush(self) -> None:
        """Wait until the samples are on the disk."""
        if self._path.exists():
            with writing(self._path):
                flush(self._path)

    def keep_up_to(self, step: int) -> None:
        """Drop the samples of later steps, and one that a crash tore."""
        text = _read_text(self._path)
        later = (found.start() for found in HEADING.finditer(text) if _step(found[1]) > step)
        end = next(later, text.rfind("\n\n") + 2)
        if end < len(text):
            write_text(self._path, text[:end])


def _tensorboard() -> tuple[Any, Any, Any]:
    """Import the writer of event files, and the modules of their messages.

    That takes seconds where PyTorch is installed, which tensorboardX imports: so it is done before training.
    """
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto import event_pb2, summary_pb2

    return EventsWriter, event_pb2, summary_pb2  # generated modules, unknown to type checkers


class Events:
    """One TensorBoard event file, written step by step, without TensorFlow and without a thread.

    tensorboardX's own SummaryWriter passes every value to a thread, and its `flush` does not wait for it; the
    parts used here write synchronously.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        """Start a file at `first_step`; TensorBoard hides later steps of earlier files."""
        writer, self._event, self._summary = _tensorboard()
        # The suffix distinguishes two files started in the same second.
        self._writer = writer(str(folder / "events"), f".{first_step}")
        self.flush, self.close = self._writer.flush, self._writer.close
        self._write(first_step, session_log=self._event.SessionLog(status=self._event.SessionLog.START))

    def add(self, step: int, group: str, values: Mapping[str, float | None]) -> None:
        """Add a scalar `group/name` for each value; None, NaN and infinities are left out."""
        scalars = [
            self._summary.Summary.Value(tag=f"{group}/{name}", simple_value=float(value))
            for name, value in values.items()
            if value is not None and math.isfinite(value)
        ]
        self._write(step, summary=self._summary.Summary(value=scalars))

    def _write(self, step: int, **content: Any) -> None:
        self._writer.write_event(self._event.Event(wall_time=time.time(), step=step, **content))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a metrics.jsonl or timing.jsonl without damaged lines; [] if the file does not exist."""
    return [row for _, row in _rows(path.read_bytes())] if path.exists() else []


def read_samples(path: Path) -> dict[int, str]:
    """The samples of a samples.txt by their steps; {} if it does not exist."""
    parts = HEADING.split(_read_text(path))[1:]
    return {_step(step): text.strip("\n") for step, text in zip(parts[::2], parts[1::2], strict=True)}


def _read_text(path: Path) -> str:
    """The text as written, with every `\\r`, '' without a file; the end may be torn within a character."""
    return path.read_bytes().decode("utf-8", errors="replace") if path.exists() else ""


def _step(text: str) -> int:
    return int(text.replace(",", ""))


def _plain(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Convert NumPy's and JAX's scalars to Python numbers, NaN and infinities to None."""
    plain = {
        name: value if isinstance(value, int | Mapping) else float(value) for name, value in metrics.items()
    }
    return finite(plain)


def _rows(content: bytes) -> list[tuple[bytes, dict[str, Any]]]:
    """The complete lines that hold a JSON object with a step, and these objects."""
    rows = []
    for line in content.split(b"\n")[:-1]:  # after the last newline: nothing, or a torn line
        with contextlib.suppress(ValueError, RecursionError):
            row = json.loads(line)
            if isinstance(row, dict) and isinstance(row.get("step"), int):
                rows.append((line, row))
    return rows
