"""Stops by signals at random times, also during evaluations: the resumed run equals the uninterrupted one.

There are three kinds of runs: MNIST (synthetic data unless `RNN_JAX_DATA` is set), a language model, and a
population. Each run is stopped several times, then completed and compared with an uninterrupted run: its
parameters, optimizer state, key, data order, metrics and early stopping.
"""

import hashlib
import json
import os
import random
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from outcomes import Outcome
from processes import SMALL, TIMES, Process, call, digest, digests, last_row, last_step, lines, start, typed

COUNT = 60
STOPS_PER_RUN = 5
EVALUATE_EVERY = 20
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Kind(NamedTuple):
    """A kind of run."""

    command: str
    arguments: list[str]
    step: Callable[[Path], int]
    """Return the last step that is logged in a folder."""
    digests: Callable[[Path], dict[str, str]]
    steps: int


def measure(scratch: Path, count: int) -> Outcome:
    """Stop runs `count` times, a third of them for each kind."""
    outcome, chance = Outcome(), random.Random(0)
    outcome.measurements |= {"during an evaluation": 0, "runs": 0}
    with outcome.timed():
        for number, (name, kind) in enumerate(_kinds(scratch).items()):
            share = count // 3 + (number < count % 3)
            if share:
                _stop(kind, name, share, scratch / name, outcome, chance)
                outcome.measurements[name] = share
    return outcome


def _kinds(scratch: Path) -> dict[str, Kind]:
    is_real = "RNN_JAX_DATA" in os.environ
    images = {
        "model.hidden_size": 32,
        "runtime.devices": 1,
        "train.duration_epochs": None,
        "train.duration_steps": 600,
        "train.evaluate_every_epochs": None,
        "train.evaluate_every_steps": EVALUATE_EVERY,
        "train.early_stopping_patience": 15,
        "task.shift_pixels": 1,
        "optimizer.warmup_epochs": None,
        "optimizer.average_decay": 0.9,
        "log.every_steps": 1,
        "log.tensorboard": False,
        **({"dataset.data_dir": str(scratch / "data")} if is_real else {}),
    }
    mnist = ["--config", f"configs/mnist.py{'' if is_real else ':smoke'}", *typed(images)]
    language = SMALL | {
        "dataset.examples": 4000,
        "train.duration_steps": 600,
        "train.evaluate_every_steps": EVALUATE_EVERY,
        "model.dropout": 0.2,
        "log.every_steps": 1,
    }
    population = {
        **SMALL,
        "dataset.examples": 4000,
        "train.duration_steps": 400,
        "train.evaluate_every_steps": EVALUATE_EVERY,
        "log.every_steps": 1,
    }
    grid = ["--grid", "optimizer.learning_rate=1e-3,1e-2,1e20", "--seeds", "2"]
    digits = ["--config", "configs/digits.py:smoke"]
    return {
        "MNIST": Kind("main", mnist, last_step, digests, 600),
        "language model": Kind(
            "main", ["--config", "configs/ptb.py:small,smoke", *typed(language)], last_step, digests, 600
        ),
        "population": Kind(
            "sweep", [*digits, *typed(population), *grid], _last_of_members, _population_digests, 400
        ),
    }


def _stop(kind: Kind, name: str, count: int, scratch: Path, outcome: Outcome, chance: random.Random) -> None:
    """Stop runs of one kind `count` times, and compare each with the uninterrupted run."""
    scratch.mkdir(parents=True)
    environment = {"JAX_COMPILATION_CACHE_DIR": str(scratch.parent / "compiled")}

    def begin(folder: Path) -> Process:
        arguments = [*kind.arguments, "--workdir", str(folder)]
        return start(arguments, scratch / "log", command=kind.command, environment=environment)

    straight, stopped = begin(scratch / "straight"), 0
    if not outcome.check(straight.wait() == 0, f"{name}, uninterrupted: {straight.output()[-500:]}"):
        return
    expected = call(lambda: kind.digests(scratch / "straight"), scratch)
    while stopped < count:
        folder = scratch / "run"
        shutil.rmtree(folder, ignore_errors=True)
        outcome.count("runs")
        for _ in range(min(STOPS_PER_RUN, count - stopped)):
            if not _stop_once(kind, begin(folder), folder, outcome, chance, name):
                break
            stopped += 1
        last = begin(folder)
        if outcome.check(last.wait() == 0, f"{name}, resumed: {last.output()[-500:]}"):
            found = call(lambda folder=folder: kind.digests(folder), scratch)
            different = [part for part in expected if found.get(part) != expected[part]]
            outcome.check(not different, f"{name}, after stop {stopped}, other bits: {', '.join(different)}")


def _stop_once(
    kind: Kind, process: Process, folder: Path, outcome: Outcome, chance: random.Random, name: str
) -> bool:
    """Send a signal at a random step of a run; return False if it finished before."""
    began = kind.step(folder)
    target = began + chance.randrange(1, max(2, (kind.steps - began) // 3))
    if not process.wait_for(lambda: kind.step(folder) >= target):
        return False
    number = chance.choice(SIGNALS)
    if kind.command == "main" and outcome.tried % 2:  # as soon as the updates before an evaluation are logged
        process.wait_for(lambda: _is_before_evaluation(folder))
    else:
        process.wait_for(lambda: False, seconds=chance.random() * 0.2)
    process.send(number)
    status = process.wait()
    if status == 0:
        return False
    outcome.tried += 1
    outcome.check(
        status == 128 + number, f"{name}: exit {status} after {number.name}: {process.output()[-300:]}"
    )
    outcome.check("To resume:" in process.output(), f"{name}: does not print how to resume")
    outcome.count("during an evaluation", int(_was_during_evaluation(folder)))
    return True


def _was_during_evaluation(folder: Path) -> bool:
    """Return whether the latest checkpoint is of a step whose evaluation did not complete."""
    checkpoints = [path for path in folder.rglob("[0-9]*/progress.json") if "members" not in path.parts]
    if not checkpoints:
        return False
    latest = max(checkpoints, key=lambda path: int(path.parent.name))
    step, progress = int(latest.parent.name), json.loads(latest.read_text())
    return step % EVALUATE_EVERY == 0 and progress["evaluated_at"] < step


def _is_before_evaluation(folder: Path) -> bool:
    row = last_row(folder)
    return row["split"] == "train" and row["step"] % EVALUATE_EVERY == 0


def _last_of_members(folder: Path) -> int:
    """Return the last step of a population, from its checkpoints: it logs metrics only with these."""
    places = folder.glob("programs/*/[0-9]*")
    return max((int(path.name) for path in places if path.name.isdigit()), default=0)


def _population_digests(folder: Path) -> dict[str, str]:
    from rnn_jax.checkpoints import store

    found = {"results.jsonl": _of_rows(lines(folder / "results.jsonl"))}
    for member in sorted(folder.glob("members/*"), key=lambda path: int(path.name)):
        metrics = (member / "metrics.jsonl").read_bytes()
        found[f"metrics of {member.name}"] = hashlib.sha256(metrics).hexdigest()
        if store.steps(member / "checkpoints"):
            last = store.find(member / "checkpoints")
            parts = {**last.read(), "progress": last.progress}
            found |= {f"{name} of {member.name}": digest(part) for name, part in parts.items()}
    return found


def _of_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    lasting = [{key: value for key, value in row.items() if key not in TIMES} for row in rows]
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()
