"""Time whole sweeps, from the command to the results: one program against one process per model.

    python experiments/speed/commands.py tiny
    python experiments/speed/commands.py rows

The processes are `rnn_jax.main`, two at a time. The result is appended to commands.jsonl, from which
`python experiments/tables.py` generates the table. Preparing the data is not timed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.reporting.log import read_lines
from rnn_jax.reporting.provenance import commit, hardware
from rnn_jax.runtime.files import read_json_lines

RESULTS = Path(__file__).resolve().parent / "commands.jsonl"
AT_A_TIME = 2
SHARED = [
    "--config",
    "configs/mnist.py",
    "--config.log.tensorboard=False",
    "--config.train.report_test=False",
]
WORKLOADS: dict[str, tuple[int, dict[str, Any]]] = {
    "tiny": (32, {"model.hidden_size": 32, "dataset.batch_size": 32, "train.duration_steps": 1000}),
    "rows": (16, {"train.duration_steps": 430}),
}
"""For each workload, the number of models and the overrides of configs/mnist.py that they share."""


def main(arguments: Sequence[str]) -> int:
    """Measure and record; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("workload", choices=WORKLOADS)
    chosen = parser.parse_args(arguments)
    models, changes = WORKLOADS[chosen.workload]
    shared = [*SHARED, *(f"--config.{key}={value}" for key, value in changes.items())]
    rates = [f"{rate:.4g}" for rate in np.geomspace(1e-4, 1e-2, models)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _call("rnn_jax.main", [*shared, "--config.train.duration_steps=1", f"--workdir={folder / 'first'}"])
        sweep = ["--grid", f"optimizer.learning_rate={','.join(rates)}", f"--workdir={folder / 'sweep'}"]
        began = time.perf_counter()
        _call("rnn_jax.sweep", [*shared, *sweep])
        together = time.perf_counter() - began
        alone = [
            [*shared, f"--config.optimizer.learning_rate={rate}", f"--workdir={folder / rate}"]
            for rate in rates
        ]
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            list(pool.map(lambda own: _call("rnn_jax.main", own), alone))
        apart = time.perf_counter() - began
        differences = _differences(folder, rates)
    row = {
        "workload": chosen.workload,
        "models": models,
        "steps": changes["train.duration_steps"],
        "sweep_seconds": round(together, 1),
        "processes_seconds": round(apart, 1),
        "largest_difference": max(differences),
        "hardware": hardware(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }
    others = [old for old in read_json_lines(RESULTS) if old["workload"] != chosen.workload]
    RESULTS.write_text("".join(json.dumps(each) + "\n" for each in [*others, row]), encoding="utf-8")
    print(json.dumps(row))
    return 0


def _call(module: str, arguments: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, stdout=subprocess.DEVNULL)


def _differences(folder: Path, rates: Sequence[str]) -> list[float]:
    """Return the difference of each model's best validation loss between the sweep and its own process."""
    members = read_lines(folder / "sweep" / "results.jsonl")
    alone = [json.loads((folder / rate / "summary.json").read_text(encoding="utf-8")) for rate in rates]
    return [
        abs(member["best"]["loss"] - own["best"]["loss"]) for member, own in zip(members, alone, strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
