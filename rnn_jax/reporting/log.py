"""The files a run writes its figures to: metrics.jsonl, timing.jsonl, TensorBoard's event files."""

import contextlib
import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.console import Console
from rnn_jax.reporting.samples import Samples
from rnn_jax.reporting.tensorboard import Events
from rnn_jax.runtime.files import finite, replacing, write_all, writing

WHILE_TRAINING = ("train", "batch")
"""The splits whose figures come with the updates, not with an evaluation."""
BEFORE_THE_END = (*WHILE_TRAINING, "validation")


class Log:
    """Where the loop puts its figures, and how often. `console` is what it speaks through meanwhile."""

    def __init__(
        self,
        folder: RunFolder,
        console: Console,
        *,
        every_steps: int,
        batch_accuracy_every_steps: int | None,
        tensorboard: bool,
        sample_tokens: int | None,
    ) -> None:
        self.console = console
        self.every_steps = every_steps
        self.batch_accuracy_every_steps = batch_accuracy_every_steps
        self.sample_tokens = sample_tokens
        self._path = folder.path
        self._samples = Samples(folder.samples)
        self._metrics = Lines(folder.metrics)
        self._timing = Lines(folder.timing)
        self._tensorboard = tensorboard
        self._first_step = 0
        self._events: Events | None = None

    def resume(self, step: int, evaluated: int | None = None) -> None:
        """Forgets what was logged after `step`: the run goes on from there, and logs it again.

        `evaluated` is the step up to which evaluations are kept (None: as everything else); figures of test
        at the last step are not kept, since test is looked at again.
        """
        evaluated = step if evaluated is None else evaluated

        def is_kept(row: Mapping[str, Any]) -> bool:
            split = row.get("split")
            last = step if split in WHILE_TRAINING else min(step, evaluated)
            return row["step"] < last or (row["step"] == last and split in BEFORE_THE_END)

        self._metrics.keep(is_kept)
        self._timing.keep_up_to(step)
        self._samples.keep_up_to(min(step, evaluated))
        self._close_events()
        self._first_step = step + 1

    def metrics(self, step: int, split: str, figures: Mapping[str, float]) -> None:
        """Logs reproducible figures of a split; what is not finite becomes `null`."""
        self._metrics.append({"step": step, "split": split, **_plain(figures)})
        self._add_scalars(step, split, figures)

    def sample(self, step: int, text: str) -> None:
        """Keeps what a language model writes, and shows it to who looks on."""
        self._samples.append(step, text)
        self.console.log_sample(text)

    def timing(self, step: int, figures: Mapping[str, float]) -> None:
        """Logs rates and times, which no two runs share."""
        self._timing.append({"step": step, **_plain(figures)})
        self._add_scalars(step, "timing", figures)

    def flush(self) -> None:
        """Waits until the disk has everything: before a checkpoint is there, or a crash loses lines."""
        self._metrics.flush()
        self._timing.flush()
        self._samples.flush()

    def flush_events(self) -> None:
        """Puts what was logged into the event file; unlike `flush`, not beside other calls."""
        if self._events is not None:
            with writing(self._path):
                self._events.flush()

    def close(self) -> None:
        """Closes the files. Nothing can be logged afterwards."""
        self._metrics.close()
        self._timing.close()
        self._close_events()

    def _add_scalars(self, step: int, group: str, figures: Mapping[str, float]) -> None:
        if not self._tensorboard:
            return
        with writing(self._path):
            if self._events is None:
                self._events = Events(self._path, self._first_step)
            self._events.add(step, group, figures)

    def _close_events(self) -> None:
        if self._events is not None:
            with contextlib.suppress(OSError):  # what is worth an error was flushed before
                self._events.close()
        self._events = None


class Lines:
    """A file of JSON objects, one a line, each with a `step`; what is appended is written at once, whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _open_to_append(path)

    def append(self, row: Mapping[str, object]) -> None:
        """Adds a line. ValueError for NaN and infinities, which JSON does not have."""
        with writing(self._path):
            write_all(self._file, json.dumps(row, allow_nan=False).encode() + b"\n")

    def keep_up_to(self, step: int) -> None:
        """Drops the lines of later steps, and what is no whole line: a crash may have torn the last one."""
        self.keep(lambda row: row["step"] <= step)

    def keep(self, is_kept: Callable[[Mapping[str, Any]], bool]) -> None:
        """Drops the lines for which `is_kept` is false, and what is no whole line."""
        content = self._path.read_bytes()
        lines = content.split(b"\n")[:-1]  # after the last newline: nothing, or a torn line
        kept = b"".join(line + b"\n" for line in lines if (row := _row(line)) is not None and is_kept(row))
        if kept == content:
            return
        self._file.close()
        with replacing(self._path) as unfinished:
            unfinished.write_bytes(kept)
        self._file = _open_to_append(self._path)

    def flush(self) -> None:
        """Waits until the disk has the lines."""
        with writing(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_lines(path: Path) -> list[dict]:
    """The objects of a metrics.jsonl or timing.jsonl, without a torn last line; [] where there is no file."""
    if not path.exists():
        return []
    return [row for line in path.read_bytes().split(b"\n")[:-1] if (row := _row(line)) is not None]


def _open_to_append(path: Path) -> io.FileIO:
    with writing(path):
        return io.FileIO(path, "a+")


def _plain(figures: Mapping[str, float]) -> dict[str, int | float | None]:
    """Python numbers of NumPy's or JAX's scalars, None for what is not finite."""
    numbers = {name: value if isinstance(value, int) else float(value) for name, value in figures.items()}
    return finite(numbers)


def _row(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line; None where it is none, or one without a step."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None
