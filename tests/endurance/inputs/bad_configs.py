"""Wrong configs and command lines: each is rejected quickly, with a short message, and leaves no files."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from outcomes import Outcome
from wrong_commands import Wrong, cases
from wrong_files import prepare

COUNT = 0
"""All cases."""
SECONDS = 3.0
TOLERANCE = 2.0
"""Factor on `SECONDS`, for machines that are slower than the one that the limit was set on."""
LINES = 7
ROOT = Path(__file__).resolve().parents[3]


def measure(scratch: Path, count: int) -> Outcome:
    """Run every wrong command, or `count` of them at equal intervals."""
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
    outcome.measurements["max. seconds"] = round(max(taken), 2)
    outcome.measurements["median seconds"] = round(sorted(taken)[len(taken) // 2], 2)
    outcome.measurements["over 3 seconds"] = sum(seconds > SECONDS for seconds in taken)
    return outcome


def _try(wrong: Wrong, at: Path, home: Path, outcome: Outcome) -> float:
    """Run one command, check it, and return the seconds that it took."""
    arguments = [argument.replace("{at}", str(at)) for argument in wrong.arguments]
    named = wrong.named.replace("{at}", str(at))
    began = time.perf_counter()
    status, output = _run(wrong.command, arguments, home, dict(wrong.environment))
    seconds = time.perf_counter() - began
    case = f"{wrong.command} {' '.join(map(ascii, wrong.arguments))[:150]}"
    outcome.tried += 1
    outcome.check(status == wrong.status, f"{case}: exit {status}: {output[-300:]}")
    outcome.check("Traceback" not in output, f"{case}: a traceback: {output[-200:]}")
    outcome.check(named in output, f"{case}: does not name {named!r}: {output[-300:]}")
    outcome.check(len(output.splitlines()) <= LINES, f"{case}: {len(output.splitlines())} lines")
    outcome.check(seconds <= SECONDS * TOLERANCE, f"{case}: {seconds:.1f} s")
    left = [str(path) for path in home.rglob("*.json")]
    outcome.check(not left, f"{case}: leaves {left}")
    for path in home.iterdir():
        shutil.rmtree(path, ignore_errors=True)
    return seconds


def _run(
    command: str, arguments: Sequence[str], home: Path, changed: Mapping[str, str]
) -> tuple[int | None, str]:
    """Run a command in an empty folder; return its exit status (None after 30 s) and standard error."""
    without = ("JAX", "RNN_JAX", "XLA")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"rnn_jax.{command}", *arguments],
            cwd=home,
            env=environment | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"} | dict(changed),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
        )
    except subprocess.TimeoutExpired as late:
        return None, (late.stderr or b"").decode(errors="replace")
    return done.returncode, done.stderr.decode(errors="replace")
