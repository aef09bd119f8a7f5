"""What a population leaves on the disk: each member's metrics and its best, and all states together."""

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rnn_jax.checkpoints import arrays, checkpoint
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.log import Lines
from rnn_jax.runtime.errors import storage_error
from rnn_jax.runtime.files import finite
from rnn_jax.training.population.status import Fate
from rnn_jax.training.progress import Progress


class PopulationFiles:
    """The members' run folders.

    What is noted is written with the next checkpoint of all members together, and what a process wrote after
    its last checkpoint is dropped by the next one: so the files are always those of one population.
    """

    def __init__(self, folders: Sequence[RunFolder], objective: str) -> None:
        """`objective` is the figure that decides which state is the best."""
        self._folders, self._objective = folders, objective
        self._rows: list[tuple[int, dict[str, Any]]] = []

    def begin(self, step: int, evaluated: int) -> None:
        """Forgets what the members' metrics say of later steps, and of evaluations after `evaluated`."""

        def is_kept(row: Mapping[str, Any]) -> bool:
            return row["step"] <= (step if row.get("split") == "train" else min(step, evaluated))

        for folder in self._folders:
            with contextlib.closing(Lines(folder.metrics)) as lines:
                lines.keep(is_kept)

    def note(self, number: int, step: int, split: str, figures: Mapping[str, float]) -> None:
        """Notes figures of a member; what is not finite becomes null."""
        self._rows.append((number, {"step": step, "split": split, **finite(figures)}))

    def write_noted(self) -> Callable[[], None]:
        """What writes what was noted so far, whenever it is called."""
        rows, self._rows = self._rows, []

        def write() -> None:
            for number in sorted({number for number, _ in rows}):
                with contextlib.closing(Lines(self._folders[number].metrics)) as lines:
                    for owner, row in rows:
                        if owner == number:
                            lines.append(row)
                    lines.flush()

        return write

    def save_best(self, number: int, best: Any, fate: Fate) -> None:
        """Writes the best state of a member that has come to its end, as a run of its own would have it."""
        folder = self._folders[number].checkpoints
        if fate.best_step is not None:
            shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed before it saved the rest
            progress = Progress(
                devices=1,
                best_step=fate.best_step,
                best=fate.best,
                evaluated_at=fate.best_step,
                figure=fate.best[self._objective],
                is_planned=True,
            )
            try:
                checkpoint.write(folder, fate.best_step, arrays.plain(best)._asdict(), progress.to_json())
            except (OSError, ValueError) as error:
                raise storage_error(folder, error) from error
