"""The checkpoints of a run: written whole or not at all, verified when they are opened.

A checkpoint is a folder named by its step:

    00006450/state.safetensors   the arrays, see `format.py`
    00006450/progress.json       plain values
    00006450/manifest.json       the SHA-256 of the other files, written last, see `manifest.py`

It is written under another name, flushed to the disk and then renamed, so that a process which is killed at
any moment leaves whole checkpoints only. Of `progress.json` four fields are read here; each may be missing:

    best_step      the step of the best checkpoint so far; null: there is none
    metrics        the metrics on validation at `evaluated_at`; null: one that is not finite
    evaluated_at   the step of the last evaluation
    is_planned     whether the config alone, and no clock or signal, asks for a checkpoint at this step

    find("runs/mnist/first/checkpoints", "best").read()["params"]["recurrence_0"]["hf"]["kernel"]
"""

import contextlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rnn_jax.checkpoints import manifest
from rnn_jax.checkpoints.format import arrange_like, nested, read_arrays, write_arrays
from rnn_jax.config.objective import Objective
from rnn_jax.config.sections import Checkpoint as Settings
from rnn_jax.runtime.errors import CheckpointError, UserError
from rnn_jax.runtime.files import flush, read_json, user_path

Which = Literal["latest", "best"]
_UNFINISHED = "unfinished-"
_STATE, _PROGRESS = "state.safetensors", "progress.json"


class Checkpoint(NamedTuple):
    """A checkpoint whose files match its manifest."""

    path: Path
    progress: dict[str, Any]
    """The content of `progress.json`."""
    warnings: Sequence[str] = ()
    """One line for each invalid checkpoint that was skipped to find this one."""

    @property
    def step(self) -> int:
        """Updates made."""
        return int(self.path.name)

    def read(self, prefix: str = "") -> dict[str, Any]:
        """Read the arrays whose names start with `prefix` into nested dictionaries of NumPy arrays.

        Raises CheckpointError if the file is not as `write` writes it.
        """
        with _reading(self.path):
            return nested(read_arrays(self.path / _STATE, prefix))

    def restore(self, template: Any) -> Any:
        """Read all arrays into the structure of a template, with random keys where the template has them.

        Raises CheckpointError if an array is missing, unexpected, or of another shape or dtype than there.
        """
        with _reading(self.path):
            return arrange_like(read_arrays(self.path / _STATE), template)


def write(folder: Path, step: int, tree: Any, progress: Mapping[str, Any]) -> None:
    """Write the checkpoint of a step, a tree of arrays without random keys; replace the one that exists.

    Raises:
        OSError, ValueError: the disk is full or cannot be written to; the other checkpoints are unchanged.
    """
    final, unfinished = path_of(folder, step), folder / f"{_UNFINISHED}{step:08d}"
    remove_unfinished(folder)
    unfinished.mkdir(parents=True)
    try:
        write_arrays(unfinished / _STATE, tree)
        text = json.dumps(dict(progress), indent=1, allow_nan=False)
        (unfinished / _PROGRESS).write_text(text, encoding="utf-8")
        manifest.write(unfinished)
        if final.exists():  # a folder cannot replace one that is not empty: for a moment there is none
            final.rename(folder / f"{_UNFINISHED}replaced-{step:08d}")
        unfinished.rename(final)
        flush(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)  # the disk may need its room
        raise
    remove_unfinished(folder)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left; put a checkpoint back that was about to be replaced."""
    for leftover in sorted(folder.glob(f"{_UNFINISHED}*")):
        _, replaced, step = leftover.name.partition("replaced-")
        if replaced and not (folder / step).exists():
            leftover.rename(folder / step)
        else:
            shutil.rmtree(leftover)


class SavedCheckpoint(NamedTuple):
    """What the retention policy needs of a checkpoint."""

    step: int
    metrics: Mapping[str, float | None] | None
    """The metrics on validation at this step; None: it was not evaluated."""
    is_planned: bool = True
    """Whether the config alone asks for a checkpoint at this step: a diverged run rolls back to it."""
    best_step: int | None = None
    """The step of the best checkpoint at that time; None: there was none."""


def expired(saved: Sequence[SavedCheckpoint], settings: Settings, objective: Objective) -> list[int]:
    """Return the steps of the checkpoints to remove; `saved` has each step once, in any order.

    Retained are the `keep_latest` latest and the latest planned one, from which the run resumes, each with
    the best checkpoint of its time, without which it is not valid; and the `keep_best` best of those with a
    finite metric, of equal ones the later. A latest one never makes room for a best one, nor the other way
    round. Only what is on the disk counts, not what a process remembers.
    """
    latest = sorted(each.step for each in saved)[-settings.keep_latest :]
    planned = sorted(each.step for each in saved if each.is_planned)[-1:]
    needed = {each.best_step for each in saved if each.step in (*latest, *planned)}
    found = ({**each.metrics, "step": each.step} for each in saved if each.metrics is not None)
    ranked = sorted(found, key=objective.sort_key)[: settings.keep_best]
    best = [each["step"] for each in ranked if objective.is_better(each, None)]
    return sorted({each.step for each in saved} - {*latest, *planned, *needed, *best})


def remove_expired(folder: Path, settings: Settings, objective: Objective) -> None:
    """Remove the checkpoints that the config section `checkpoint` does not retain."""
    for step in expired([_saved(folder, step) for step in steps(folder)], settings, objective):
        _remove(folder, step)


def remove_later(folder: Path, step: int) -> None:
    """Remove the checkpoints of later steps."""
    for later in (each for each in steps(folder) if each > step):
        _remove(folder, later)


def steps(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, valid or not, in ascending order."""
    numbers = (int(path.name) for path in folder.glob("[0-9]*") if path.name.isdecimal())
    return sorted(step for step in numbers if path_of(folder, step).is_dir())


def path_of(folder: Path, step: int) -> Path:
    """The path of the checkpoint of a step."""
    return folder / f"{step:08d}"


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Verify the checkpoint in a folder, `checkpoints/00006450`; raise CheckpointError if it is invalid."""
    path = user_path(path)
    manifest.verify(path)
    with contextlib.suppress(UserError):
        progress = read_json(path / _PROGRESS)
        if isinstance(progress.get("best_step"), int | None):
            return Checkpoint(path, progress)
    raise CheckpointError(f"{path}: {_PROGRESS} is invalid or was just removed")


def find(folder: str | Path, which: Which = "latest") -> Checkpoint:
    """Find a valid checkpoint: 'latest' skips invalid ones with a warning, 'best' never falls back.

    Raises:
        CheckpointError: none is valid.
    """
    folder = user_path(folder)
    if which == "best":
        return _find_best(folder)
    found, rejected = _newest(folder, open_checkpoint)
    return found._replace(warnings=[f"{error}; skipped" for _, error in rejected])


def recover(folder: Path, *, only_planned: bool = False) -> Checkpoint:
    """Find the newest checkpoint to resume from, and rename newer invalid ones to `invalid-`.

    The best checkpoint so far must be valid too: without it a run would train to its end and fail only then.
    With `only_planned`, only checkpoints that are due by the config alone are considered.

    Raises:
        CheckpointError: none is valid; all keep their names.
    """

    def accept(path: Path) -> Checkpoint | None:
        found = open_checkpoint(path)
        if only_planned and not found.progress.get("is_planned"):
            return None
        if (best := found.progress.get("best_step")) is not None:
            try:
                manifest.verify(path_of(folder, best))
            except CheckpointError as error:
                raise CheckpointError(f"{path}: the best checkpoint is invalid: {error}") from error
        return found

    found, rejected = _newest(folder, accept)
    warnings = [f"{error}; renamed to {_set_aside(path).name}" for path, error in rejected]
    return found._replace(warnings=warnings)


def _newest(
    folder: Path, accept: Callable[[Path], Checkpoint | None]
) -> tuple[Checkpoint, list[tuple[Path, CheckpointError]]]:
    """The newest checkpoint that `accept` returns, and the newer ones for which it raised."""
    rejected: list[tuple[Path, CheckpointError]] = []
    for step in reversed(steps(folder)):
        path = path_of(folder, step)
        try:
            if (found := accept(path)) is not None:
                return found, rejected
        except CheckpointError as error:
            rejected.append((path, error))
    reasons = "; ".join(str(error).removeprefix(f"{folder}/") for _, error in rejected[:3])
    raise CheckpointError(f"{folder}: no valid checkpoint{f' ({reasons})' if reasons else ''}")


def _find_best(folder: Path) -> Checkpoint:
    """The best checkpoint, which the latest one names."""
    remedy, saved = "try --checkpoint latest", steps(folder)
    if not saved:
        raise CheckpointError(f"{folder}: no valid checkpoint")
    try:
        step = open_checkpoint(path_of(folder, saved[-1])).progress.get("best_step")
    except CheckpointError as error:
        raise CheckpointError(f"{error}, and it names the best checkpoint; {remedy}") from error
    if step is None:
        raise CheckpointError(f"{folder}: no evaluation had a finite result yet; {remedy}")
    try:
        return open_checkpoint(path_of(folder, step))
    except CheckpointError as error:
        raise CheckpointError(f"the best checkpoint, {error}; {remedy}") from error


def _saved(folder: Path, step: int) -> SavedCheckpoint:
    with contextlib.suppress(UserError):
        progress = read_json(path_of(folder, step) / _PROGRESS)
        metrics = progress.get("metrics") if progress.get("evaluated_at") == step else None
        if isinstance(metrics, dict):
            metrics = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
        else:
            metrics = None
        best_step = progress.get("best_step")
        best_step = best_step if isinstance(best_step, int) else None
        return SavedCheckpoint(step, metrics, progress.get("is_planned") is True, best_step)
    return SavedCheckpoint(step, None, is_planned=False)


def _remove(folder: Path, step: int) -> None:
    # Renamed first: a removal that is interrupted must not leave half a checkpoint.
    leaving = folder / f"{_UNFINISHED}{step:08d}"
    path_of(folder, step).rename(leaving)
    shutil.rmtree(leaving)


def _set_aside(path: Path) -> Path:
    suffixes = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    places = (path.with_name(f"invalid-{path.name}{suffix}") for suffix in suffixes)
    place = next(place for place in places if not place.exists())
    path.rename(place)
    flush(path.parent)
    return place


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        first = str(error).strip().partition("\n")[0][:200]
        raise CheckpointError(f"{path}: intact, but not a checkpoint of this model ({first})") from error
