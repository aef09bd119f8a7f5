"""What a population leaves on the disk: each member's metrics and its best, and all states together."""

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnn_jax.reporting.log import Lines
from rnn_jax.runtime.files import finite
from rnn_jax.runtime.run_folder import RunFolder
from rnn_jax.training import checkpoint
from rnn_jax.training.checkpoint import Progress
from rnn_jax.training.fates import Fate


class PopulationFiles:
    """The members' run folders, and the checkpoints of all members together.

    What is noted is written with the next checkpoint, and what a process wrote after its last checkpoint is
    dropped by the next one: so the files are always those of one population.
    """

    def __init__(self, folders: Sequence[RunFolder], checkpoints: Path, keep: int) -> None:
        """`keep` is how many of the checkpoints stay."""
        self._folders, self._checkpoints, self._keep = folders, checkpoints, keep
        self._rows: dict[int, list[dict[str, Any]]] = {number: [] for number in range(len(folders))}

    def begin(self, step: int) -> None:
        """Forgets what the members' metrics say of later steps."""
        for folder in self._folders:
            with contextlib.closing(Lines(folder.metrics)) as lines:
                lines.keep_up_to(step)

    def note(self, number: int, step: int, split: str, figures: Mapping[str, float]) -> None:
        """Notes figures of a member; what is not finite becomes null."""
        self._rows[number].append({"step": step, "split": split, **finite(figures)})

    def save(self, step: int, tree: Mapping[str, Any], progress: Mapping[str, Any]) -> None:
        """Writes what was noted, and then the states."""
        for number, rows in self._rows.items():
            if rows:
                with contextlib.closing(Lines(self._folders[number].metrics)) as lines:
                    for row in rows:
                        lines.append(row)
                    lines.flush()
                rows.clear()
        checkpoint.save_tree(self._checkpoints, step, tree, progress)
        checkpoint.keep_latest(self._checkpoints, self._keep)

    def save_best(self, number: int, best: Any, fate: Fate) -> None:
        """Writes the best state of a member that has come to its end, as a run of its own would have it."""
        folder = self._folders[number].checkpoints
        if fate.best_step is not None:
            shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed before it saved the rest
            progress = Progress(1, fate.best_step, fate.best, fate.evaluations_since_best)
            checkpoint.save(folder, best, progress, keep=1)
