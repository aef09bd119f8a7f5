"""Time an epoch on IMDB in batches of similar lengths, and in batches padded to the longest review.

    python experiments/speed/buckets.py

The two alternate in one process, a quarter of an epoch at a time, on as many devices as `rnn_jax.main` uses.
The result is appended to buckets.jsonl, from which `python experiments/tables.py` generates the table.
Preparing the data and compiling the step for each batch shape are not timed.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import jax
import numpy as np

from rnn_jax.config.command_line import load_config
from rnn_jax.config.schema import split_hyper, validate
from rnn_jax.reporting.provenance import commit, hardware
from rnn_jax.runtime import devices
from rnn_jax.runtime.allocator import restart_with_huge_pages
from rnn_jax.runtime.files import read_json_lines
from rnn_jax.training import program
from rnn_jax.training.build import build
from rnn_jax.training.program import Program
from rnn_jax.training.state import State

RESULTS = Path(__file__).resolve().parent / "buckets.jsonl"
CONFIGS = {"bucketed": "configs/imdb.py", "padded": "configs/imdb.py:padded"}
TURNS = 4  # per epoch


def main(arguments: Sequence[str]) -> int:
    """Measure and record; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data-dir", help="the folder of prepared data")
    chosen = parser.parse_args(arguments)
    ways = {name: Way(source, chosen.data_dir) for name, source in CONFIGS.items()}
    examples = len(ways["bucketed"].program.job.data.splits["train"]["lengths"])
    steps = -(-examples // ways["bucketed"].batch_size)
    turns = np.array_split(np.arange(steps), TURNS)
    for way in ways.values():
        way.warm(steps)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in turns:
        for name, way in ways.items():
            seconds[name].append(way.run(turn))
            print(f"{name}: {len(turn)} steps in {seconds[name][-1]:.1f} s", file=sys.stderr)
    row = {
        "workload": "imdb",
        "steps": steps,
        "batch_size": ways["bucketed"].batch_size,
        "seconds": {name: round(sum(found), 1) for name, found in seconds.items()},
        "read_steps": {name: way.read for name, way in ways.items()},
        "devices": str(ways["bucketed"].program.devices),
        "hardware": hardware(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }
    others = [old for old in read_json_lines(RESULTS) if old["workload"] != row["workload"]]
    RESULTS.write_text("".join(json.dumps(each) + "\n" for each in [*others, row]), encoding="utf-8")
    print(json.dumps(row))
    return 0


class Way:
    """The training loop of a config, from its first step."""

    def __init__(self, source: str, data_dir: str | None) -> None:
        config = validate(load_config(source, {"dataset.data_dir": data_dir}))[0]
        job = build(config)
        sections, _ = split_hyper(config)
        where = devices.build_devices(devices.worthwhile_cores(*job.batch_shape), **sections["runtime"])
        self.program: Program = program.load(job, where)
        self.batch_size: int = config.dataset.batch_size
        self.read = 0
        """The number of time steps processed so far in timed training steps, including padding."""
        self._state: State = self.program.init()

    def warm(self, steps: int) -> None:
        """Compile the training step for every shape among the first `steps` batches."""
        shapes: dict[tuple[int, ...], int] = {}
        for step in range(steps):
            shapes.setdefault(self.program.indices("train", step).shape, step)
        for step in shapes.values():
            self._step(step)

    def run(self, steps: np.ndarray) -> float:
        """Train these steps; return the seconds that they took."""
        began = time.perf_counter()
        for step in steps.tolist():
            rows, width = self._step(step)
            self.read += rows * (width - 1)  # the first column is the index of the example
        jax.block_until_ready(self._state)
        return time.perf_counter() - began

    def _step(self, step: int) -> tuple[int, int]:
        ours = self.program
        indices = ours.indices("train", step)
        self._state = ours.settle(ours.train_step(self._state, ours.hyper, ours.data["train"], indices))
        rows, width = indices.shape
        return rows, width


if __name__ == "__main__":
    restart_with_huge_pages()
    sys.exit(main(sys.argv[1:]))
