"""Wrong configs and command lines, typed as a person would: refused soon, in words, with nothing left."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from outcomes import Outcome
from wrong_commands import Wrong, cases
from wrong_files import prepare

COUNT = 0
"""All of them."""
SECONDS = 3.0
SLOWER = 2.0
"""How many times as slow as the machine of that promise a machine may be that it is looked at on."""
LINES = 7
ROOT = Path(__file__).resolve().parents[3]


def measure(scratch: Path, count: int) -> Outcome:
    """Types every wrong command, or `count` of them, taken evenly."""
    outcome = Outcome()
    at, home = scratch / "files", scratch / "home"
    at.mkdir()
    home.mkdir()
    prepare(at)
    chosen = cases()
    chosen = chosen[:: max(1, len(chosen) // count)][:count] if count else chosen
    taken = []
    with outcome.timed():
        for wrong in chosen:
            taken.append(_try(wrong, at, home, outcome))
    outcome.measurements["slowest_seconds"] = round(max(taken), 2)
    outcome.measurements["median_seconds"] = round(sorted(taken)[len(taken) // 2], 2)
    outcome.measurements["over_3_seconds"] = sum(seconds > SECONDS for seconds in taken)
    return outcome


def _try(wrong: Wrong, at: Path, home: Path, outcome: Outcome) -> float:
    """Types one command, and returns the seconds that it took."""
    arguments = [argument.replace("{at}", str(at)) for argument in wrong.arguments]
    named = wrong.named.replace("{at}", str(at))
    began = time.perf_counter()
    status, said = _type(wrong.command, arguments, home)
    seconds = time.perf_counter() - began
    case = f"{wrong.command} {' '.join(map(ascii, wrong.arguments))[:150]}"
    outcome.tried += 1
    outcome.check(status == wrong.status, f"{case}: ends with {status}: {said[-300:]}")
    outcome.check("Traceback" not in said, f"{case}: a traceback: {said[-200:]}")
    outcome.check(named in said, f"{case}: does not name {named!r}: {said[-300:]}")
    outcome.check(len(said.splitlines()) <= LINES, f"{case}: {len(said.splitlines())} lines")
    outcome.check(seconds <= SECONDS * SLOWER, f"{case}: {seconds:.1f} s")
    left = [str(path) for path in home.rglob("*.json")]
    outcome.check(not left, f"{case}: leaves {left}")
    for path in home.iterdir():
        shutil.rmtree(path, ignore_errors=True)
    return seconds


def _type(command: str, arguments: Sequence[str], home: Path) -> tuple[int | None, str]:
    """The exit status of a command that is typed in a folder of one's own, and what it says of errors."""
    without = ("JAX", "RNN_JAX", "XLA")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"rnn_jax.{command}", *arguments],
            cwd=home,
            env=environment | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
        )
    except subprocess.TimeoutExpired as late:
        return None, (late.stderr or b"").decode(errors="replace")
    return done.returncode, done.stderr.decode(errors="replace")
