"""Compare the frameworks in interleaved rounds, one process each, after checking that gradients are equal.

    pip install -e '.[peers]'
    python experiments/speed/compare.py                  # all workloads; about ten minutes on two cores
    python experiments/speed/compare.py rows tiny        # two of them
    python experiments/speed/compare.py --growth         # time by batch size, units and time steps
    python experiments/tables.py                         # the tables and the figure, from results.jsonl

Run nothing else at the same time. A new measurement of a workload replaces the old one.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from measure import FRAMEWORKS, PLAIN_ALLOCATOR
from workloads import WORKLOADS

from rnn_jax.reporting.provenance import commit, hardware
from rnn_jax.runtime.files import read_json_lines

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.jsonl"
EQUAL = 1e-4  # tolerance in float32, relative to the largest entry of each gradient
ROUNDS = 5
# Further variants of this package: other cells on the longest sequences, and the reference implementation.
ALSO = {
    "rows": [["--implementation", "scan"]],
    "pixels": [["--cell", "mingru"], ["--cell", "lru"]],
}
# Where the allocator matters most, the other frameworks are also measured with their default allocator.
AS_SHIPPED = ("pixels", "ptb_small")
GROWTH = {"batch": (32, 64, 128, 256, 512), "units": (32, 64, 128, 256, 512), "time": (7, 28, 112, 448)}


class Process:
    """A framework in a process of its own, which times a round on request."""

    def __init__(self, workload: str, options: Sequence[str], folder: Path, number: int) -> None:
        self.options = list(options)
        self.gradients = folder / f"{number}.npz"
        command = [
            sys.executable,
            str(HERE / "measure.py"),
            workload,
            *options,
            "--serve",
            str(self.gradients),
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.start: dict[str, Any] = json.loads(self._read())
        self.times: list[float] = []

    def round(self) -> None:
        """Time one round."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        self.times.append(float(self._read()))

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self.options}: ended with status {self._process.wait()}")
        return line

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def main(arguments: Sequence[str]) -> int:
    """Measure and record the chosen workloads; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "workloads", metavar="WORKLOAD", nargs="*", help=f"{', '.join(WORKLOADS)} (default: all)"
    )
    parser.add_argument(
        "--growth", action="store_true", help="the workload rows at other sizes, this package and PyTorch"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.workloads) - set(WORKLOADS)
    if unknown:
        parser.error(f"no workload {', '.join(sorted(unknown))}: must be one of {', '.join(WORKLOADS)}")
    if chosen.growth:
        for size, values in GROWTH.items():
            for value in values:
                options = [["--framework", name, f"--{size}", str(value)] for name in ("ours", "torch")]
                compare("rows", options, chosen.rounds, {"growth": size, "value": value})
        return 0
    for workload in chosen.workloads or WORKLOADS:
        options = [["--framework", name] for name in FRAMEWORKS]
        if workload in AS_SHIPPED:
            options += [["--framework", name, PLAIN_ALLOCATOR] for name in FRAMEWORKS[1:] if name != "limit"]
        compare(workload, options + ALSO.get(workload, []), chosen.rounds, {})
    return 0


def compare(workload: str, options: Sequence[Sequence[str]], rounds: int, place: Mapping[str, Any]) -> None:
    """Run the rounds of one workload; record a line per contender."""
    with tempfile.TemporaryDirectory() as folder:
        processes = [Process(workload, each, Path(folder), n) for n, each in enumerate(options)]
        differences = [difference(processes[0].gradients, process.gradients) for process in processes]
        for _ in range(rounds):
            for process in processes:
                process.round()
        for process in processes:
            process.stop()
    when = datetime.now(UTC).isoformat(timespec="seconds")
    rows = []
    for process, off in zip(processes, differences, strict=True):
        ratios = np.divide(process.times, processes[0].times)
        rows.append(
            {
                "workload": workload,
                **place,
                "options": process.options,
                **process.start,
                "ms_per_step": round(float(np.median(process.times)), 3),
                "lowest": round(min(process.times), 3),
                "highest": round(max(process.times), 3),
                "rounds": rounds,
                "times_ours": round(float(np.median(ratios)), 3),
                "gradient_difference": off,
                "hardware": hardware(),
                "date": when,
                "commit": commit(),
            }
        )
        print(
            f"{workload} {dict(place) or ''} {' '.join(process.options)}: {rows[-1]['ms_per_step']} ms",
            flush=True,
        )
    others = [
        row
        for row in read_json_lines(RESULTS)
        if (row["workload"], {k: row.get(k) for k in place}) != (workload, dict(place))
        or ("growth" in row) != bool(place)
    ]
    RESULTS.write_text("".join(json.dumps(row) + "\n" for row in others + rows), encoding="utf-8")


def difference(first: Path, second: Path) -> float | None:
    """Return the largest difference of loss and gradients, relative to the largest entry of each.

    Return None if the parameters have different names. Exit if the difference is more than rounding.
    """
    with np.load(first) as ours, np.load(second) as theirs:
        if set(ours.files) != set(theirs.files):
            return None
        off = max(float(np.abs(ours[n] - theirs[n]).max() / np.abs(ours[n]).max()) for n in ours.files)
    if off > EQUAL:
        sys.exit(
            f"{first} and {second}: loss and gradients differ by {off}, so they do not train the same model"
        )
    return off


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
