"""A disk that is full at a random write: the error is reported, and the run can be resumed undamaged.

The run folder is on a small tmpfs that is full except for a random number of bytes. So any write of a run may
fail: config, dataset info, metrics, checkpoints, summary, plots. Where mounting is not permitted, the size of
files is limited instead.
"""

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from outcomes import Outcome
from processes import SMALL, call, digests, start, typed

COUNT = 60
BYTES = 2**20
OVERRIDES = SMALL | {
    "train.duration_steps": 60,
    "train.evaluate_every_steps": 20,
    "checkpoint.every_steps": 10,
    "log.every_steps": 1,
    "log.tensorboard": True,
}


def measure(scratch: Path, count: int) -> Outcome:
    """Start `count` runs on a nearly full disk, then resume each with enough space."""
    outcome, chance = Outcome(), random.Random(0)
    environment = {"JAX_COMPILATION_CACHE_DIR": str(scratch / "compiled")}
    command = ["--config", "configs/digits.py:smoke", *typed(OVERRIDES), "--workdir"]
    with outcome.timed(), _small_disk(scratch / "disk") as is_mounted:
        straight = scratch / "straight"
        first = start([*command, str(straight)], scratch / "log", environment=environment)
        if not outcome.check(first.wait() == 0, first.output()[-500:]):
            return outcome
        expected = call(lambda: digests(straight), scratch)
        largest = sum(path.stat().st_size + 4096 for path in straight.rglob("*"))
        outcome.measurements["file system"] = "tmpfs" if is_mounted else "limited size of files"
        while outcome.tried < count:
            outcome.tried += 1
            folder = scratch / "disk" / "run"
            shutil.rmtree(folder, ignore_errors=True)
            left = chance.randrange(4096, largest)
            full = _fill(scratch / "disk", left) if is_mounted else _limited(left)
            with full as before:
                process = start(
                    [*command, str(folder)], scratch / "log", environment=environment, before=before
                )
                status = process.wait()
                output = process.output()
                kept = sorted(path.name for path in folder.glob("checkpoints/*"))
            _check(status, output, left, folder, kept, outcome)
            again = start([*command, str(folder)], scratch / "log", environment=environment)
            if outcome.check(again.wait() == 0, f"{left} bytes, resumed: {again.output()[-500:]}"):
                found = call(lambda folder=folder: digests(folder), scratch)
                different = [name for name in expected if found[name] != expected[name]]
                outcome.check(not different, f"{left} bytes: other bits: {', '.join(different)}")
    return outcome


def _check(status: int, output: str, left: int, folder: Path, kept: list[str], outcome: Outcome) -> None:
    """Check the message of a run whose disk is full, and its checkpoints."""
    from rnn_jax.checkpoints import store

    if status == 0:
        outcome.count("enough room")
        return
    outcome.count("ended by the full disk")
    is_reported = str(folder) in output and (
        "full" in output or "larger" in output or "cannot be written" in output
    )
    outcome.check(
        status == 5 and is_reported and "Traceback" not in output, f"{left} bytes: {status} {output[-500:]}"
    )
    outcome.check(not any("invalid" in name for name in kept), f"{left} bytes: {kept}")
    if store.steps(folder / "checkpoints"):
        outcome.count("of these, with a checkpoint")
        warnings = store.find(folder / "checkpoints").warnings
        outcome.check(not warnings, f"{left} bytes: {warnings}")


@contextlib.contextmanager
def _small_disk(place: Path) -> Iterator[bool]:
    """Mount a file system of `BYTES` bytes at `place`; yield False if it stays a plain folder."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={BYTES}", "tmpfs", str(place)]
    try:
        is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(place)], check=True)


@contextlib.contextmanager
def _fill(disk: Path, left: int) -> Iterator[Callable[[], None]]:
    """Fill a disk except for `left` bytes."""
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(bytes(max(0, free - left)))
    try:
        yield lambda: None
    finally:
        filler.unlink()


@contextlib.contextmanager
def _limited(left: int) -> Iterator[Callable[[], None]]:
    """Limit the size of each file, in proportion to `left`."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (left // 16, resource.RLIM_INFINITY))

    yield limit
