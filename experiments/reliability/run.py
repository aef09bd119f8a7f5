"""Runs series of trials, each by its name or all of them, and keeps what they came to in results.jsonl.

    python experiments/reliability/run.py               # all, one after another
    python experiments/reliability/run.py kills flips   # some
    python experiments/reliability/run.py kills --count 20 --no-record

Each series is a file beside this one with `measure(scratch, count) -> Outcome` and its full `COUNT`. Exit
status 1 where anything was not as promised.
"""

import argparse
import importlib
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rnn_jax.reporting.records import commit, hardware

HERE = Path(__file__).resolve().parent
SERIES = {
    "kills": "kill -9 at random times, inside saves too",
    "stops": "signals at random steps and within evaluations",
    "signals": "every signal in every phase",
    "flips": "checkpoints damaged",
    "policy": "what is kept, against brute force",
    "disk": "a full disk at every write",
    "bad_configs": "configs and commands that are wrong",
    "mutations": "data files that are spoilt",
    "study_postgres": "workers of one study killed, PostgreSQL",
    "study_sqlite": "workers of one study killed, SQLite",
    "cost": "what saving and verifying take",
}


def main() -> int:
    """Runs what was asked for; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*SERIES, []], help="series (default: all)")
    parser.add_argument("--count", type=int, help="how many trials (default: the full count)")
    parser.add_argument("--no-record", action="store_true", help="do not append to results.jsonl")
    parser.add_argument("--scratch", type=Path, help="a folder for what is left to look at")
    typed = parser.parse_args()
    wrong = 0
    for name in typed.names or SERIES:
        module = importlib.import_module(name)
        with tempfile.TemporaryDirectory(prefix=f"{name}-") as temporary:
            scratch = typed.scratch or Path(temporary)
            scratch.mkdir(parents=True, exist_ok=True)
            outcome = module.measure(scratch, typed.count or module.COUNT)
        wrong_here = len(outcome.violations)
        print(f"{name}: {outcome.tried:,} trials, {wrong_here} violations, {outcome.seconds:.0f} s")
        for key, value in outcome.figures.items():
            print(f"  {key}: {value}")
        for line in outcome.violations[:50]:
            print(f"  VIOLATION {line}")
        wrong += wrong_here
        if not typed.no_record:
            row = {
                "series": name,
                "command": f"python experiments/reliability/run.py {name}",
                "tried": outcome.tried,
                "violations": outcome.violations,
                **outcome.figures,
                "seconds": round(outcome.seconds, 1),
                "hardware": hardware(),
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "commit": commit(),
            }
            with (HERE / "results.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
