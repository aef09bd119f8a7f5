"""Runs an experiment, one ordinary command after another, and records each run.

    python experiments/run.py EXPERIMENT [ARM ...] [--seeds 0,1,2] [-- MORE OPTIONS OF rnn_jax.main]

EXPERIMENT is a folder beside this file. Its arms.py has `ARMS`: by name a config, what is changed in it, and
the seeds it is run with; or `SWEEPS`: a config, what is changed in it, and a sweep file beside arms.py; or
`STUDIES`: the same, and how many workers share its trials, which a database under runs/ keeps; and `FIGURE`,
of which curves are kept (default: accuracy). What a language model wrote is kept in samples/. What
results.jsonl has is passed over, and an interrupted run goes on where it was. To do a run again, delete its
line and its folder under runs/EXPERIMENT/.
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
MOST_POINTS = 200  # of a curve that is kept


class SweptArm(NamedTuple):
    """Many members at once: a config, what is changed in it for all, and the sweep file."""

    config: str
    overrides: dict[str, Any]
    sweep: str
    workers: int | None = None
    """Of a study; None: it is a sweep of one process."""


class Arm(NamedTuple):
    """What is compared: a config, what is changed in it, and the seeds it is run with."""

    config: str
    overrides: dict[str, Any]
    seeds: Sequence[int]


def main(arguments: Sequence[str]) -> int:
    """Runs what is asked for and not recorded yet; returns the exit status."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    own, more = list(arguments[:split]), list(arguments[split + 1 :])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    experiments = sorted(path.parent.name for path in HERE.glob("*/arms.py"))
    parser.add_argument("experiment", choices=experiments)
    parser.add_argument("arms", metavar="ARM", nargs="*", help="names in its arms.py (default: all)")
    parser.add_argument("--seeds", help="numbers with commas between (default: the arm's own; not of sweeps)")
    chosen = parser.parse_args(own)
    found = runpy.run_path(str(HERE / chosen.experiment / "arms.py"))
    arms, figure = found.get("ARMS", {}), found.get("FIGURE", "accuracy")
    sweeps = found.get("SWEEPS", {}) | found.get("STUDIES", {})
    arms |= sweeps
    unknown = [name for name in chosen.arms if name not in arms]
    if unknown:
        parser.error(f"no arm {', '.join(unknown)}; there are {', '.join(arms)}")
    for name in chosen.arms or arms:
        if name in sweeps:
            status = sweep(HERE / chosen.experiment, name, SweptArm(*sweeps[name]), figure, more)
            if status != 0:
                return status
            continue
        arm = Arm(*arms[name])
        seeds = arm.seeds if chosen.seeds is None else map(int, chosen.seeds.split(","))
        for seed in seeds:
            status = run(HERE / chosen.experiment, name, arm, seed, figure, more)
            if status != 0:
                return status
    return 0


def run(folder: Path, name: str, arm: Arm, seed: int, figure: str, more: Sequence[str]) -> int:
    """Trains one arm with one seed and records it; returns the training's exit status."""
    if records.find(records.read(folder / "results.jsonl"), arm.config, arm.overrides, seed):
        print(f"{name}, seed {seed}: recorded already")
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
    # Where the data lies on this machine helps nobody: such options are in `more`, and are not recorded.
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
    keep_curves(folder, ROOT / workdir / "metrics.jsonl", place, ("train", "batch", "validation"), figure)
    samples = ROOT / workdir / "samples.txt"
    if samples.exists():
        (folder / "samples").mkdir(exist_ok=True)
        shutil.copyfile(samples, folder / "samples" / f"{name}-{seed}.txt")
    return 0


def at_the_end(rows: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """The running mean of the training loss between the last two evaluations; None: nothing was logged.

    Of whole logging intervals: one that an evaluation falls into counts in full.
    """
    evaluated = [row["step"] for row in rows if row["split"] == "validation"]
    first = evaluated[-2] if len(evaluated) > 1 else 0
    losses = [row["loss"] for row in rows if row["split"] == "train" and row["step"] > first]
    return {"loss": float(np.mean(losses))} if losses and None not in losses else None


def sweep(folder: Path, name: str, arm: SweptArm, figure: str, more: Sequence[str]) -> int:
    """Runs a sweep and records its members; returns the command's exit status."""
    if any(row.get("sweep") == name for row in records.read(folder / "results.jsonl")):
        print(f"{name}: recorded already")
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
        keep_curves(folder, metrics, place, ("validation",), figure)
    return 0


def keep_curves(
    folder: Path, metrics: Path, place: Mapping[str, Any], splits: Sequence[str], figure: str
) -> None:
    """Puts one figure of a run into curves.jsonl, thinned: what the picture is drawn from."""
    path = folder / "curves.jsonl"
    others = [row for row in records.read(path) if {key: row.get(key) for key in place} != place]
    rows = read_lines(metrics)
    for split in splits:
        points = [(row["step"], row.get(figure)) for row in rows if row["split"] == split]
        points = [(step, value) for step, value in points if value is not None]
        if points:
            steps, values = thin(np.array(points))
            others.append({**place, "split": split, "steps": steps, figure: values})
    path.write_text("".join(json.dumps(row) + "\n" for row in others), encoding="utf-8")


def thin(points: np.ndarray) -> tuple[list[int], list[float]]:
    """At most so many of `points` [n, 2]: means over neighbours, at the last step of each group."""
    groups = np.array_split(points, min(len(points), MOST_POINTS))
    return [int(group[-1, 0]) for group in groups], [round(float(group[:, 1].mean()), 5) for group in groups]


def _names_a_folder(option: str) -> bool:
    return option.startswith(("--config.dataset.data_dir=", "--config.dataset.manual_dir="))


def _call(command: Sequence[str]) -> int:
    """Runs a command and returns its exit status; signals are its own to answer, with a checkpoint."""
    with subprocess.Popen(command, cwd=ROOT) as process:
        signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the whole group, the command too
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
