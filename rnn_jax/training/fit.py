"""The training loop: one for a model and for a population of models.

It calls a program (`program.Program` or `population.Population`) for everything that is computed, and decides
what follows each update: logging, evaluation, early stopping, pruning, saving, divergence, a signal.
"""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from rnn_jax.checkpoints import store
from rnn_jax.models.decoding import Sampling, TextGenerator
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.runtime.signals import Interrupted
from rnn_jax.training.population.population import Trainable
from rnn_jax.training.progress import DIVERGED, FINISHED, STOPPED_EARLY, MemberStatus, Progress
from rnn_jax.training.session import Run, restore


def fit(program: Trainable, state: Any, progress: Progress, run: Run) -> tuple[Any, Progress]:
    """Train until the last step, early stopping or divergence of every model, or a signal.

    Return the last state and what the loop decided by. What must not be lost is then in a checkpoint, or
    StorageError is raised.
    """
    loop, plan = _Loop(program, state, progress, run), program.job.plan
    run.display.start(loop.step)
    run.meter.restart()
    try:
        if loop.step > progress.evaluated_at and plan.evaluates_after(loop.step):
            loop.settle(is_due=True)  # a signal interrupted that evaluation
        while loop.step < plan.last_step and loop.progress.running:
            loop.update()
            run.saver.check()
            is_due = plan.evaluates_after(loop.step) or run.saver.is_due(loop.step)
            if is_due or run.meter.diverged:
                loop.settle(is_due)
            run.stop.check()
    except Interrupted:
        loop.save_if_new()
    finally:
        run.display.stop()
    run.saver.wait()
    return loop.state, loop.progress


class _Loop:
    """A run in progress."""

    def __init__(self, program: Trainable, state: Any, progress: Progress, run: Run) -> None:
        self.program, self.state, self.progress, self.run = program, state, progress, run
        self.step = int(state.step)
        self._saved = (self.step, progress) if self.step else None
        self._prepare()

    def update(self) -> None:
        """Make one update of every running model, and log what is due."""
        program, run, step, models = self.program, self.run, self.step, len(self.progress.running)
        indices = program.batch_of(self.state, step) if self._indices is None else self._indices
        with self._compiling():
            state = program.train_step(self.state, self._hyper, program.data["train"], indices)
        self.step += 1
        run.meter.count(models)
        # The last interval is logged, and the next batch is selected, while this batch is computed.
        run.meter.flush()
        self._warn_skipped(run.meter.skipped)
        is_last = self.step == program.job.plan.last_step
        self._indices = None if is_last else program.batch_of(self.state, self.step)
        self.state = program.settle(state)
        run.display.updated(self.step, models)
        if self.step % run.logs[0].settings.every_steps == 0:
            self.state = run.meter.take(self.step, self.state)
        every = run.logs[0].settings.batch_accuracy_every_steps
        if every is not None and step % every == 0:
            jax.block_until_ready(self.state)
            with run.meter.paused():
                found = program.training_batch(self.state, step)
            accuracies = {number: {"accuracy": metrics["accuracy"]} for number, metrics in found.items()}
            run.meter.log_batch(self.step, accuracies)

    @contextlib.contextmanager
    def _compiling(self) -> Iterator[None]:
        """Around an update: the first one compiles, for other members again, which is no training time."""
        if not self._is_prepared:
            yield
            return
        self._is_prepared = False
        with self.run.meter.compiling("train_step", self.state) as is_first:
            began = time.perf_counter()
            yield
        if is_first:
            for summary in self.run.summaries:
                summary.compile_seconds += time.perf_counter() - began

    def settle(self, is_due: bool) -> None:
        """End or roll back what has diverged; otherwise evaluate, unless a signal comes, and save, if due."""
        self.run.meter.flush()
        jax.block_until_ready(self.state)
        with self.run.meter.paused():
            if self._end_or_roll_back_diverged() or not is_due:
                return
            if self.program.job.plan.evaluates_after(self.step):
                self._evaluate()
            self._save()

    def save_if_new(self) -> None:
        """Save after a signal, unless nothing has changed since the last checkpoint."""
        self.run.meter.flush()
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
        run.display.evaluated(step, found, improved, members, run.meter.rate() or 0.0)
        for number in found:
            self._log_sample(number)
        self.state = program.keep_best(self.state, improved)
        self._retire()

    def _log_sample(self, number: int) -> None:
        """Log text that a language model generates: the same for the same parameters, seed and step."""
        job, log = self.program.job, self.run.logs[number]
        vocabulary = job.data.vocabulary
        if vocabulary is None or log.settings.sample_tokens is None:
            return
        parameters, seed = self.program.generating(self.state, number)
        key = jax.random.fold_in(jax.random.key(seed), self.step)
        generator = TextGenerator(job.network, parameters)
        tokens = generator.sample(vocabulary.start, key, log.settings.sample_tokens, Sampling())
        log.sample(self.step, vocabulary.decode(tokens))

    def _retire(self) -> None:
        """Take members that have ended out of the program."""
        if len(self.progress.running) < len(self.program.running(self.state)):
            self.state = self.program.retire(self.state, self.progress, self.run.folders)
            self._prepare()

    def _save(self) -> None:
        """Begin to save; training continues meanwhile."""
        run, step = self.run, self.step
        is_planned = self.progress.evaluated_at == step or run.saver.is_planned(step)
        progress = self.progress = dataclasses.replace(
            self.progress, is_planned=is_planned, places=self.program.places_of(self.state)
        )
        rate = run.meter.rate()
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
            changed[number] = {"skipped": health.skipped}
            if (reason := health.fault(self.step)) is not None:
                reasons[number] = reason
                step = health.diverged_at if health.diverged_at >= 0 else self.step
                changed[number] |= {"status": DIVERGED, "step": step, "reason": reason + plan.tolerated}
        self._warn_skipped({number: health["skipped"] for number, health in changed.items()})
        if any(self.progress.members[number].restores < plan.restores for number in reasons):
            self._roll_back(reasons)
            return True
        self.run.meter.diverged = False
        self.progress = self.progress.change(changed)
        self._retire()
        return not self.progress.running

    def _roll_back(self, reasons: Mapping[int, str]) -> None:
        """Return to the last checkpoint that the config asks for, or to the initial state.

        Not to one that a clock or a signal asked for: a run that was stopped must end like one that was not.
        The models that have not diverged repeat the same updates.
        """
        run, plan = self.run, self.program.job.plan
        restores = {
            number: member.restores + (number in reasons and member.restores < plan.restores)
            for number, member in enumerate(self.progress.members)
        }
        run.saver.wait()
        self.state, progress, warnings = run.synchronizer.restore_same(self._restore_planned)
        for line in warnings:
            run.display.warn(line)
        run.synchronizer.barrier("all are rolled back")
        self.step = int(self.state.step)
        if run.synchronizer.is_coordinator:
            store.remove_later(run.checkpoints, self.step)
        self.progress = progress.change({number: {"restores": count} for number, count in restores.items()})
        self._prepare()
        for log in run.logs:
            log.resume(self.step, self.progress.evaluated_at)
        run.meter.restart()
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

    def _prepare(self) -> None:
        """Set the next updates' hyperparameters, and drop a batch selected for other members or steps."""
        plan = self.program.job.plan
        factors = [plan.rate_factor(member.restores) for member in self.progress.members]
        self._hyper = self.program.hyper_of(self.state, factors)
        self._indices: jax.Array | None = None
        self._is_prepared = True

    def _warn_skipped(self, skipped: Mapping[int, int]) -> None:
        plan = self.program.job.plan
        for number, count in skipped.items():
            if plan.skips and count > self.progress.members[number].skipped:
                self.run.display.warn(
                    f"update skipped before step {self.step:,}, loss or gradient not finite "
                    f"({count:,} of at most {plan.skips:,})",
                    number,
                )
                self.progress = self.progress.change({number: {"skipped": count}})
