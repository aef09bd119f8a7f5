"""Runs a sweep: its groups one after another, the winner's test, the report."""

import json
import math
import shlex
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_jax.reporting import ranking, records, sweep_report
from rnn_jax.reporting.console import Console
from rnn_jax.runtime import devices
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.errors import StorageError
from rnn_jax.runtime.files import finite, read_json, writing
from rnn_jax.runtime.run_folder import open_run
from rnn_jax.runtime.schema import split_hyper
from rnn_jax.runtime.signals import Stop
from rnn_jax.sweeping import members
from rnn_jax.sweeping.command import Command
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Member
from rnn_jax.training import checkpoint, population, population_loop
from rnn_jax.training.build import Job, build
from rnn_jax.training.evaluate import evaluate
from rnn_jax.training.population import Members
from rnn_jax.training.population_loop import Before, Course, Fate, Halving, Rung
from rnn_jax.training.program import load
from rnn_jax.training.summary import constants, count_parameters

Row = dict[str, Any]


class Finished(NamedTuple):
    """What came of a sweep."""

    rows: list[Row]
    """One a member."""
    objective: tuple[str, str]
    """The validation figure that decides, and its better direction."""
    seconds: float
    """In this process."""
    stopped: signal.Signals | None = None
    """The signal that stopped it, with everything saved; the rows are those that are finished."""


def run(command: Command, workdir: Path, console: Console) -> Finished:
    """Runs a sweep, or goes on with it where its folder has a beginning.

    Raises:
        UserError: wrong input; its subclasses for checkpoints and storage.
    """
    began, folder = time.perf_counter(), SweepFolder(workdir)
    groups = members.groups(command.members)
    folder.open(command.source, command.base, command.said, command.sweep)
    jobs = [build(group[0].config) for group in groups]
    _greet(console, command, jobs, groups, folder)
    for group, job in zip(groups, jobs, strict=True):
        _check_memory(group, job)
    rows, objective = list[Row](), jobs[0].task.objective
    planned = [_planned(command.sweep, job, len(group)) for group, job in zip(groups, jobs, strict=True)]
    console.start(0, sum(planned), "updates")
    try:
        for number, (group, job) in enumerate(zip(groups, jobs, strict=True)):
            if len(groups) > 1:
                console.note(f"program {number + 1} of {len(groups)}: {_describe(group, command.sweep)}")
            before = Before(sum(planned[:number]), ranking.best_value(rows, objective))
            trained = _train_group(number, group, job, folder, command.sweep, console, before)
            if isinstance(trained, signal.Signals):
                return Finished(rows, objective, time.perf_counter() - began, trained)
            rows += trained
            console.tick(sum(planned[: number + 1]))
    finally:
        console.stop()
    best = ranking.points(rows, objective)[0]
    for row in rows:
        if row["point"] == best.point and row["test"] is None and row["best"] is not None:
            row["test"] = _test(command.members[row["member"]], folder)
            _write_summary(folder, row)
    _write_rows(folder, rows)
    sweep_report.write(folder.path, rows, objective, _winners_command(command, best.point))
    return Finished(rows, objective, time.perf_counter() - began)


def _winners_command(command: Command, point: members.Point) -> str:
    """The ordinary command that trains the winner alone, with its first seed."""
    typed = {key: _of(command.base, key) for key in command.said} | members.duration(command.sweep)
    overrides = [f"--config.{key}={value}" for key, value in (typed | point).items()]
    return shlex.join(["python", "-m", "rnn_jax.main", "--config", command.source, *overrides])


def _of(base: dict[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    return base[section][name]


def _check_memory(group: Sequence[Member], job: Job) -> None:
    """Raises StorageError where a program has more members than memory holds."""
    free = devices.free_memory(_devices(group))
    each = population.bytes_of_a_member(job)
    if free is not None and len(group) * each > free:
        raise StorageError(
            f"{len(group)} members in one program need about {len(group) * each / 1e9:,.1f} GB, and "
            f"{free / 1e9:,.1f} GB are free: {free // each:,} would fit"
        )


def _devices(group: Sequence[Member]) -> Devices:
    sections, _ = split_hyper(group[0].config)
    return devices.build(devices.available_cores(), **sections["runtime"])


def _train_group(
    number: int,
    group: Sequence[Member],
    job: Job,
    folder: SweepFolder,
    sweep: Sweep,
    console: Console,
    before: Before,
) -> list[Row] | signal.Signals:
    """Trains one program's members; the signal that stopped it, where one did."""
    if (earlier := _finished(group, folder)) is not None:
        return earlier
    began = time.perf_counter()
    where = _devices(group)
    with jax.default_matmul_precision(where.matmul_precision):
        how = population.lay_out(where.mesh.devices.flat[0].platform)
        program = population.load(job, where, how)
        course = Course(
            members=_varied(group),
            folders=[open_run(folder.member(member.number).path, member.config) for member in group],
            checkpoints=folder.checkpoints(number),
            halving=_halving(sweep, job.plan.last_step, len(group)),
            log_every_steps=group[0].config.log.every_steps,
            console=console,
            before=before,
        )
        with Stop() as stop:
            fates = population_loop.train(program, course, stop)
    if any(fate.status == population_loop.RUNNING for fate in fates):
        assert stop.requested is not None
        return stop.requested
    seconds = time.perf_counter() - began
    shapes = jax.eval_shape(job.network.init, jax.random.key(0), dict(job.hyper))
    shared = constants(job, count_parameters(shapes), str(where))
    rows = [_row(member, fate, seconds, shared) for member, fate in zip(group, fates, strict=True)]
    for row in rows:
        _write_summary(folder, row)
    return rows


def _varied(group: Sequence[Member]) -> Members:
    """The numbers in which the members of a program differ."""
    hypers = [split_hyper(member.config)[1] for member in group]
    return Members(
        {name: np.array([hyper[name] for hyper in hypers], np.float32) for name in hypers[0]},
        np.array([member.seed for member in group]),
    )


def _planned(sweep: Sweep, job: Job, count: int) -> int:
    """How many updates the members of a program make together."""
    last_step = job.plan.last_step
    return _halving(sweep, last_step, count).updates_left(last_step, count)


def _halving(sweep: Sweep, last_step: int, count: int) -> Halving:
    """When how many points of a program with `count` members go on."""
    rungs, points, halving = [], count // sweep.seeds, sweep.halving
    share = halving.first_share if halving is not None else 1.0
    while halving is not None and share < 1:
        points = max(1, math.ceil(points * halving.keep))
        rungs.append(Rung(max(1, round(share * last_step)), points))
        share *= halving.growth
    return Halving(rungs, sweep.seeds)


def _row(member: Member, fate: Fate, seconds: float, shared: dict[str, Any]) -> Row:
    best = None if fate.best_step is None else {"step": fate.best_step, **finite(fate.best)}
    reason = f"the loss or its gradient was not finite at update {fate.step + 1}"
    return {
        "member": member.number,
        "point": member.point,
        "seed": member.seed,
        "status": fate.status,
        **({"reason": reason} if fate.status == "diverged" else {}),
        "step": fate.step,
        "best": best,
        "test": None,
        "program_seconds": round(seconds, 1),
        "hardware": records.hardware(),
        **shared,
    }


def _write_summary(folder: SweepFolder, row: Row) -> None:
    folder.member(row["member"]).write_summary(row)


def _finished(group: Sequence[Member], folder: SweepFolder) -> list[Row] | None:
    """The rows of a group that was trained to its end before."""
    files = [folder.member(member.number).summary for member in group]
    return [read_json(file) for file in files] if all(file.exists() for file in files) else None


def _test(member: Member, folder: SweepFolder) -> dict[str, float]:
    """The figures on test of a member's best checkpoint."""
    sections, _ = split_hyper(member.config)
    job = build(member.config)
    where = devices.build(devices.paying_cores(*job.batch_shape), **sections["runtime"])
    with jax.default_matmul_precision(where.matmul_precision):
        program = load(job, where)
        state, _, _ = checkpoint.restore(folder.member(member.number).checkpoints, program.init(), "best")
        return evaluate(program, state.evaluated, "test")


def _write_rows(folder: SweepFolder, rows: Sequence[Row]) -> None:
    with writing(folder.results):
        lines = [json.dumps(finite(row), allow_nan=False) + "\n" for row in rows]
        folder.results.write_text("".join(lines), encoding="utf-8")


def _greet(
    console: Console,
    command: Command,
    jobs: Sequence[Job],
    groups: Sequence[Sequence[Member]],
    folder: SweepFolder,
) -> None:
    data, programs = jobs[0].data, f"{len(groups)} program{'s' if len(groups) > 1 else ''}"
    shaping = members.keys_of_shape(command.sweep)
    why = f" ({', '.join(shaping)} changes what is compiled)" if len(groups) > 1 and shaping else ""
    console.header(
        {
            "data": f"{data.name} {data.version}: "
            + ", ".join(f"{count:,} {split}" for split, count in data.counts.items()),
            "sweep": f"{len(command.members)} members in {programs}{why}",
            "varied": ", ".join(command.sweep.keys)
            + (f"; {command.sweep.seeds} seeds" if command.sweep.seeds > 1 else ""),
            "folder": str(folder.path),
        }
    )


def _describe(group: Sequence[Member], sweep: Sweep) -> str:
    shaping = members.keys_of_shape(sweep)
    values = ", ".join(f"{key} = {group[0].point[key]}" for key in shaping if key in group[0].point)
    return f"{values}; {len(group)} members"
