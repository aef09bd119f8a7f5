"""Runs a sweep: its groups one after another, the winner's test, the report."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnn_jax.checkpoints import checkpoint
from rnn_jax.config.objective import Objective
from rnn_jax.config.run_folder import make_folder, open_run
from rnn_jax.config.schema import split_hyper
from rnn_jax.datasets import dataset_info
from rnn_jax.reporting import ranking, sweep_report
from rnn_jax.reporting.console import Console
from rnn_jax.runtime import devices
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.errors import StorageError
from rnn_jax.runtime.lock import locked
from rnn_jax.runtime.signals import Stop
from rnn_jax.sweeping import jobs, members, results
from rnn_jax.sweeping.command import Command, winners_command
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Member
from rnn_jax.sweeping.objective import with_objective
from rnn_jax.sweeping.results import Row
from rnn_jax.training import memory
from rnn_jax.training.build import Job
from rnn_jax.training.display import SweepDisplay
from rnn_jax.training.plan import Plan
from rnn_jax.training.population.pruning import Halving, Rung
from rnn_jax.training.population.steps import Members, bytes_of_member
from rnn_jax.training.population.train import train_population
from rnn_jax.training.progress import RUNNING


class Before(NamedTuple):
    """What earlier programs of the same sweep came to."""

    updates: int
    best: float | None
    """The objective of the best member so far."""


class Group(NamedTuple):
    """The members of one program, and what they are built from."""

    number: int
    members: list[Member]
    job: Job
    halving: Halving

    @property
    def updates(self) -> int:
        """How many its members make together, as far as can be foreseen."""
        return self.halving.updates_left(self.job.plan.last_step, len(self.members))


class Finished(NamedTuple):
    """What came of a sweep."""

    rows: list[Row]
    """One a member."""
    objective: Objective
    seconds: float
    """In this process."""


def run(command: Command, workdir: Path, console: Console) -> Finished:
    """Runs a sweep, or goes on with it where its folder has a beginning.

    Raises:
        UserError: wrong input, or another process works in the folder; its subclasses for checkpoints and
            storage.
        Interrupted: a signal asked to stop, and everything is saved.
    """
    began, folder = time.perf_counter(), SweepFolder(workdir)
    folder.check(command.base, command.sweep)
    with Stop() as stop:
        with stop.at_once():
            groups = _groups(command)
            for group in groups:
                if results.of_group(group.members, folder) is None:
                    _check_memory(group)
        make_folder(workdir)
        with locked(workdir):
            objective = groups[0].job.task.objective
            folder.open(command.base, command.sweep, objective)
            _greet(console, command, groups, folder)
            rows = _train_all(groups, command, folder, console, stop)
            winner = ranking.rank_points(rows, objective)[0]
            tests = command.base.sections["train"]["report_test"] and winner.has_result
            for row in rows if tests else ():
                if row["point"] == winner.point and row["test"] is None and row["best"] is not None:
                    run = folder.member(row["member"])
                    tested = results.tested(command.members[row["member"]].config, run, stop.check)
                    row.update(tested)
                    run.write_summary({**(run.read_summary() or {}), **tested})
                    results.write(row, folder)
            results.write_all(rows, folder)
            sweep_report.write(folder.path, rows, objective, winners_command(command, winner.point))
    return Finished(rows, objective, time.perf_counter() - began)


def _train_all(
    groups: Sequence[Group], command: Command, folder: SweepFolder, console: Console, stop: Stop
) -> list[Row]:
    """Trains every program's members, one program after another; their rows, by the members' numbers."""
    objective, rows, done = groups[0].job.task.objective, list[Row](), 0
    console.start(0, sum(group.updates for group in groups), "updates")
    try:
        for group in groups:
            stop.check()
            if len(groups) > 1:
                console.info(
                    f"program {group.number + 1} of {len(groups)}: {_describe(group, command.sweep)}"
                )
            before = Before(done, ranking.best_value(rows, objective))
            rows += _train(group, folder, console, before, stop)
            done += group.updates
            console.tick(done)
    finally:
        console.stop()
    return sorted(rows, key=lambda row: row["member"])


def _groups(command: Command) -> list[Group]:
    """The members of each program."""
    found = members.groups(command.members)
    return [
        Group(
            number,
            own,
            with_objective(job, command.sweep.objective),
            _halving(command.sweep, job.plan, len(own)),
        )
        for number, (own, job) in enumerate(zip(found, jobs.of_groups(found), strict=True))
    ]


def _halving(sweep: Sweep, plan: Plan, count: int) -> Halving:
    """After which evaluations how many points of a program with `count` members go on."""
    rungs, points, halving = [], count // sweep.seeds, sweep.halving
    share = halving.min_resource_fraction if halving is not None else 1.0
    while halving is not None and share < 1:
        points = max(1, math.ceil(points / halving.reduction_factor))
        step = max(1, round(share * plan.last_step))
        while not plan.evaluates_after(step):
            step += 1
        rungs.append(Rung(step, points))
        share *= halving.resource_factor
    # At the end nobody is given up; where several fall on one evaluation, the last one says how many go on.
    by_step = {rung.step: rung for rung in rungs if rung.step < plan.last_step}
    return Halving(list(by_step.values()), sweep.seeds)


def _check_memory(group: Group) -> None:
    """Raises StorageError where a program has more members than memory holds."""
    where = _devices(group)
    free = devices.free_memory(where)
    data = sum(array.nbytes for arrays in group.job.device_arrays.values() for array in arrays.values())
    each, count = bytes_of_member(group.job), len(group.members)
    shared = where.number * data
    if free is not None and shared + count * each > free:
        raise StorageError(
            f"{count} members in one program need about {(shared + count * each) / 1e9:,.1f} GB, and "
            f"{free / 1e9:,.1f} GB are free: {max(0, free - shared) // each:,} would fit"
        )


def _devices(group: Group) -> Devices:
    sections, _ = split_hyper(group.members[0].config)
    cores = min(devices.available_cores(), len(group.members))
    return devices.build(cores, **devices.alone(sections["runtime"]))


def _train(group: Group, folder: SweepFolder, console: Console, before: Before, stop: Stop) -> list[Row]:
    """Train the members of one program.

    Raises:
        Interrupted: a signal asked to stop, and everything is saved.
    """
    if (earlier := results.of_group(group.members, folder)) is not None:
        return earlier
    where, config = _devices(group), group.members[0].config
    with memory.explain_out_of_memory(config, len(group.members)):
        folders = [open_run(folder.member(each.number).path, each.config) for each in group.members]
        for own in folders:
            dataset_info.save(group.job.data, own, has_checkpoint=bool(checkpoint.steps(own.checkpoints)))
        trained = train_population(
            config,
            group.job,
            where,
            _varied(group.members),
            folders,
            folder.checkpoints(group.number),
            display=SweepDisplay(
                console, group.job, group.halving, len(folders), before.updates, before.best
            ),
            stop=stop,
            halving=group.halving,
        )
    if any(status.status == RUNNING for status, _ in trained):
        stop.check()
    rows = [
        results.row(member, status, summary, len(folders))
        for member, (status, summary) in zip(group.members, trained, strict=True)
    ]
    for row in rows:
        results.write(row, folder)
    return rows


def _varied(group: Sequence[Member]) -> Members:
    """The numbers in which the members of a program differ."""
    hypers = [split_hyper(member.config)[1] for member in group]
    return Members(
        {name: np.array([hyper[name] for hyper in hypers], np.float32) for name in hypers[0]},
        np.array([member.seed for member in group]),
    )


def _greet(console: Console, command: Command, groups: Sequence[Group], folder: SweepFolder) -> None:
    data, sweep = groups[0].job.data, command.sweep
    programs = "1 program" if len(groups) == 1 else f"{len(groups)} programs"
    shaping = members.keys_of_shape(sweep)
    why = f" ({', '.join(shaping)} changes what is compiled)" if len(groups) > 1 and shaping else ""
    rows = {
        "data": f"{data.name} {data.version}: "
        + ", ".join(f"{count:,} {split}" for split, count in data.counts.items()),
        "sweep": f"{len(command.members)} members in {programs}{why}",
        "varied": ", ".join(sweep.keys) + (f"; {sweep.seeds} seeds" if sweep.seeds > 1 else ""),
    }
    if sweep.halving is not None:
        rungs = groups[0].halving.rungs
        rows["halving"] = (
            "; ".join(f"after step {rung.step:,} the best {rung.keep:,} points go on" for rung in rungs)
            or "none, since there is no evaluation before the last step"
        ) + (" (of the first program)" if len(groups) > 1 else "")
    console.header({**rows, "folder": str(folder.path)})


def _describe(group: Group, sweep: Sweep) -> str:
    point = group.members[0].point
    values = ", ".join(f"{key} = {point[key]}" for key in members.keys_of_shape(sweep))
    return f"{values}; {len(group.members)} members"
