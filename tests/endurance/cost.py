"""What a save costs the loop, and what it takes to verify a checkpoint, on MNIST as its config has it.

In one run, every second evaluation is not followed by a save: an epoch with a save beside it and one without
are neighbours, and a slower hour of the machine is in both.
"""

import itertools
import os
import statistics
import time
from pathlib import Path
from typing import Any

from outcomes import Outcome
from processes import call, typed

COUNT = 12
ALLOWED_PERCENT = 3.0
VERIFY_SECONDS = 0.2 * float(os.environ.get("PACE", "1"))


def measure(scratch: Path, count: int) -> Outcome:
    """Trains `count` epochs with a save, and as many without, in turns."""
    outcome = Outcome(tried=count)
    with outcome.timed():
        found = call(lambda: _epochs(scratch / "run", count), scratch)
        with_save, without = statistics.median(found["with"]), statistics.median(found["without"])
        pairs = [100 * (a / b - 1) for a, b in zip(found["with"], found["without"], strict=True)]
        percent = 100 * (with_save / without - 1)
        outcome.measurements |= {
            "seconds an epoch with a save": round(with_save, 3),
            "seconds an epoch without": round(without, 3),
            "percent": round(percent, 2),
            "percent, median of neighbours": round(statistics.median(pairs), 2),
            "loop waits, ms": round(1000 * statistics.median(found["waits"]), 2),
            "verifying, ms": round(1000 * found["verify"], 2),
        }
        outcome.check(percent <= ALLOWED_PERCENT, f"a save costs {percent:.2f} %")
        outcome.check(found["verify"] <= VERIFY_SECONDS, f"verifying takes {found['verify']:.3f} s")
    return outcome


def _epochs(folder: Path, count: int) -> dict[str, Any]:
    """Seconds of each epoch, those of a call of `save`, and of verifying a checkpoint."""
    from rnn_jax.checkpoints import store
    from rnn_jax.checkpoints.saver import Saver
    from rnn_jax.main import main
    from rnn_jax.reporting.console import Console

    ends, waits, saved, save, evaluated = [], [], [], Saver.save, Console.log_evaluation

    def note(console: Console, *arguments: Any) -> None:
        ends.append(time.perf_counter())
        evaluated(console, *arguments)

    def save_every_second(saver: Saver, *arguments: Any, **more: Any) -> None:
        saved.append(len(ends) % 2 == 1)
        if saved[-1]:
            began = time.perf_counter()
            save(saver, *arguments, **more)
            waits.append(time.perf_counter() - began)

    for owner, name, instead in ((Console, "log_evaluation", note), (Saver, "save", save_every_second)):
        setattr(owner, name, instead)
    epochs = 2 * count + 3  # the first two pay for imports and compilations
    overrides = {"train.duration_epochs": float(epochs), "train.report_test": False}
    arguments = ["--config", "configs/mnist.py", *typed(overrides), "--workdir", str(folder)]
    if main(arguments) != 0:
        raise RuntimeError("the run did not end well")
    times = [after - before for before, after in itertools.pairwise(ends[2:])]
    checkpoints = folder / "checkpoints"
    verifying = []
    for _ in range(21):
        began = time.perf_counter()
        store.find(checkpoints)
        verifying.append(time.perf_counter() - began)
    return {
        "with": times[0::2][:count],
        "without": times[1::2][:count],
        "waits": waits[1:],
        "verify": statistics.median(verifying),
    }
