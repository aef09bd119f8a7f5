"""Run series of endurance trials, and record their outcomes in experiments/reliability/results.jsonl.

    python tests/endurance/run.py               # all series, one after another
    python tests/endurance/run.py kills flips   # some series
    python tests/endurance/run.py kills --count 20 --no-record

Each series is a file in this folder or in inputs/ with `measure(scratch, count) -> Outcome` and `COUNT`, the
full number of trials. The exit status is 1 if there was a violation.
"""

import argparse
import importlib
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rnn_jax.reporting.provenance import commit, hardware

HERE = Path(__file__).resolve().parent
RELIABILITY = HERE.parents[1] / "experiments" / "reliability"
sys.path += [str(RELIABILITY), str(RELIABILITY.parent), str(HERE / "inputs")]
SERIES = importlib.import_module("report").SERIES


def main() -> int:
    """Run the series on the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*SERIES, []], help="series (default: all)")
    parser.add_argument("--count", type=int, help="number of trials (default: the full count)")
    parser.add_argument("--no-record", action="store_true", help="do not append to results.jsonl")
    parser.add_argument("--scratch", type=Path, help="folder for the trials' files (default: temporary)")
    arguments = parser.parse_args()
    wrong = 0
    for name in arguments.names or SERIES:
        module = importlib.import_module(name)
        with tempfile.TemporaryDirectory(prefix=f"{name}-") as temporary:
            scratch = arguments.scratch or Path(temporary)
            scratch.mkdir(parents=True, exist_ok=True)
            outcome = module.measure(scratch, arguments.count or module.COUNT)
        wrong_here = len(outcome.violations)
        print(f"{name}: {outcome.tried:,} trials, {wrong_here} violations, {outcome.seconds:.0f} s")
        for key, value in outcome.measurements.items():
            print(f"  {key}: {value}")
        for line in outcome.violations[:50]:
            print(f"  VIOLATION {line}")
        wrong += wrong_here
        if not arguments.no_record:
            row = {
                "series": name,
                "command": f"python tests/endurance/run.py {name}",
                "tried": outcome.tried,
                "violations": outcome.violations,
                **outcome.measurements,
                "seconds": round(outcome.seconds, 1),
                "hardware": hardware(),
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "commit": commit(),
            }
            with (RELIABILITY / "results.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
