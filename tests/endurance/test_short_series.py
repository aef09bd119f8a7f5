"""The short form of the endurance trials: the same series with fewer trials.

Each series runs in a process of its own, since the trials fork before JAX is initialized.
"""

import os
import subprocess
import sys
from pathlib import Path

import postgres
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.matrix


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("kills", 2),
        ("stops", 1),
        ("flips", 40),
        ("policy", 1000),
        ("disk", 1),
        ("study_sqlite", 3),
        pytest.param(
            "study_postgres",
            3,
            marks=pytest.mark.skipif(
                postgres.programs() is None, reason="PostgreSQL is not installed (Debian: postgresql)"
            ),
        ),
    ],
)
def test_a_short_series_shows_no_violation(name: str, count: int, tmp_path: Path) -> None:
    command = [sys.executable, "tests/endurance/run.py", name, "--count", str(count), "--no-record"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "JAX_DISABLE_MOST_OPTIMIZATIONS": "0"}
    environment.pop("RNN_JAX_DATA", None)  # other tests cover the preparation of real data
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tried = int(done.stdout.split()[1].replace(",", ""))
    assert tried >= count
    assert " 0 violations" in done.stdout
