"""Every signal in every phase of a run on MNIST: the exit status is right and soon, the checkpoint valid.

The limit of ten seconds is for a machine on which a step of a plain Flax LSTM takes 16 ms. The
environment variable PACE multiplies it: the time of that step on this machine divided by 16 ms (default 1).
"""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from outcomes import Outcome
from processes import Process, last_row, lines, start, typed

COUNT = 51
LIMIT_SECONDS = 10 * float(os.environ.get("PACE", "1"))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2)
EVALUATE_EVERY = 40
OVERRIDES = {
    "train.duration_epochs": None,
    "train.duration_steps": 6 * EVALUATE_EVERY,
    "optimizer.warmup_epochs": None,
    "train.evaluate_every_epochs": None,
    "train.evaluate_every_steps": EVALUATE_EVERY,
    "log.every_steps": 1,
}

Phase = Callable[[Process, Path, random.Random], bool]


def measure(scratch: Path, count: int) -> Outcome:
    """Send `count` signals, cycling through all phases and signals.

    The data come from `$RNN_JAX_DATA/mnist`, or are downloaded. They are prepared again for each signal that
    is sent during preparation.
    """
    outcome, chance = Outcome(), random.Random(0)
    prepared = scratch / "data"
    environment = {"JAX_COMPILATION_CACHE_DIR": str(scratch / "compiled")}
    with outcome.timed():
        first = start([*_arguments(scratch / "straight", prepared)], scratch / "log", environment=environment)
        if not outcome.check(first.wait(600) == 0, first.output()[-500:]):
            return outcome
        pairs = [(name, number) for name in PHASES for number in SIGNALS]
        for trial in range(count):
            name, number = pairs[trial % len(pairs)]
            if name == "preparation":
                data = scratch / "anew"
                shutil.rmtree(data, ignore_errors=True)
            else:
                data = prepared
            cache = environment if name != "compilation" else {}
            folder = scratch / "run"
            shutil.rmtree(folder, ignore_errors=True)
            process = start(_arguments(folder, data), scratch / "log", environment=cache)
            if not outcome.check(
                PHASES[name](process, folder, chance), f"{name}: the run ended before the signal"
            ):
                continue
            _send(process, name, number, folder, outcome)
        outcome.measurements["limit in seconds"] = LIMIT_SECONDS
    return outcome


def _arguments(folder: Path, data: Path) -> list[str]:
    here = {"dataset.data_dir": str(data)}
    return ["--config", "configs/mnist.py", *typed(OVERRIDES | here), "--workdir", str(folder)]


def _send(process: Process, name: str, number: signal.Signals, folder: Path, outcome: Outcome) -> None:
    from rnn_jax.checkpoints import store

    outcome.tried += 1
    began = time.monotonic()
    process.send(number)
    if name == "second signal":
        time.sleep(0.7)
        process.send(number)
    try:
        status = process.wait(120)
    except TimeoutError as error:
        outcome.check(False, f"{name}, {number.name}: {error}")
        return
    seconds = time.monotonic() - began
    longest = f"max. seconds, {name}"
    outcome.measurements[longest] = max(float(outcome.measurements.get(longest, 0)), round(seconds, 2))
    what = f"{name}, {number.name}: "
    outcome.check(seconds <= LIMIT_SECONDS, f"{what}{seconds:.1f} s")
    if name == "starting":  # the default effect of the signal, until the handlers are installed
        outcome.check(status in (128 + number, -number), f"{what}exit {status}")
        return
    output = process.output()
    outcome.check(status == 128 + number, f"{what}exit {status}: {output[-300:]}")
    outcome.check("Traceback" not in output, f"{what}{output[-500:]}")
    if name != "second signal":
        outcome.check("To resume:" in output, f"{what}does not print how to resume: {output[-300:]}")
        summary = (folder / "summary.json").read_text()
        outcome.check('"interrupted"' in summary, f"{what}{summary[:200]}")
    if any(row["step"] for row in lines(folder / "metrics.jsonl")):
        steps = store.steps(folder / "checkpoints")
        is_kept = bool(steps) and not store.find(folder / "checkpoints").warnings
        may_be_none = name == "second signal"  # before the first evaluation
        outcome.check(is_kept or may_be_none, f"{what}no valid checkpoint after a step")


def _starting(process: Process, folder: Path, chance: random.Random) -> bool:
    del folder
    return not process.wait_for(lambda: False, seconds=chance.random() * 0.05) and process.poll() is None


def _preparation(process: Process, folder: Path, chance: random.Random) -> bool:
    del folder
    begun = process.wait_for(lambda: "preparing" in process.output())
    process.wait_for(lambda: False, seconds=chance.random() * 3)
    return begun and process.poll() is None


def _compilation(process: Process, folder: Path, chance: random.Random) -> bool:
    begun = process.wait_for(lambda: "training from" in process.output())
    process.wait_for(lambda: False, seconds=chance.random() * 0.5)
    return begun and not last_row(folder)["step"]


def _training(process: Process, folder: Path, chance: random.Random) -> bool:
    step = chance.randrange(1, EVALUATE_EVERY - 5)
    return process.wait_for(lambda: last_row(folder)["step"] >= step)


def _evaluation(process: Process, folder: Path, chance: random.Random) -> bool:
    def is_before() -> bool:
        row = last_row(folder)
        return row["split"] == "train" and row["step"] % EVALUATE_EVERY == 0 and row["step"] > 0

    begun = process.wait_for(is_before)
    process.wait_for(lambda: False, seconds=chance.random() * 0.1)
    return begun


def _saving(process: Process, folder: Path, chance: random.Random) -> bool:
    del chance
    return process.wait_for(lambda: any(folder.glob("checkpoints/unfinished-*")))


def _testing(process: Process, folder: Path, chance: random.Random) -> bool:
    last = {"split": "validation", "step": OVERRIDES["train.duration_steps"]}
    begun = process.wait_for(lambda: last.items() <= last_row(folder).items())
    process.wait_for(lambda: False, seconds=chance.random() * 0.05)
    return begun and process.poll() is None


PHASES: dict[str, Phase] = {
    "starting": _starting,
    "preparation": _preparation,
    "compilation": _compilation,
    "training": _training,
    "evaluation": _evaluation,
    "saving": _saving,
    "test": _testing,
    "second signal": _training,
}
