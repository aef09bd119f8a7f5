"""Runs a sweep in this process: one program after another, the winner's test, the report."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnn_jax.checkpoints import store
from rnn_jax.config.objective import Metrics, Objective
from rnn_jax.config.run_folder import make_folder, open_run
from rnn_jax.config.schema import split_hyper
from rnn_jax.datasets import dataset_info
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.reporting.console import Console
from rnn_jax.reporting.provenance import hardware
from rnn_jax.runtime import devices
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.errors import StorageError
from rnn_jax.runtime.files import finite, write_json
from rnn_jax.runtime.lock import locked
from rnn_jax.runtime.signals import StopSignal
from rnn_jax.sweeping import members, results
from rnn_jax.sweeping.command import Command
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Member
from rnn_jax.sweeping.results import Row
from rnn_jax.training import memory
from rnn_jax.training.build import Job, build
from rnn_jax.training.plan import Plan
from rnn_jax.training.population.display import SweepDisplay
from rnn_jax.training.population.pruning import Halving, Rung
from rnn_jax.training.population.steps import Members, bytes_of_member
from rnn_jax.training.progress import RUNNING
from rnn_jax.training.run import train_population


class Group(NamedTuple):
    """The members of one program, and what they are built from."""

    number: int
    members: list[Member]
    job: Job
    halving: Halving

    @property
    def updates(self) -> int:
        """The number of updates of all its members together, unless some stop early."""
        return self.halving.updates_left(self.job.plan.last_step, len(self.members))


def run_sweep(command: Command, console: Console) -> tuple[list[Row], Objective]:
    """Run a sweep, or resume the one in its folder; return a row per member, and the objective.

    If a signal interrupts this, everything is saved.
    """
    folder = SweepFolder(command.workdir)
    with StopSignal() as stop:
        with stop.raising():
            found, sweep = members.groups(command.members), command.sweep
            groups = [
                Group(number, own, job, _halving(sweep, job.plan, len(own)))
                for number, (own, job) in enumerate(zip(found, build_jobs(found), strict=True))
            ]
            for group in groups:
                if results.read_rows(group.members, folder) is None:
                    _check_memory(group)
        objective, data = groups[0].job.task.objective, describe_data([group.job for group in groups])
        make_folder(folder.path)
        with locked(folder.path):
            folder.open(command.base, command.sweep, objective, data=data)
            _print_header(console, command, groups)
            rows = _train_all(groups, command.sweep, folder, console, stop)
            for row in results.rows_to_test(rows, objective, command):
                number = row["member"]
                run = folder.member(number)
                tested = results.evaluate_test(command.members[number].config, run, stop.check)
                row.update(tested)
                run.write_summary({**(run.read_summary() or {}), **tested})
                write_json(folder.row(number), row)
            results.write_report(rows, objective, command)
    return rows, objective


def _train_all(
    groups: Sequence[Group], sweep: Sweep, folder: SweepFolder, console: Console, stop: StopSignal
) -> list[Row]:
    """Train the programs one after another; return the rows by the members' numbers."""
    objective, rows, done = groups[0].job.task.objective, list[Row](), 0
    console.start(0, sum(group.updates for group in groups), "updates")
    try:
        for group in groups:
            stop.check()
            if len(groups) > 1:
                point = group.members[0].point
                values = ", ".join(f"{key} = {point[key]}" for key in members.keys_that_recompile(sweep))
                number = f"program {group.number + 1} of {len(groups)}"
                console.info(f"{number}: {values}; {len(group.members)} members")
            best = objective.best(row["best"] for row in rows)
            earlier = results.read_rows(group.members, folder)
            rows += earlier or _train(group, folder, console, stop, done=done, best=best)
            done += group.updates
            console.tick(done)
    finally:
        console.stop()
    return sorted(rows, key=lambda row: row["member"])


def build_jobs(groups: Sequence[Sequence[Member]]) -> list[Job]:
    """Build the job of each program from the config of its first member; equal data are read once."""
    jobs, data = list[Job](), dict[str, Dataset]()
    for config in (group[0].config for group in groups):
        dataset = config.dataset.model_dump_json()
        jobs.append(build(config, data.get(dataset)))
        data[dataset] = jobs[-1].data
    return jobs


def describe_data(jobs: Sequence[Job]) -> str:
    """Return the name, version and sizes of the data of all jobs, different data one after another."""
    found = [(f"{job.data.name} {job.data.version}", job.data.counts) for job in jobs]
    texts = [f"{name}: {', '.join(f'{n} {split}' for split, n in counts.items())}" for name, counts in found]
    return "; ".join(dict.fromkeys(texts))


def _halving(sweep: Sweep, plan: Plan, count: int) -> Halving:
    """The evaluations that prune points of a program with `count` members, and how many points continue."""
    points, halving = count // sweep.seeds, sweep.halving
    kept: dict[int, int] = {}  # of several rungs at one evaluation, the last counts
    share = 1.0 if halving is None else halving.min_resource_fraction
    while halving is not None and share < 1:
        points = max(1, math.ceil(points / halving.reduction_factor))
        step = max(1, round(share * plan.last_step))
        while not plan.evaluates_after(step):
            step += 1
        kept[step] = points
        share *= halving.resource_factor
    # The last evaluation prunes nothing.
    rungs = [Rung(step, points) for step, points in kept.items() if step < plan.last_step]
    return Halving(rungs, sweep.seeds)


def _check_memory(group: Group) -> None:
    """Raise StorageError if the members of a program do not fit into memory."""
    where, count = _devices(group), len(group.members)
    free, each = devices.free_memory(where), bytes_of_member(group.job)
    data = sum(array.nbytes for arrays in group.job.device_arrays.values() for array in arrays.values())
    shared = where.device_count * data
    if free is not None and (needed := shared + count * each) > free:
        found = f"{count} members in one program need about {needed / 1e9:,.1f} GB"
        fit = f"{max(0, free - shared) // each:,} would fit"
        raise StorageError(f"{found}, and {free / 1e9:,.1f} GB are free: {fit}")


def _devices(group: Group) -> Devices:
    cores, runtime = min(devices.available_cores(), len(group.members)), group.members[0].config.runtime
    return devices.build_devices(cores, **devices.single_process(runtime.model_dump()))


def _train(
    group: Group, folder: SweepFolder, console: Console, stop: StopSignal, *, done: int, best: Metrics | None
) -> list[Row]:
    """Train one program, after `done` updates by earlier ones, with `best` as their best metrics."""
    where, config = _devices(group), group.members[0].config
    with memory.explain_out_of_memory(config, len(group.members)):
        has_checkpoint = bool(store.steps(folder.checkpoints(group.number)))
        folders = [open_run(folder.member(each.number).path, each.config) for each in group.members]
        for own in folders:
            dataset_info.save(group.job.data, own, has_checkpoint=has_checkpoint)
        hypers = [split_hyper(member.config)[1] for member in group.members]
        varied = Members(
            {name: np.array([hyper[name] for hyper in hypers], np.float32) for name in hypers[0]},
            np.array([member.seed for member in group.members]),
        )
        trained = train_population(
            config,
            group.job,
            where,
            varied,
            folders,
            folder.checkpoints(group.number),
            display=SweepDisplay(console, group.job, group.halving, len(folders), done, best),
            stop=stop,
            halving=group.halving,
        )
    if any(status.status == RUNNING for status, _ in trained):
        stop.check()
    rows = []
    for member, (status, summary) in zip(group.members, trained, strict=True):
        own = {"member": member.number, "point": member.point, "seed": member.seed, "members": len(folders)}
        rows.append(finite({**own, **summary, "status": status.status, "hardware": hardware()}))
        write_json(folder.row(member.number), rows[-1])
    return rows


def _print_header(console: Console, command: Command, groups: Sequence[Group]) -> None:
    data, sweep = groups[0].job.data, command.sweep
    programs = "1 program" if len(groups) == 1 else f"{len(groups)} programs"
    recompile = members.keys_that_recompile(sweep)
    why = f" ({', '.join(recompile)} changes what is compiled)" if len(groups) > 1 and recompile else ""
    counts = ", ".join(f"{count:,} {split}" for split, count in data.counts.items())
    rows = {
        "data": f"{data.name} {data.version}: {counts}",
        "sweep": f"{len(command.members)} members in {programs}{why}",
        "varied": ", ".join(sweep.keys) + (f"; {sweep.seeds} seeds" if sweep.seeds > 1 else ""),
    }
    if sweep.halving is not None:
        rungs = groups[0].halving.rungs
        pruned = [f"after step {rung.step:,} the best {rung.keep:,} points continue" for rung in rungs]
        first = " (of the first program)" if len(groups) > 1 else ""
        rows["halving"] = ("; ".join(pruned) or "none, since the only evaluation is the last one") + first
    console.header({**rows, "folder": str(command.workdir)})
