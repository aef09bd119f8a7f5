"""summary.json: the status and the results of a run."""

import contextlib
import importlib.metadata
import platform
import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.provenance import commit
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import finite
from rnn_jax.training.build import Job
from rnn_jax.training.progress import MemberStatus

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "safetensors", "numpy")


class Summary:
    """Writes summary.json, again at every checkpoint."""

    def __init__(
        self, job: Job, constant: Mapping[str, Any], folder: RunFolder, started: float, step: int
    ) -> None:
        """Write into a run folder after `step` updates; `constant` is what `constants` returned."""
        earlier = folder.read_summary() or {}
        self._folder, self._job, self._constant = folder, job, constant
        self._started = started - (earlier.get("wall_seconds") or 0.0)
        self._written: dict[str, Any] = {**earlier, "step": step, **constant}
        self.compile_seconds = 0.0

    def write(
        self,
        status: str,
        step: int,
        member: MemberStatus,
        rate: float | None,
        *,
        tested: Mapping[str, Mapping[str, float]] | None = None,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Write the summary after `step` updates, and return it.

        `status` is 'running', 'finished', 'interrupted', 'pruned' or 'diverged'; `reason`: why it is neither
        of the first two. `rate` is in examples, or tokens, a second. `tested`: metrics of the test splits.
        """
        plan = self._job.plan
        summary: dict[str, Any] = finite(
            {
                "status": status,
                **({} if reason is None else {"reason": reason}),
                "step": step,
                "best": member.best_with_step,
                "test": None,
                **{split: dict(metrics) for split, metrics in (tested or {}).items()},
                "wall_seconds": round(self.wall_seconds, 1),
                "compile_seconds": round(self.compile_seconds, 2),
                f"{self._job.task.unit}_per_second": None if rate is None else round(rate, 1),
                **({"skipped": member.skipped} if plan.skips else {}),
                **({"restores": member.restores} if plan.restores else {}),
                **self._constant,
            }
        )
        self._folder.write_summary(summary)
        self._written = summary
        return summary

    @property
    def wall_seconds(self) -> float:
        """Seconds spent on the run, in this process and those before."""
        return time.perf_counter() - self._started

    def fail(self, reason: str) -> None:
        """Write, if that can still be done, that the run failed since the summary was last written."""
        with contextlib.suppress(OSError, UserError):
            self._folder.write_summary({**self._written, "status": "failed", "reason": reason})


def constants(job: Job, devices: Devices) -> dict[str, Any]:
    """Return the entries of a summary that do not change: on the model, data, devices and software."""
    shapes = jax.eval_shape(job.network.init, jax.random.key(0), dict(job.hyper))
    return {
        "parameters": sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes)),
        "objective": job.task.objective.to_json(),
        "dataset": {**job.data.identity, **job.data.counts},
        "devices": str(devices),
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _PACKAGES},
        "commit": commit(),
        **({} if job.folds is None else {"folds": job.folds}),
    }
