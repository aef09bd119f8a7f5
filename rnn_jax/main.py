"""Train the model that a config describes, or evaluate a trained one."""

import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rnn_jax.config.command_line import CommandLine, parse
from rnn_jax.config.plugins import plugin_flags, plugins_of
from rnn_jax.config.run_folder import RunFolder, default_workdir
from rnn_jax.config.schema import Config
from rnn_jax.reporting.console import Console, build_console, logging_to
from rnn_jax.reporting.formatting import format_folds
from rnn_jax.runtime.command import exit_now, run_command
from rnn_jax.runtime.errors import DivergedError, UserError
from rnn_jax.runtime.files import finite, write_json
from rnn_jax.runtime.signals import exit_status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    with run_command(arguments, long_running=True) as command:
        options = parse(command.arguments)
        config = options.config
        console = build_console() if config.runtime.processes.is_coordinator else Console()
        with logging_to(console):
            for note in options.notes:
                console.info(note)
            if options.mode == "eval":
                _evaluate(options, console)
                return 0
            if options.workdir is None and not config.runtime.processes.is_single:
                raise UserError("--workdir is missing: the processes of a run share one folder")
            from rnn_jax.training.run import train  # JAX starts here, after all checks of the command line

            workdir = options.workdir or default_workdir(str(options.source), datetime.now())
            summary = train(config, workdir, console=console)
            command.exit_status = _report(summary, workdir, config, console)
    return command.exit_status


def _report(summary: Mapping[str, Any], workdir: Path, config: Config, console: Console) -> int:
    """Print the results of a run, or how it ended; return the exit status."""
    if summary["status"] == "interrupted":
        return _report_interruption(summary, workdir, config, console)
    if summary["status"] == "diverged":
        remedy = "A lower optimizer.learning_rate or optimizer.clip_norm may help."
        raise DivergedError(f"diverged: {summary['reason']}\n{remedy}")
    splits = ("test", "last_tenth")
    notes = list[str]()
    rows = [(split.replace("_", " "), summary[split]) for split in splits if summary.get(split) is not None]
    if (best := summary["best"]) is not None:
        metrics = {name: value for name, value in best.items() if name != "step"}
        label = f"best validation, step {best['step']:,}"
        if (folds := summary.get("folds")) is not None:
            label = f"validation, mean of {len(folds['metrics'])} folds"
            notes = [f"{name}: {text}" for name, text in format_folds(folds)]
        rows.insert(0, (label, metrics))
    notes.append(f"{summary['wall_seconds']:,.0f} s; curves and checkpoints in {workdir}")
    console.results(rows, notes)
    return 0


def _report_interruption(summary: Mapping[str, Any], workdir: Path, config: Config, console: Console) -> int:
    """Print the command that resumes the run; return the exit status."""
    from rnn_jax.runtime.distributed.joining import is_waiting

    waiting, status = is_waiting(), exit_status(signal.Signals[summary["reason"]])
    if waiting:  # the coordinator, which reports for all, may not be there
        console = build_console()
    when = f"after step {summary['step']:,}, checkpoint written" if summary["step"] else "before step 1"
    flags = plugin_flags(plugins_of(config.model_dump()))
    resume = shlex.join(["python", "-m", "rnn_jax.main", "--workdir", str(workdir), *flags])
    if not config.runtime.processes.is_single:
        devices = summary.get("devices", "").partition(" ")[0]
        alone = f"; or one process, {resume} --config.runtime.devices={devices}" if devices else ""
        resume = f"the same commands{alone}"
    console.warn(f"{summary['reason']} {when}. To resume:")
    console.info(resume)
    if waiting:
        exit_now(status)
    return status


def _evaluate(command: CommandLine, console: Console) -> None:
    from rnn_jax.inference.evaluation import evaluate_run
    from rnn_jax.reporting import charts

    assert command.workdir is not None
    evaluation = evaluate_run(command.config, command.workdir, command.checkpoint)
    for line in evaluation.warnings:
        console.warn(line)
    notes = [f"{command.checkpoint} checkpoint, step {evaluation.step:,}"]
    predictions = evaluation.predictions
    if predictions is None:
        console.results(list(evaluation.metrics.items()), notes)
        return
    folder, classes = RunFolder(command.workdir), predictions.classes
    matrix, mistakes = predictions.confusion, predictions.mistakes
    recall = evaluation.metrics[evaluation.split].get("recall")
    counts = {"classes": list(classes), "matrix": matrix.tolist(), "recall": finite(recall)}
    write_json(folder.confusion_counts, {**counts, "split": evaluation.split, "step": evaluation.step})
    charts.confusion(matrix, classes, folder.confusion)
    plots = folder.confusion.name
    if mistakes.images is not None:
        indices = mistakes.labels, mistakes.probabilities.argmax(axis=-1)
        labels, predicted = ([classes[index] for index in each] for each in indices)
        confidences = mistakes.probabilities.max(axis=-1).tolist()
        charts.mistakes(mistakes.images, labels, predicted, confidences, folder.mistakes)
        plots = f"{plots} and {folder.mistakes.name}"
    wrong, total = len(mistakes.labels), len(predictions.labels)
    notes.append(f"{wrong:,} of {total:,} misclassified; {plots} in {folder.path}")
    console.results(list(evaluation.metrics.items()), notes)
    console.confusion(matrix, classes)


if __name__ == "__main__":
    sys.exit(main())
