"""The cadence of a run: what is done after which update, until its end, a signal or a divergence."""

import contextlib
import dataclasses
import time
from typing import NamedTuple

import numpy as np

from rnn_jax.checkpoints import checkpoint
from rnn_jax.checkpoints.saver import Saver
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.console import Console
from rnn_jax.reporting.log import Log
from rnn_jax.runtime.distributed import placement
from rnn_jax.runtime.distributed.synchronization import Agreement, Restored
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.runtime.signals import Interrupted, Stop
from rnn_jax.training.evaluate import evaluate, training_batch
from rnn_jax.training.meter import Meter
from rnn_jax.training.program import Feed, Program
from rnn_jax.training.progress import Progress
from rnn_jax.training.samples import sample
from rnn_jax.training.state import State
from rnn_jax.training.summary import Summary


class Run(NamedTuple):
    """One run: what it computes with, where it writes and where it speaks."""

    program: Program
    feed: Feed
    folder: RunFolder
    saver: Saver
    log: Log
    meter: Meter
    summary: Summary
    console: Console
    stop: Stop
    agreement: Agreement


class Loop:
    """A run under way."""

    def __init__(self, run: Run, state: State, progress: Progress) -> None:
        """Goes on from a state, which is a checkpoint's, or the first one."""
        self._run, self.state, self.progress = run, state, progress
        self.step = int(state.step)
        self.diverged: str | None = None
        """Why the run diverged; None: it did not."""
        self._saved = (self.step, progress) if self.step else None
        self._skipped = int(state.skipped)
        self._set_rate()

    def train(self) -> None:
        """Trains until the plan's end, an early stop, a divergence or a signal. What is to be kept is saved.

        Raises:
            StorageError: a checkpoint could not be written.
        """
        plan, run = self._run.program.job.plan, self._run
        try:
            if self.step > self.progress.evaluated_at and plan.evaluates_after(self.step):
                self._settle()  # that evaluation was interrupted
            while self.step < plan.last_step and not self._stops_early() and self.diverged is None:
                self._update()
                run.saver.check()
                if plan.evaluates_after(self.step) or run.saver.is_due(self.step):
                    self._settle()
                elif run.meter.diverged_at >= 0:
                    self._diverge(_not_finite_at(run.meter.diverged_at))
                run.stop.check()
        except Interrupted:
            self._save_if_new()
        run.saver.wait()

    def _update(self) -> None:
        """Update number `step`, counted from 0, and what is logged of it."""
        run, step = self._run, self.step
        program, log = run.program, run.log
        began = time.perf_counter()
        indices = run.feed.take(step)
        state = program.train_step(self.state, self._hyper, program.data["train"], indices)
        run.feed.prepare(step + 1)
        self.state = program.settle(state)
        self.step += 1
        if run.summary.compile_seconds == 0.0:  # the call returns when the step is compiled and under way
            run.summary.compile_seconds = time.perf_counter() - began
            run.meter.restart(step)
        run.console.tick(self.step)
        if self.step % log.every_steps == 0:
            self.state = run.meter.take(self.step, self.state)
            self._say_skipped()
        every = log.batch_accuracy_every_steps
        if every is not None and step % every == 0:
            batch = training_batch(program, self.state.parameters, step)
            run.meter.log_batch(self.step, {"accuracy": batch["accuracy"]})

    def _settle(self) -> None:
        """Evaluates, where it is time, and saves; or sees that the run has diverged.

        Raises:
            Interrupted: a signal asked to stop during the evaluation, of which nothing is kept.
        """
        run = self._run
        run.meter.flush()
        self._say_skipped()
        reason = self._fault()
        if reason is not None:
            self._diverge(reason)
            return
        with run.meter.paused():
            if run.program.job.plan.evaluates_after(self.step):
                self._evaluate()
            self._save()

    def _evaluate(self) -> None:
        """Looks at the validation split."""
        run = self._run
        found = evaluate(run.program, self.state.evaluated, "validation", run.stop.check)
        after = self.progress.evaluated(self.step, found, run.program.job.task.objective)
        run.log.metrics(self.step, "validation", found)
        run.console.log_evaluation(self.step, "validation", found, after.best_step == self.step)
        vocabulary, tokens = run.program.job.data.vocabulary, run.log.sample_tokens
        if vocabulary is not None and tokens is not None:
            run.log.sample(self.step, sample(run.program, self.state, vocabulary, tokens))
        self.progress = after

    def _save(self) -> None:
        """Begins to save; the loop goes on meanwhile."""
        run, step = self._run, self.step
        is_planned = self.progress.evaluated_at == step or run.saver.plans(step)
        progress = self.progress = dataclasses.replace(self.progress, is_planned=is_planned)
        rate, skipped = run.meter.rate(step), self._skipped
        run.log.flush_events()
        run.saver.save(
            step,
            run.program.to_save(self.state)._asdict(),
            progress.to_json(),
            before=run.log.flush,
            after=lambda: run.summary.write("running", step, progress, rate, skipped=skipped),
        )
        self._saved = (step, progress)

    def _save_if_new(self) -> None:
        """Saves after a signal, where there is something new; or sees that the run has diverged."""
        self._run.meter.flush()
        reason = self._fault()
        if reason is not None:
            self._diverge(reason)
        elif self.step and self._saved != (self.step, self.progress):
            self._save()

    def _fault(self) -> str | None:
        """Why the state is not to be kept; None where it is. Waits for the update."""
        diverged_at, skipped = placement.fetch((self.state.diverged_at, self.state.skipped))
        self._skipped = int(skipped)
        if diverged_at >= 0:
            return _not_finite_at(int(diverged_at))
        if not placement.fetch(self._run.program.is_finite(self.state)):
            return f"the parameters are not finite after update {self.step}"
        return None

    def _diverge(self, reason: str) -> None:
        """Ends the run, or goes back to a checkpoint with a smaller learning rate."""
        run, plan = self._run, self._run.program.job.plan
        if self.progress.restores < plan.restores:
            self._go_back(reason)
            return
        borne = {"skip": "skipped updates", "restore": "returns to the last checkpoint"}.get(plan.divergence)
        after = "" if borne is None else f", after {plan.divergence_limit:,} {borne} (train.divergence_limit)"
        self.diverged = reason + after
        run.meter.flush()

    def _go_back(self, reason: str) -> None:
        """Goes back to the last checkpoint that the config asks for, or to the beginning.

        Not to one at which a clock or a signal asked: a run that was stopped must come to the same.
        """
        run, restores = self._run, self.progress.restores + 1
        run.saver.wait()
        folder = run.folder.checkpoints

        def restore(at: int | None) -> Restored:
            with contextlib.suppress(CheckpointError):
                if at != 0:
                    is_first = at is None
                    return run.program.restore(
                        folder, "latest", to_go_on=is_first, only_planned=is_first, at=at
                    )
            return run.program.init(), Progress(self.progress.devices), []

        self.state, self.progress, damaged = run.agreement.as_the_first_restores(restore)
        for line in damaged:
            run.console.warn(line)
        run.agreement.wait("all went back")
        if run.agreement.leads:
            checkpoint.remove_after(folder, int(self.state.step))
        self.progress = dataclasses.replace(self.progress, restores=restores)
        self.step = int(self.state.step)
        self._set_rate()
        run.log.resume(self.step, self.progress.evaluated_at)
        run.meter.restart(self.step)
        factor = run.program.job.plan.divergence_rate_factor**restores
        run.console.warn(
            f"{reason}: back to step {self.step:,}, with {factor:g} times the learning rate "
            f"({restores} of at most {run.program.job.plan.restores})"
        )

    def _set_rate(self) -> None:
        """The hyperparameters of the updates from here on."""
        hyper, plan = self._run.program.hyper, self._run.program.job.plan
        factor = np.float32(plan.divergence_rate_factor**self.progress.restores)
        rate = hyper["learning_rate"]
        smaller = placement.put(np.asarray(rate) * factor, rate.sharding)
        self._hyper = {**hyper, "learning_rate": smaller} if self.progress.restores else hyper

    def _say_skipped(self) -> None:
        run = self._run
        if run.meter.skipped > self._skipped and run.program.job.plan.skips:
            run.console.warn(
                f"update skipped before step {self.step:,}, loss or gradient not finite "
                f"({run.meter.skipped:,} of at most {run.program.job.plan.skips:,})"
            )
        self._skipped = max(self._skipped, run.meter.skipped)

    def _stops_early(self) -> bool:
        patience = self._run.program.job.plan.early_stopping_patience
        return patience is not None and self.progress.evaluations_since_best >= patience

    @property
    def skipped(self) -> int:
        """Updates that were skipped because they were not finite."""
        return self._skipped


def _not_finite_at(update: int) -> str:
    return f"the loss or its gradient was not finite at update {update + 1}"
