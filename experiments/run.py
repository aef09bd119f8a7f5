"""Run an experiment, one ordinary command after another, and record each run.

    python experiments/run.py EXPERIMENT [ARM ...] [--seeds 0,1,2] [-- MORE OPTIONS OF rnn_jax.main]

EXPERIMENT is a folder beside this file. Its arms.py defines the runs, by name, in one or more of

- `ARMS`: (config, overrides, seeds)
- `SWEEPS`: (config, overrides, sweep file beside arms.py)
- `STUDIES`: (config, overrides, sweep file, number of workers); the trials are in a database under runs/

and optionally `METRIC`, the metric whose curves are recorded (default: accuracy). Samples of language models
are copied to samples/. Runs that results.jsonl has are skipped, and an interrupted run is resumed. To repeat
a run, delete its line in results.jsonl and its folder under runs/EXPERIMENT/.
"""

import argparse
import json
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import records

from rnn_jax.reporting.log import read_lines

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MAX_POINTS = 200  # of a curve in curves.jsonl


class SweptArm(NamedTuple):
    """A sweep: its config, the overrides that all members share, and the sweep file."""

    config: str
    overrides: dict[str, Any]
    sweep: str
    workers: int | None = None
    """The number of workers of a study; None for a sweep in one process."""


class Arm(NamedTuple):
    """One arm of a comparison: a config, its overrides, and the seeds that it is trained with."""

    config: str
    overrides: dict[str, Any]
    seeds: Sequence[int]


def main(arguments: Sequence[str]) -> int:
    """Run the chosen arms that are not recorded yet; return the exit status."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    own, more = list(arguments[:split]), list(arguments[split + 1 :])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    experiments = sorted(path.parent.name for path in HERE.glob("*/arms.py"))
    parser.add_argument("experiment", choices=experiments)
    parser.add_argument("arms", metavar="ARM", nargs="*", help="names of arms in its arms.py (default: all)")
    parser.add_argument(
        "--seeds", help="seeds, separated by commas (default: those of the arm; not for sweeps)"
    )
    chosen = parser.parse_args(own)
    found = runpy.run_path(str(HERE / chosen.experiment / "arms.py"))
    arms, metric = found.get("ARMS", {}), found.get("METRIC", "accuracy")
    sweeps = found.get("SWEEPS", {}) | found.get("STUDIES", {})
    arms |= sweeps
    unknown = [name for name in chosen.arms if name not in arms]
    if unknown:
        parser.error(f"no arm {', '.join(unknown)}: must be one of {', '.join(arms)}")
    for name in chosen.arms or arms:
        if name in sweeps:
            status = sweep(HERE / chosen.experiment, name, SweptArm(*sweeps[name]), metric, more)
            if status != 0:
                return status
            continue
        arm = Arm(*arms[name])
        seeds = arm.seeds if chosen.seeds is None else map(int, chosen.seeds.split(","))
        for seed in seeds:
            status = run(HERE / chosen.experiment, name, arm, seed, metric, more)
            if status != 0:
                return status
    return 0


def run(folder: Path, name: str, arm: Arm, seed: int, metric: str, more: Sequence[str]) -> int:
    """Train one arm with one seed and record it; return the exit status of the training."""
    if records.find(records.read(folder / "results.jsonl"), arm.config, arm.overrides, seed):
        print(f"{name}, seed {seed}: already recorded")
        return 0
    workdir = f"runs/{folder.name}/{name}-{seed}"
    overrides = [f"--config.{key}={value}" for key, value in arm.overrides.items()]
    command = ["-m", "rnn_jax.main", "--config", arm.config, "--workdir", workdir]
    command += [f"--config.train.seed={seed}", *overrides]
    print(f"{name}, seed {seed}: python {shlex.join([*command, *more])}", flush=True)
    status = _call([sys.executable, *command, *more])
    if status != 0:
        return status
    summary = json.loads((ROOT / workdir / "summary.json").read_text(encoding="utf-8"))
    # Folders of data on this machine do not help a reader: the recorded command omits them.
    shown = [option for option in more if not _names_a_folder(option)]
    records.record(
        folder / "results.jsonl",
        summary={**summary, "train": at_the_end(read_lines(ROOT / workdir / "metrics.jsonl"))},
        config=arm.config,
        overrides=arm.overrides,
        seed=seed,
        command=f"python {shlex.join([*command, *shown])}",
    )
    place = {"config": arm.config, "overrides": arm.overrides, "seed": seed}
    keep_curves(folder, ROOT / workdir / "metrics.jsonl", place, ("train", "batch", "validation"), metric)
    samples = ROOT / workdir / "samples.txt"
    if samples.exists():
        (folder / "samples").mkdir(exist_ok=True)
        shutil.copyfile(samples, folder / "samples" / f"{name}-{seed}.txt")
    return 0


def at_the_end(rows: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """Return the mean training loss after the last evaluation but one; None if nothing was logged.

    The mean is over whole logging intervals: one that contains an evaluation counts in full.
    """
    evaluated = [row["step"] for row in rows if row["split"] == "validation"]
    first = evaluated[-2] if len(evaluated) > 1 else 0
    losses = [row["loss"] for row in rows if row["split"] == "train" and row["step"] > first]
    return {"loss": float(np.mean(losses))} if losses and None not in losses else None


def sweep(folder: Path, name: str, arm: SweptArm, metric: str, more: Sequence[str]) -> int:
    """Run a sweep and record its members; return the exit status of the command."""
    if any(row.get("sweep") == name for row in records.read(folder / "results.jsonl")):
        print(f"{name}: already recorded")
        return 0
    workdir = f"runs/{folder.name}/{name}"
    command = ["-m", "rnn_jax.sweep", "--config", arm.config]
    command += ["--sweep", str((folder / arm.sweep).relative_to(ROOT)), "--workdir", workdir]
    command += [f"--config.{key}={value}" for key, value in arm.overrides.items()]
    if arm.workers is not None:
        command += ["--storage", f"sqlite:///{workdir}.db", "--workers", str(arm.workers)]
        (ROOT / workdir).parent.mkdir(parents=True, exist_ok=True)
    print(f"{name}: python {shlex.join([*command, *more])}", flush=True)
    status = _call([sys.executable, *command, *more])
    if status != 0:
        return status
    for member in read_lines(ROOT / workdir / "results.jsonl"):
        overrides, seed = {**arm.overrides, **member.pop("point")}, member.pop("seed")
        place = member.pop("folder", f"members/{member['member']}")
        metrics = ROOT / workdir / place / "metrics.jsonl"
        records.record(
            folder / "results.jsonl",
            summary={"sweep": name, **member},
            config=arm.config,
            overrides=overrides,
            seed=seed,
            command=f"python {shlex.join(command)}",
        )
        place = {"sweep": name, "config": arm.config, "overrides": overrides, "seed": seed}
        keep_curves(folder, metrics, place, ("validation",), metric)
    return 0


def keep_curves(
    folder: Path, metrics: Path, place: Mapping[str, Any], splits: Sequence[str], metric: str
) -> None:
    """Write the thinned curves of one metric of a run to curves.jsonl, from which the figure is drawn."""
    path = folder / "curves.jsonl"
    others = [row for row in records.read(path) if {key: row.get(key) for key in place} != place]
    rows = read_lines(metrics)
    for split in splits:
        points = [(row["step"], row.get(metric)) for row in rows if row["split"] == split]
        points = [(step, value) for step, value in points if value is not None]
        if points:
            steps, values = thin(np.array(points))
            others.append({**place, "split": split, "steps": steps, metric: values})
    path.write_text("".join(json.dumps(row) + "\n" for row in others), encoding="utf-8")


def thin(points: np.ndarray) -> tuple[list[int], list[float]]:
    """Reduce `points` [n, 2] to at most `MAX_POINTS`: the mean of each group, at its last step."""
    groups = np.array_split(points, min(len(points), MAX_POINTS))
    return [int(group[-1, 0]) for group in groups], [round(float(group[:, 1].mean()), 5) for group in groups]


def _names_a_folder(option: str) -> bool:
    return option.startswith(("--config.dataset.data_dir=", "--config.dataset.manual_dir="))


def _call(command: Sequence[str]) -> int:
    """Run a command and return its exit status; on a signal it writes a checkpoint and exits."""
    with subprocess.Popen(command, cwd=ROOT) as process:
        # Ctrl-C reaches the command too: it is in the same process group.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
