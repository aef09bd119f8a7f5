"""The cost of a save for the training loop, and of verifying a checkpoint, with configs/mnist.py.

In one run, only every second evaluation is followed by a save. Epochs with and without a save alternate, so
that changes in the speed of the machine affect both alike.
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
    """Train `count` epochs with a save and as many without, alternately."""
    outcome = Outcome(tried=count)
    with outcome.timed():
        found = call(lambda: _epochs(scratch / "run", count), scratch)
        with_save, without = statistics.median(found["with"]), statistics.median(found["without"])
        pairs = [100 * (a / b - 1) for a, b in zip(found["with"], found["without"], strict=True)]
        percent = 100 * (with_save / without - 1)
        outcome.measurements |= {
            "seconds per epoch with a save": round(with_save, 3),
            "seconds per epoch without a save": round(without, 3),
            "slow-down in %": round(percent, 2),
            "slow-down in %, median over neighbouring epochs": round(statistics.median(pairs), 2),
            "ms per call of save": round(1000 * statistics.median(found["waits"]), 2),
            "ms to verify a checkpoint": round(1000 * found["verify"], 2),
        }
        outcome.check(percent <= ALLOWED_PERCENT, f"a save slows an epoch by {percent:.2f} %")
        outcome.check(found["verify"] <= VERIFY_SECONDS, f"verifying takes {found['verify']:.3f} s")
    return outcome


def _epochs(folder: Path, count: int) -> dict[str, Any]:
    """Return the seconds of each epoch, of each call of `save`, and of verifying a checkpoint."""
    from rnn_jax.checkpoints import store
    from rnn_jax.checkpoints.saver import Saver
    from rnn_jax.main import main
    from rnn_jax.reporting.console import Console

    ends, waits, saved, save, log_evaluation = [], [], [], Saver.save, Console.log_evaluation

    def log_end(console: Console, *arguments: Any) -> None:
        ends.append(time.perf_counter())
        log_evaluation(console, *arguments)

    def save_every_second(saver: Saver, *arguments: Any, **more: Any) -> None:
        saved.append(len(ends) % 2 == 1)
        if saved[-1]:
            began = time.perf_counter()
            save(saver, *arguments, **more)
            waits.append(time.perf_counter() - began)

    for owner, name, instead in ((Console, "log_evaluation", log_end), (Saver, "save", save_every_second)):
        setattr(owner, name, instead)
    epochs = 2 * count + 3  # the first two include imports and compilation
    overrides = {"train.duration_epochs": float(epochs), "train.report_test": False}
    arguments = ["--config", "configs/mnist.py", *typed(overrides), "--workdir", str(folder)]
    if main(arguments) != 0:
        raise RuntimeError("the run failed")
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
