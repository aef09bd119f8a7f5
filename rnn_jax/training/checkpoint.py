"""Checkpoints: whole or not there, checked when they are read, the best one beside the latest.

A checkpoint is a folder named by its step:

    00006450/state/           the state, as Orbax's StandardCheckpointer writes it
    00006450/progress.json    what the loop decides by: see `Progress`
    00006450/manifest.json    the SHA-256 of every other file

It is written under another name, flushed to the disk and then renamed, so that a run which is killed at any
moment leaves whole checkpoints only. Orbax restores a file with a flipped bit without a word: the manifest
does not. Orbax is used here and nowhere else.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax

from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.training.state import State

Which = Literal["latest", "best"]
_UNFINISHED = "unfinished-"


@dataclasses.dataclass(frozen=True)
class Progress:
    """What the loop decides by, beside the state: plain values."""

    devices: int
    """How many devices the run computes on: its bits depend on it."""
    best_step: int | None = None
    best: dict[str, float] = dataclasses.field(default_factory=dict)
    """Validation figures at `best_step`."""
    evaluations_since_best: int = 0


class Keeper(NamedTuple):
    """When checkpoints are saved besides every evaluation, and how many stay."""

    save_every_steps: int | None
    save_every_seconds: float | None
    keep: int

    def due(self, step: int, seconds_since_saved: float) -> bool:
        """Whether a checkpoint is due after `step` steps."""
        by_steps = self.save_every_steps is not None and step % self.save_every_steps == 0
        return by_steps or (
            self.save_every_seconds is not None and seconds_since_saved >= self.save_every_seconds
        )


def build(*, save_every_steps: int | None, save_every_seconds: float | None, keep: int) -> Keeper:
    """Builds the keeping policy (the config section `checkpoint`)."""
    return Keeper(save_every_steps, save_every_seconds, keep)


def save(folder: Path, state: State, progress: Progress, keep: int) -> None:
    """Saves a run's checkpoint, and removes all but the `keep` latest ones and the best."""
    save_tree(folder, int(state.step), state._asdict(), dataclasses.asdict(progress))
    keep_latest(folder, keep, progress.best_step)


def keep_latest(folder: Path, keep: int, also: int | None = None) -> None:
    """Removes all checkpoints but the `keep` latest ones, and that of the step `also`."""
    for old in steps(folder)[:-keep]:
        if old != also:
            shutil.rmtree(folder / f"{old:08d}")


def save_tree(folder: Path, step: int, tree: Mapping[str, Any], progress: Mapping[str, Any]) -> None:
    """Saves any dictionary of arrays, and what JSON holds beside it, as the checkpoint of a step."""
    import orbax.checkpoint as ocp

    final = folder / f"{step:08d}"
    unfinished = folder / f"{_UNFINISHED}{step:08d}"
    for leftover in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover)
    unfinished.mkdir(parents=True)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(unfinished.absolute() / "state", dict(tree))
    (unfinished / "progress.json").write_text(json.dumps(dict(progress), indent=1))
    (unfinished / "manifest.json").write_text(json.dumps(_digests(unfinished), indent=1))
    for path in (*unfinished.rglob("*"), unfinished):
        _flush(path)
    if final.exists():
        shutil.rmtree(final)
    unfinished.rename(final)
    _flush(folder)


def restore(folder: Path, template: State, which: Which) -> tuple[State, Progress, list[str]]:
    """Reads a checkpoint back.

    Args:
        folder: where checkpoints are kept.
        template: a state of the same shapes, dtypes and shardings; its values do not matter.
        which: 'latest' falls back to the newest valid one; 'best' is that one or nothing.

    Returns:
        The state, the progress, and a line for every damaged checkpoint that was passed over.

    Raises:
        CheckpointError: there is no valid one of that kind.
    """
    path, progress, damaged = _find(folder, which)
    return _read_state(path, template), progress, damaged


def restore_evaluated(folder: Path, which: Which) -> tuple[Any, int, list[str]]:
    """Reads of a checkpoint nothing but the parameters that are evaluated, onto the first device.

    Args:
        folder: where checkpoints are kept.
        which: 'latest' falls back to the newest valid one; 'best' is that one or nothing.

    Returns:
        The parameters, the averaged ones where an average was kept; the step; and a line for every damaged
        checkpoint that was passed over.

    Raises:
        CheckpointError: there is no valid one of that kind.
    """
    path, _, damaged = _find(folder, which)
    return _read_evaluated(path), int(path.name), damaged


def restore_tree(
    folder: Path, template: Callable[[dict[str, Any]], Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Reads back the newest valid checkpoint that `save_tree` wrote.

    Args:
        folder: where checkpoints are kept.
        template: of what JSON held, arrays of the shapes, dtypes and shardings to read.

    Returns:
        The arrays, where the template has them; what JSON held; a line for every damaged checkpoint.

    Raises:
        CheckpointError: there is no valid one.
    """
    damaged: list[str] = []
    for step in reversed(steps(folder)):
        path = folder / f"{step:08d}"
        fault = _fault(path)
        if fault is None:
            progress = json.loads((path / "progress.json").read_text())
            return _read_tree(path, template(progress)), progress, damaged
        damaged.append(f"{path}: {fault}; falling back to the one before")
    raise CheckpointError(f"{folder}: no valid checkpoint{f' ({damaged[-1]})' if damaged else ''}")


def steps(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, oldest first."""
    return sorted(int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit())


def _find(folder: Path, which: Which) -> tuple[Path, Progress, list[str]]:
    """The checkpoint of that kind, its progress, and a line for every damaged one that was passed over."""
    damaged: list[str] = []
    for step in reversed(steps(folder)):
        path = folder / f"{step:08d}"
        progress = _read_progress(path)
        fault = "its progress.json cannot be read" if progress is None else None
        if progress is not None and which == "best":
            return _best(folder, progress), progress, damaged
        fault = fault or _fault(path)
        if fault is None:
            assert progress is not None
            return path, progress, damaged
        damaged.append(f"{path}: {fault}; falling back to the one before")
    reason = f" ({damaged[-1]})" if damaged else ""
    raise CheckpointError(f"{folder}: no valid checkpoint{reason}")


def _best(folder: Path, progress: Progress) -> Path:
    if progress.best_step is None:
        raise CheckpointError(f"{folder}: nothing was evaluated yet; try --checkpoint latest")
    path = folder / f"{progress.best_step:08d}"
    fault = _fault(path)
    if fault is not None:
        raise CheckpointError(f"{path}, the best checkpoint: {fault}; try --checkpoint latest")
    return path


def _read_progress(path: Path) -> Progress | None:
    try:
        return Progress(**json.loads((path / "progress.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _fault(path: Path) -> str | None:
    """What is wrong with a checkpoint's files; None: nothing."""
    try:
        expected: dict[str, str] = json.loads((path / "manifest.json").read_text())
    except OSError:
        return "it is not there, or incomplete"
    except ValueError:
        return "its manifest.json cannot be read"
    found = _digests(path)
    for name, digest in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != digest:
            return f"{name} is damaged (its checksum differs)"
    return None


def _read_state(path: Path, template: State) -> State:
    return State(**_read_tree(path, template._asdict()))


def _read_tree(path: Path, template: Mapping[str, Any]) -> dict[str, Any]:
    import orbax.checkpoint as ocp

    abstract = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), dict(template)
    )
    with ocp.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(path.absolute() / "state", abstract)


def _read_evaluated(path: Path) -> Any:
    """The parameters that are evaluated, without anything that is known of the run that saved them."""
    import orbax.checkpoint as ocp

    where = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    with ocp.PyTreeCheckpointer() as checkpointer:
        saved: Any = checkpointer.metadata(path.absolute() / "state")
        tree = saved.item_metadata.tree
        part = "averaged" if jax.tree.leaves(tree["averaged"]) else "parameters"
        shapes = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where), tree[part]
        )
        arguments = ocp.args.PyTreeRestore(
            item={part: shapes},
            restore_args={part: jax.tree.map(lambda _: ocp.ArrayRestoreArgs(sharding=where), shapes)},
            partial_restore=True,
        )
        return checkpointer.restore(path.absolute() / "state", args=arguments)[part]


def _digests(folder: Path) -> dict[str, str]:
    files: Sequence[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != "manifest.json"
    }


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
