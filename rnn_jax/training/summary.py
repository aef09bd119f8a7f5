"""summary.json: what a run came to."""

import contextlib
import importlib.metadata
import platform
import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.records import commit
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import finite
from rnn_jax.training.build import Job
from rnn_jax.training.program import Program
from rnn_jax.training.progress import Progress
from rnn_jax.training.state import State

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


class Summary:
    """Writes summary.json over and over, as things stand."""

    def __init__(self, program: Program, folder: RunFolder, state: State, started: float) -> None:
        """`started` is when this process began, on `time.perf_counter`'s clock."""
        earlier = folder.read_summary() or {}
        self._folder, self._unit, self._plan = folder, program.job.task.unit, program.job.plan
        self._started = started - (earlier.get("wall_seconds") or 0.0)
        self._constant = constants(program.job, count_parameters(state.parameters), str(program.devices))
        self._written: dict[str, Any] = {**earlier, "step": int(state.step), **self._constant}
        self.compile_seconds = 0.0

    def write(
        self,
        status: str,
        step: int,
        progress: Progress,
        rate: float | None,
        *,
        tested: Mapping[str, Mapping[str, float]] | None = None,
        reason: str | None = None,
        skipped: int = 0,
    ) -> dict[str, Any]:
        """Writes the summary and returns it.

        Args:
            status: 'running', 'finished', 'interrupted' or 'diverged'.
            step: updates made.
            progress: what the loop decides by.
            rate: examples, or tokens, a second.
            tested: figures of the test split, and what is looked at with it; None: it was not looked at.
            reason: why it is neither running nor finished.
            skipped: updates that were skipped because they were not finite.
        """
        best = None if progress.best_step is None else {"step": progress.best_step, **progress.best}
        summary: dict[str, Any] = finite(
            {
                "status": status,
                **({} if reason is None else {"reason": reason}),
                "step": step,
                "best": best,
                "test": None,
                **{split: dict(figures) for split, figures in (tested or {}).items()},
                "wall_seconds": round(time.perf_counter() - self._started, 1),
                "compile_seconds": round(self.compile_seconds, 2),
                f"{self._unit}_per_second": None if rate is None else round(rate, 1),
                **self._divergence(progress, skipped),
                **self._constant,
            }
        )
        self._folder.write_summary(summary)
        self._written = summary
        return summary

    def _divergence(self, progress: Progress, skipped: int) -> dict[str, int]:
        """How often the run was close to its end: said where it may go on after that."""
        plan = self._plan
        return ({"skipped": skipped} if plan.skips else {}) | (
            {"restores": progress.restores} if plan.restores else {}
        )

    def fail(self, reason: str) -> None:
        """Writes, if that can still be done, that the run failed since the summary was last written."""
        with contextlib.suppress(OSError, UserError):
            self._folder.write_summary({**self._written, "status": "failed", "reason": reason})


def constants(job: Job, parameters: int, devices: str) -> dict[str, Any]:
    """What a summary says that does not change: of the model, the data, the devices and the software."""
    return {
        "parameters": parameters,
        "objective": job.task.objective.to_json(),
        "dataset": {"name": job.data.name, "version": job.data.version, **job.data.counts},
        "devices": devices,
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _PACKAGES},
        "commit": commit(),
    }


def count_parameters(parameters: Any) -> int:
    """How many numbers a network learns."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(parameters))
