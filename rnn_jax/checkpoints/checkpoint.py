"""Checkpoints: whole or not there, checked when they are read, never silently another.

A checkpoint is a folder named by its step:

    00006450/state/           the arrays, see `arrays.py`
    00006450/progress.json    what the loop decides by, see `progress.py`
    00006450/manifest.json    the SHA-256 of every other file, written last, see `manifest.py`

It is written under another name, flushed to the disk and then renamed, so that a run which is killed at any
moment leaves whole checkpoints only. One that is found invalid when a run goes on is set aside under
`invalid-`, not deleted. None of this needs the run's config:

    checkpoint.read("runs/mnist/first/checkpoints/00006450")["parameters"]["recurrence_0"]["hf"]["kernel"]
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax

from rnn_jax.checkpoints import arrays, manifest
from rnn_jax.checkpoints.retention import Keeper, Kept
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.runtime.files import flush
from rnn_jax.training.progress import Progress
from rnn_jax.training.state import State

Which = Literal["latest", "best"]
_UNFINISHED = "unfinished-"
_INVALID = "invalid-"
_PROGRESS = "progress.json"


class Found(NamedTuple):
    """A checkpoint whose files are what they were."""

    path: Path
    progress: dict[str, Any]
    """What JSON held."""
    damaged: list[str]
    """A line for every invalid checkpoint that was passed over."""

    @property
    def step(self) -> int:
        """Updates made."""
        return int(self.path.name)


def write(folder: Path, step: int, tree: Mapping[str, Any], progress: Mapping[str, Any]) -> None:
    """Writes the checkpoint of a step; if there is one already, the new one takes its place.

    Args:
        folder: where checkpoints are kept; created if need be.
        step: updates made.
        tree: NumPy arrays, in nested dictionaries or named tuples.
        progress: what JSON holds beside them.

    Raises:
        OSError, ValueError: the disk is full, or cannot be written; the other checkpoints are as they were.
    """
    final, unfinished = path_of(folder, step), folder / f"{_UNFINISHED}{step:08d}"
    clear_unfinished(folder)
    unfinished.mkdir(parents=True)
    try:
        arrays.write(unfinished / "state", tree)
        text = json.dumps(dict(progress), indent=1, allow_nan=False)
        (unfinished / _PROGRESS).write_text(text, encoding="utf-8")
        manifest.write(unfinished)
        if (
            final.exists()
        ):  # a folder cannot take the place of one that is not empty: for a moment there is none
            replaced = folder / f"{_UNFINISHED}replaced-{step:08d}"
            final.rename(replaced)
        unfinished.rename(final)
        flush(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)  # its room may be what is missing
        raise
    clear_unfinished(folder)


def clear_unfinished(folder: Path) -> None:
    """Removes what processes that were killed have left; a checkpoint on its way out is put back."""
    for leftover in sorted(folder.glob(f"{_UNFINISHED}*")):
        _, replaced, step = leftover.name.partition("replaced-")
        if replaced and not (folder / step).exists():
            leftover.rename(folder / step)
        else:
            shutil.rmtree(leftover)


def remove_superfluous(folder: Path, keeper: Keeper, direction: str) -> None:
    """Removes the checkpoints that the policy does not keep."""
    there = [_kept(folder, step) for step in steps(folder)]
    for step in keeper.superfluous(there, direction):
        _remove(folder, step)


def steps(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, oldest first."""
    numbers = (int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit())
    return sorted(step for step in numbers if path_of(folder, step).is_dir())


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step is."""
    return folder / f"{step:08d}"


def find(
    folder: Path,
    which: Which = "latest",
    *,
    to_go_on: bool = False,
    only_planned: bool = False,
    at: int | None = None,
) -> Found:
    """Finds a checkpoint, and checks it.

    Args:
        folder: where checkpoints are kept.
        which: 'latest' falls back to the newest valid one; 'best' is that one or nothing.
        to_go_on: a run goes on from it: it counts only if the best one so far is valid too, and those that
            are passed over are renamed, so that they are in nobody's way.
        only_planned: pass over, without a word, those at which the config alone does not ask for one.
        at: pass over, without a word, those of other steps; None: none.

    Raises:
        CheckpointError: there is no valid one of that kind.
    """
    passed: list[tuple[Path, str]] = []
    for step in [at] if at is not None else reversed(steps(folder)):
        path = path_of(folder, step)
        progress, fault = _checked(path)
        if fault is None and only_planned and not progress.get("is_planned"):
            continue
        if fault is None and to_go_on:
            fault = _fault_of_best(folder, progress)
        if fault is None:
            damaged = [_passed_over(place, why, to_go_on) for place, why in passed]
            found = Found(path, progress, damaged)
            return found if which == "latest" else _best(folder, found)
        if which == "best":
            raise CheckpointError(
                f"{path}: {fault}, and it says which checkpoint is the best; try --checkpoint latest"
            )
        passed.append((path, fault))
    reasons = "; ".join(f"{path.name}: {why}" for path, why in passed[:3])
    raise CheckpointError(f"{folder}: no valid checkpoint{f' ({reasons})' if passed else ''}")


def remove_after(folder: Path, step: int) -> None:
    """Removes the checkpoints of later steps."""
    for later in steps(folder):
        if later > step:
            _remove(folder, later)


def restore(
    folder: Path,
    template: State,
    which: Which,
    *,
    to_go_on: bool = False,
    only_planned: bool = False,
    at: int | None = None,
) -> tuple[State, Progress, list[str]]:
    """Reads a run's checkpoint back.

    Args:
        folder: where checkpoints are kept.
        template: a state of the same shapes, dtypes and shardings; its values do not matter.
        which, to_go_on, only_planned, at: see `find`.

    Returns:
        The state, the progress, and a line for every invalid checkpoint that was passed over.

    Raises:
        CheckpointError: there is no valid one of that kind, or it is of another model.
    """
    found = find(folder, which, to_go_on=to_go_on, only_planned=only_planned, at=at)
    with reading(found.path):
        state = State(**arrays.read(found.path / "state", template._asdict()))
        return state, Progress.from_json(found.progress), found.damaged


def restore_tree(
    folder: Path, template: Callable[[dict[str, Any]], Mapping[str, Any]]
) -> tuple[dict[str, Any], Found]:
    """Reads the newest valid checkpoint of any arrays back, and sets the invalid ones aside.

    Args:
        folder: where checkpoints are kept.
        template: of what JSON held, arrays of the shapes, dtypes and shardings to read.

    Returns:
        The arrays, where the template has them, and what was found.

    Raises:
        CheckpointError: there is no valid one, or it is of other arrays.
    """
    found = find(folder, to_go_on=True)
    with reading(found.path):
        return arrays.read(found.path / "state", template(found.progress)), found


def restore_evaluated(folder: Path, which: Which) -> tuple[Any, int, list[str]]:
    """Reads of a run's checkpoint nothing but the parameters that are evaluated, onto the first device.

    Args:
        folder: where checkpoints are kept.
        which: 'latest' falls back to the newest valid one; 'best' is that one or nothing.

    Returns:
        The parameters, the averaged ones where an average was kept; the step; and a line for every invalid
        checkpoint that was passed over.

    Raises:
        CheckpointError: there is no valid one of that kind.
    """
    found = find(folder, which)
    with reading(found.path):
        averaged = arrays.read_part(found.path / "state", "averaged")
        has_average = bool(jax.tree.leaves(averaged))
        parameters = averaged if has_average else arrays.read_part(found.path / "state", "parameters")
        return jax.device_put(parameters, jax.devices()[0]), found.step, found.damaged


def read(path: str | Path) -> dict[str, Any]:
    """Reads a checkpoint, of which nothing need be known.

    Args:
        path: the checkpoint's own folder, `checkpoints/00006450`.

    Returns:
        Nested dictionaries of NumPy arrays: `step`, `parameters`, `optimizer`, `averaged` and the rest of
        `State`; and under `progress` what JSON held.

    Raises:
        CheckpointError: it is not there, or not what it was.
    """
    path = Path(path)
    fault = manifest.fault(path)
    if fault is not None:
        raise CheckpointError(f"{path}: {fault}")
    with reading(path):
        parts = {name: arrays.read_part(path / "state", name) for name in State._fields}
        return {**parts, "progress": json.loads((path / _PROGRESS).read_text(encoding="utf-8"))}


def _best(folder: Path, latest: Found) -> Found:
    step = latest.progress.get("best_step")
    if step is None:
        raise CheckpointError(f"{folder}: nothing was evaluated yet; try --checkpoint latest")
    path = path_of(folder, int(step))
    progress, fault = _checked(path)
    if fault is not None:
        raise CheckpointError(f"{path}, the best checkpoint: {fault}; try --checkpoint latest")
    return Found(path, progress, latest.damaged)


def _checked(path: Path) -> tuple[dict[str, Any], str | None]:
    """What JSON holds in a checkpoint, and what is wrong with it; None: nothing."""
    fault = manifest.fault(path)
    if fault is not None:
        return {}, fault
    try:
        return json.loads((path / _PROGRESS).read_text(encoding="utf-8")), None
    except (OSError, ValueError):  # a run that goes on beside this process has just removed it
        return {}, "it is not there any more"


def _fault_of_best(folder: Path, progress: Mapping[str, Any]) -> str | None:
    """What is wrong with the best checkpoint, by what another one says of it."""
    step = progress.get("best_step")
    if step is None:
        return None
    path = path_of(folder, step)
    fault = manifest.fault(path)
    return None if fault is None else f"its best checkpoint is {path.name}, and {fault}"


def _passed_over(path: Path, fault: str, to_go_on: bool) -> str:
    """Says so of a checkpoint, and sets it aside where a run goes on."""
    where = f", set aside as {_set_aside(path).name}" if to_go_on else ""
    return f"{path}: {fault}; passed over{where}, falling back to the one before"


def _remove(folder: Path, step: int) -> None:
    # Renamed first: a removal that is interrupted must not leave half a checkpoint.
    leaving = folder / f"{_UNFINISHED}{step:08d}"
    path_of(folder, step).rename(leaving)
    shutil.rmtree(leaving)


def _set_aside(path: Path) -> Path:
    number, place = 1, path.with_name(f"{_INVALID}{path.name}")
    while place.exists():
        number += 1
        place = path.with_name(f"{_INVALID}{path.name}-{number}")
    path.rename(place)
    flush(path.parent)
    return place


def _kept(folder: Path, step: int) -> Kept:
    """What the keeping policy knows of a checkpoint: the objective where it was evaluated at its own step."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        progress = json.loads((path_of(folder, step) / _PROGRESS).read_text())
        figure = progress.get("metric") if progress["evaluated_at"] == step else None
        return Kept(step, figure, progress["is_planned"])
    return Kept(step, None, is_planned=False)


@contextlib.contextmanager
def reading(path: Path) -> Any:
    """Turns what is raised over files that are as they were written into an error for people."""
    try:
        yield
    except (ValueError, KeyError, TypeError, OSError) as error:
        first = str(error).strip().partition("\n")[0][:200]
        raise CheckpointError(f"{path}: its files are whole, but of another model ({first})") from error
