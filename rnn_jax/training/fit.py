"""The training loop: one for a model and for a population of models.

It calls a program (`program.Program` or `population.Population`) for everything that is computed, and decides
what follows each update: logging, evaluation, early stopping, pruning, saving, divergence, a signal.
"""

import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

from rnn_jax.checkpoints import store
from rnn_jax.models.decoding import Sampling, TextGenerator
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.runtime.signals import Interrupted
from rnn_jax.training.meter import Meter
from rnn_jax.training.population.population import Trainable
from rnn_jax.training.progress import DIVERGED, FINISHED, RUNNING, STOPPED_EARLY, MemberStatus, Progress
from rnn_jax.training.session import Run, restore


def fit(program: Trainable, state: Any, progress: Progress, run: Run) -> "Fitted":
    """Train until the last step, early stopping or divergence of every model, or a signal.

    What must not be lost is in a checkpoint when this returns.

    Args:
        program: the compiled steps of a model, or of a population.
        state: what `program.init` or `program.restore` returned.
        progress: what the loop decides by.
        run: where it logs and saves.

    Raises:
        StorageError: a checkpoint could not be written.
    """
    loop, plan = _Loop(program, state, progress, run), program.job.plan
    run.display.start(loop.step)
    try:
        if loop.step > progress.evaluated_at and plan.evaluates_after(loop.step):
            loop.settle(is_due=True)  # a signal interrupted that evaluation
        while loop.step < plan.last_step and loop.progress.running:
            loop.update()
            run.saver.check()
            is_due = plan.evaluates_after(loop.step) or run.saver.is_due(loop.step)
            if is_due or loop.meter.diverged:
                loop.settle(is_due)
            run.stop.check()
    except Interrupted:
        loop.save_if_new()
    finally:
        run.display.stop()
    run.saver.wait()
    return Fitted(loop.state, loop.progress, loop.step, loop.meter)


class Fitted(NamedTuple):
    """Where training ended."""

    state: Any
    progress: Progress
    step: int
    meter: Meter


class _Feed:
    """The batches of training, each selected while the one before it is computed."""

    def __init__(self, program: Trainable) -> None:
        self._program = program
        self._ready: tuple[int, jax.Array] | None = None

    def take(self, state: Any, step: int) -> jax.Array:
        """Return what was selected for a batch, see `Program.batch_of`."""
        ready, self._ready = self._ready, None
        return ready[1] if ready is not None and ready[0] == step else self._program.batch_of(state, step)

    def prepare(self, state: Any, step: int) -> None:
        """Select a batch: to be called once the one before it is being computed."""
        if step < self._program.job.plan.last_step:
            self._ready = (step, self._program.batch_of(state, step))

    def clear(self) -> None:
        """Drop a batch that was prepared for other members."""
        self._ready = None


class _Loop:
    """A run in progress."""

    def __init__(self, program: Trainable, state: Any, progress: Progress, run: Run) -> None:
        self.program, self.state, self.progress, self.run = program, state, progress, run
        self.step = int(state.step)
        self.meter = Meter(program, run.logs, run.display, self.step)
        self._feed = _Feed(program)
        self._saved = (self.step, progress) if self.step else None
        self._set_hyper()

    def update(self) -> None:
        """Make one update of every running model, and log what is due."""
        program, log, step = self.program, self.run.logs[0], self.step
        began = time.perf_counter()
        indices = self._feed.take(self.state, step)
        state = program.train_step(self.state, self._hyper, program.data["train"], indices)
        self._feed.prepare(self.state, step + 1)
        self.state = program.settle(state)
        self.step += 1
        if self.run.summaries[0].compile_seconds == 0.0:  # the first call returns once the step is compiled
            for summary in self.run.summaries:
                summary.compile_seconds = time.perf_counter() - began
            self.meter.restart(step)
        self.run.display.updated(self.step, len(self.progress.running))
        if self.step % log.settings.every_steps == 0:
            self.state = self.meter.take(self.step, self.state)
            self._warn_skipped()
        every = log.settings.batch_accuracy_every_steps
        if every is not None and step % every == 0:
            found = program.training_batch(self.state, step)
            self.meter.log_batch(
                self.step, {number: {"accuracy": metrics["accuracy"]} for number, metrics in found.items()}
            )

    def settle(self, is_due: bool) -> None:
        """End or roll back what has diverged; otherwise evaluate and save, where it is due.

        Raises:
            Interrupted: a signal interrupted the evaluation, which then has no effect.
        """
        self.meter.flush()
        if self._end_or_roll_back_diverged() or not is_due:
            return
        with self.meter.paused():
            if self.program.job.plan.evaluates_after(self.step):
                self._evaluate()
            self._save()

    def save_if_new(self) -> None:
        """Save after a signal, unless nothing has changed since the last checkpoint."""
        self.meter.flush()
        if not self._end_or_roll_back_diverged() and self.step and self._saved != (self.step, self.progress):
            self._save()

    def _evaluate(self) -> None:
        program, run, plan, step = self.program, self.run, self.program.job.plan, self.step
        patience = plan.settings.early_stopping_patience
        found = program.evaluate_members(self.state, "validation", run.stop.check)
        changed = {}
        for number, metrics in found.items():
            member = self.progress.members[number].evaluated(step, metrics, program.job.task.objective)
            if step == plan.last_step:
                member = dataclasses.replace(member, status=FINISHED)
            elif patience is not None and member.evaluations_since_best >= patience:
                member = dataclasses.replace(member, status=STOPPED_EARLY)
            changed[number] = member
            run.logs[number].metrics(step, "validation", metrics)
        improved = {number for number, member in changed.items() if member.best_step == step}
        members = self.progress.with_members(changed).members
        members = run.halving.prune(members, step, program.job.task.objective)
        self.progress = dataclasses.replace(self.progress, members=members, evaluated_at=step)
        run.display.evaluated(step, found, improved, members)
        for number in found:
            self._log_sample(number)
        self.state = program.keep_best(self.state, improved)
        self._retire([number for number in found if members[number].status != RUNNING])

    def _log_sample(self, number: int) -> None:
        """Log text that a language model generates: the same for the same parameters, seed and step."""
        job, log = self.program.job, self.run.logs[number]
        vocabulary = job.data.vocabulary
        if vocabulary is None or log.settings.sample_tokens is None:
            return
        parameters, seed = self.program.generating(self.state, number)
        key = jax.random.fold_in(jax.random.key(seed), self.step)
        tokens = TextGenerator(job.network, parameters).sample(
            vocabulary.start, key, log.settings.sample_tokens, Sampling()
        )
        log.sample(self.step, vocabulary.decode(tokens))

    def _retire(self, ended: Sequence[int]) -> None:
        """Take members that have ended out of the program."""
        if ended:
            members, folders = self.progress.members, self.run.folders
            self.state = self.program.retire(self.state, ended, members, folders)
            self._feed.clear()
            self._set_hyper()

    def _save(self) -> None:
        """Begin to save; training continues meanwhile."""
        run, step = self.run, self.step
        is_planned = self.progress.evaluated_at == step or run.saver.is_planned(step)
        progress = self.progress = dataclasses.replace(
            self.progress, is_planned=is_planned, places=self.program.places_of(self.state)
        )
        rate = self.meter.rate(step)
        for log in run.logs:
            log.flush_events()

        def flush_logs() -> None:
            for log in run.logs:
                log.flush()

        def write_summaries() -> None:
            for summary, member in zip(run.summaries, progress.members, strict=True):
                summary.write("running", step, member, rate)

        tree = self.program.to_save(self.state)
        run.saver.save(step, tree, progress.to_json(), before=flush_logs, after=write_summaries)
        self._saved = (step, progress)

    def _end_or_roll_back_diverged(self) -> bool:
        """Return whether there is nothing to evaluate or save: training was rolled back, or all diverged."""
        plan, changed, reasons = self.program.job.plan, {}, {}
        for number, health in self.program.health(self.state).items():
            member = dataclasses.replace(self.progress.members[number], skipped=health.skipped)
            if (reason := health.fault(self.step)) is not None:
                reasons[number] = reason
                step = health.diverged_at if health.diverged_at >= 0 else self.step
                member = dataclasses.replace(
                    member, status=DIVERGED, step=step, reason=reason + plan.tolerated
                )
            changed[number] = member
        self._warn_skipped({number: member.skipped for number, member in changed.items()})
        if any(self.progress.members[number].restores < plan.restores for number in reasons):
            self._roll_back(reasons)
            return True
        self.meter.diverged = False
        self.progress = self.progress.with_members(changed)
        self._retire(list(reasons))
        return not self.progress.running

    def _roll_back(self, reasons: Mapping[int, str]) -> None:
        """Return to the last checkpoint that the config asks for, or to the initial state.

        Not to one that a clock or a signal asked for: a run that was stopped must end like one that was not.
        The models that have not diverged repeat the same updates.
        """
        run, plan = self.run, self.program.job.plan
        restores = [
            member.restores + (number in reasons and member.restores < plan.restores)
            for number, member in enumerate(self.progress.members)
        ]
        run.saver.wait()
        self.state, self.progress, warnings = run.synchronizer.restore_same(self._restore_planned)
        for line in warnings:
            run.display.warn(line)
        run.synchronizer.barrier("all are rolled back")
        self.step = int(self.state.step)
        if run.synchronizer.is_coordinator:
            store.remove_later(run.checkpoints, self.step)
        self.progress = self.progress.with_members(
            {
                number: dataclasses.replace(self.progress.members[number], restores=count)
                for number, count in enumerate(restores)
            }
        )
        self._feed.clear()
        self._set_hyper()
        for log in run.logs:
            log.resume(self.step, self.progress.evaluated_at)
        self.meter.restart(self.step)
        for number, reason in reasons.items():
            count = restores[number]
            run.display.warn(
                f"{reason}: back to step {self.step:,}, with {plan.rate_factor(count):g} times the "
                f"learning rate ({count} of at most {plan.restores})",
                number,
            )

    def _restore_planned(self, at: int | None) -> tuple[Any, Progress, Sequence[str]]:
        with contextlib.suppress(CheckpointError):
            if at != 0:
                return restore(self.program, self.run.checkpoints, at, only_planned=True)
        initial = Progress(self.progress.devices, (MemberStatus(),) * len(self.progress.members))
        return self.program.init(), initial, []

    def _set_hyper(self) -> None:
        """Set the hyperparameters of the next updates: the learning rate is lower after a roll-back."""
        plan = self.program.job.plan
        factors = [plan.rate_factor(member.restores) for member in self.progress.members]
        self._hyper = self.program.hyper_of(self.state, factors)

    def _warn_skipped(self, skipped: Mapping[int, int] | None = None) -> None:
        plan = self.program.job.plan
        for number, count in (self.meter.skipped if skipped is None else skipped).items():
            if plan.skips and count > self.progress.members[number].skipped:
                self.run.display.warn(
                    f"update skipped before step {self.step:,}, loss or gradient not finite "
                    f"({count:,} of at most {plan.skips:,})",
                    number,
                )
                member = dataclasses.replace(self.progress.members[number], skipped=count)
                self.progress = self.progress.with_members({number: member})
