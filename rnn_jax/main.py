"""Trains or evaluates what a config describes."""

import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rnn_jax.config.command_line import CommandLine, parse
from rnn_jax.config.plugins import plugin_flags, plugins_of
from rnn_jax.config.run_folder import RunFolder, default_workdir
from rnn_jax.reporting.console import Console, build_console, logging_to, silent_console
from rnn_jax.runtime.command import exit_now, run_command
from rnn_jax.runtime.errors import DivergedError, UserError
from rnn_jax.runtime.files import write_json
from rnn_jax.runtime.signals import exit_status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_run, arguments, long_running=True)


def _run(arguments: Sequence[str]) -> int:
    command = parse(arguments)
    console = build_console() if command.config.runtime.processes.is_coordinator else silent_console()
    with logging_to(console):
        for note in command.notes:
            console.info(note)
        return _evaluate(command, console) if command.mode == "eval" else _train(command, console)


def _train(command: CommandLine, console: Console) -> int:
    from rnn_jax.runtime.distributed.joining import (
        is_waiting,  # JAX starts here, after everything that can be mistyped
    )
    from rnn_jax.training.run import train

    assert command.source is not None or command.workdir is not None
    if command.workdir is None and not command.config.runtime.processes.is_single:
        raise UserError("--workdir is missing: the processes of a run share one folder")
    workdir = command.workdir or default_workdir(str(command.source), datetime.now())
    summary = train(command.config, workdir, console=console)
    status = summary["status"]
    if status == "interrupted":
        number = signal.Signals[summary["reason"]]
        if is_waiting():  # then nobody else speaks for this process
            console = build_console()
        after = f"after step {summary['step']:,}, checkpoint written" if summary["step"] else "before step 1"
        console.warn(f"{summary['reason']} {after}. To go on:")
        flags = plugin_flags(plugins_of(command.config.model_dump()))
        again = shlex.join(["python", "-m", "rnn_jax.main", "--workdir", str(workdir), *flags])
        if not command.config.runtime.processes.is_single:
            again = "the same commands" + _or_alone(again, summary)
        console.info(again)
        if is_waiting():
            exit_now(exit_status(number))
        return exit_status(number)
    if status == "diverged":
        raise DivergedError(
            f"diverged: {summary['reason']}\n"
            "A lower optimizer.learning_rate, or optimizer.clip_norm, may help."
        )
    best, rows = summary["best"], []
    if best is not None:
        rows.append((f"best validation, step {best['step']:,}", _figures(best)))
    for split in ("test", "last_tenth"):
        if summary.get(split) is not None:
            rows.append((split.replace("_", " "), _figures(summary[split])))
    console.results(rows, [f"{summary['wall_seconds']:,.0f} s; curves and checkpoints in {workdir}"])
    return 0


def _evaluate(command: CommandLine, console: Console) -> int:
    from rnn_jax.inference.evaluation import evaluate_run
    from rnn_jax.reporting import plots

    assert command.workdir is not None
    found = evaluate_run(command.config, command.workdir, command.checkpoint)
    for line in found.damaged:
        console.warn(line)
    where = f"{command.checkpoint} checkpoint, step {found.step:,}"
    if found.answers is None:
        console.results(list(found.figures.items()), [where])
        return 0
    folder, matrix, wrong = RunFolder(command.workdir), found.answers.confusion, found.answers.mistakes
    names = found.answers.classes
    counts = {"classes": list(names), "matrix": matrix.tolist()}
    write_json(folder.confusion_counts, {**counts, "split": found.answered, "step": found.step})
    plots.confusion(matrix, names, folder.confusion)
    if wrong.images is not None:
        labels, answers = ([names[number] for number in numbers] for numbers in (wrong.labels, wrong.answers))
        plots.mistakes(wrong.images, labels, answers, wrong.confidences.tolist(), folder.mistakes)
    count = f"{len(wrong.labels):,} of {len(found.answers.labels):,} wrong; pictures in {folder.path}"
    console.results(list(found.figures.items()), [where, count])
    console.confusion(matrix, names)
    return 0


def _or_alone(command: str, summary: Mapping[str, Any]) -> str:
    """How one process goes on with what several began; nothing, where they did not come to begin it."""
    if "devices" not in summary:
        return ""
    return f"; or one process, {command} --config.runtime.devices={summary['devices'].partition(' ')[0]}"


def _figures(row: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name != "step"}


if __name__ == "__main__":
    sys.exit(main())
