"""Time `rnn_jax.predict` on one core, for the 25,000 test reviews of IMDB in a file.

    python -m rnn_jax.main --config configs/imdb.py --workdir RUN
    python experiments/speed/answers.py RUN

It alternates with a command for a single review, which measures the time to start. The result is appended to
answers.jsonl, from which `python experiments/tables.py` generates the table.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from rnn_jax.datasets.published import imdb
from rnn_jax.reporting.provenance import commit, hardware
from rnn_jax.runtime.files import read_json_lines

RESULTS = Path(__file__).resolve().parent / "answers.jsonl"


def main(arguments: Sequence[str]) -> int:
    """Measure and record; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a run of configs/imdb.py")
    parser.add_argument("--data-dir", help="the folder of prepared data")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    reviews = imdb.read_examples(chosen.data_dir).splits["test"]["texts"]
    lines = [" ".join(review.split()) for review in reviews]
    with tempfile.TemporaryDirectory() as scratch:
        files = {"all": Path(scratch) / "all.txt", "one": Path(scratch) / "one.txt"}
        files["all"].write_text("\n".join(lines) + "\n", encoding="utf-8")
        files["one"].write_text(lines[0] + "\n", encoding="utf-8")
        seconds: dict[str, list[float]] = {name: [] for name in files}
        for _ in range(chosen.rounds):
            for name, file in files.items():
                seconds[name].append(_time(chosen.run, file, len(lines) if name == "all" else 1))
                print(f"{name}: {seconds[name][-1]:.1f} s", file=sys.stderr)
    row = {
        "workload": "imdb",
        "texts": len(lines),
        "words": round(float(np.mean([len(line.split()) for line in lines]))),
        "seconds": {name: round(float(np.median(found)), 2) for name, found in seconds.items()},
        "rounds": chosen.rounds,
        "hardware": hardware() | {"cores": 1},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }
    others = [old for old in read_json_lines(RESULTS) if old["workload"] != row["workload"]]
    RESULTS.write_text("".join(json.dumps(each) + "\n" for each in [*others, row]), encoding="utf-8")
    print(json.dumps(row))
    return 0


def _time(run: Path, file: Path, texts: int) -> float:
    """Return the seconds of the command on one core; assert that it prints a prediction per text."""
    command = [sys.executable, "-m", "rnn_jax.predict", "--workdir", str(run), "--json", str(file)]
    core = min(os.sched_getaffinity(0))
    began = time.perf_counter()
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, {core})
    )
    seconds = time.perf_counter() - began
    assert done.stdout.count(b"\n") == texts
    return seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
