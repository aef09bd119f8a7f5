"""A disk that is full at any write: it is said, what was there stays, and once there is room the run goes on.

The run folder lies on a small tmpfs, filled up but for a random rest, so that the write that fails is any of
those of a run: config, data's description, metrics, checkpoints, summary, pictures. Where nothing may be
mounted, the size that a file may have is limited instead.
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
    """Lets `count` runs end on a full disk, and go on."""
    outcome, chance = Outcome(), random.Random(0)
    environment = {"JAX_COMPILATION_CACHE_DIR": str(scratch / "compiled")}
    command = ["--config", "configs/digits.py:smoke", *typed(OVERRIDES), "--workdir"]
    with outcome.timed(), _small_disk(scratch / "disk") as is_mounted:
        straight = scratch / "straight"
        first = start([*command, str(straight)], scratch / "log", environment=environment)
        if not outcome.check(first.wait() == 0, first.said()[-500:]):
            return outcome
        expected = call(lambda: digests(straight), scratch)
        largest = sum(path.stat().st_size + 4096 for path in straight.rglob("*"))
        outcome.measurements["disk"] = "tmpfs" if is_mounted else "a limit on the size of files"
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
                said = process.said()
                kept = sorted(path.name for path in folder.glob("checkpoints/*"))
            _look(status, said, left, folder, kept, outcome)
            again = start([*command, str(folder)], scratch / "log", environment=environment)
            if outcome.check(again.wait() == 0, f"{left} bytes, again: {again.said()[-500:]}"):
                found = call(lambda folder=folder: digests(folder), scratch)
                different = [name for name in expected if found[name] != expected[name]]
                outcome.check(not different, f"{left} bytes: other bits: {', '.join(different)}")
    return outcome


def _look(status: int, said: str, left: int, folder: Path, kept: list[str], outcome: Outcome) -> None:
    """What a run says, and what it leaves, when its disk is full."""
    from rnn_jax.checkpoints import store

    if status == 0:
        outcome.count("enough room")
        return
    outcome.count("stopped by the full disk")
    is_said = str(folder) in said and ("full" in said or "larger" in said or "cannot be written" in said)
    outcome.check(
        status == 5 and is_said and "Traceback" not in said, f"{left} bytes: {status} {said[-500:]}"
    )
    outcome.check(not any("invalid" in name for name in kept), f"{left} bytes: {kept}")
    if store.steps(folder / "checkpoints"):
        outcome.count("of these with a checkpoint")
        warnings = store.find(folder / "checkpoints").warnings
        outcome.check(not warnings, f"{left} bytes: {warnings}")


@contextlib.contextmanager
def _small_disk(place: Path) -> Iterator[bool]:
    """A file system of `BYTES` bytes; False, and a plain folder, where none can be mounted."""
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
    """Leaves so many bytes on a disk."""
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(bytes(max(0, free - left)))
    try:
        yield lambda: None
    finally:
        filler.unlink()


@contextlib.contextmanager
def _limited(left: int) -> Iterator[Callable[[], None]]:
    """Limits the size of each file to some bytes."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (left // 16, resource.RLIM_INFINITY))

    yield limit
