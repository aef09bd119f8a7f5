"""What a terminal shows of a population as a part of a sweep."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rnn_jax.config.objective import Metrics
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.console import Console
from rnn_jax.training.build import Job
from rnn_jax.training.meter import Display
from rnn_jax.training.population.pruning import Halving
from rnn_jax.training.program import ByMember
from rnn_jax.training.progress import RUNNING, MemberStatus


class SweepDisplay(Display):
    """Shows a population: how many of a sweep's updates are done, and the best member so far."""

    def __init__(
        self, console: Console, job: Job, halving: Halving, members: int, before: int, best: Metrics | None
    ) -> None:
        """`before` updates were made by earlier programs of the sweep, whose best metrics are `best`."""
        super().__init__(console, job)
        self._objective, self._plan = job.task.objective, job.plan
        self._halving, self._before, self._best = halving, before, best
        self.log_console = Console()
        self._planned = halving.updates_left(job.plan.last_step, members)
        self._done = before

    def header(self, constant: Mapping[str, Any], folder: RunFolder) -> None:
        """Nothing: the sweep has one."""

    def start(self, step: int) -> None:
        """Nothing: the sweep's progress bar is there already."""

    def stop(self) -> None:
        """Nothing: the sweep's progress bar stays."""

    def warn(self, text: str, member: int = 0) -> None:
        self._console.warn(f"member {member}: {text}")

    def updated(self, step: int, running: int) -> None:
        self._set_done(step, running)
        self._console.tick(self._done)

    def logged(self, step: int, found: ByMember, rate: float) -> None:
        if not self._plan.evaluates_after(step):
            self._progressed(rate)

    def evaluated(
        self,
        step: int,
        found: ByMember,
        improved: Collection[int],
        members: Sequence[MemberStatus],
        rate: float,
    ) -> None:
        self._best = self._objective.best([self._best, *(member.best_with_step for member in members)])
        ended = Counter(members[number].status for number in found)
        running = ended.pop(RUNNING, 0)
        self._set_done(step, running)
        if ended and running:
            counts = ", ".join(f"{count} {status}" for status, count in ended.items())
            self._console.info(f"step {step:,}: {counts}; {running} members continue")
        self._progressed(rate)

    def _set_done(self, step: int, running: int) -> None:
        """Updates of members that no longer train count as done."""
        left = self._halving.updates_left(self._plan.last_step, running, step)
        self._done = self._before + self._planned - left

    def _progressed(self, rate: float) -> None:
        """Show the updates that are done; the sweep's progress bar counts updates."""
        name = self._objective.metric
        values = {} if self._best is None else {f"best {name}": self._best[name]}
        self._console.log_population(self._done, values, rate / self._job.units_per_step)
