"""The retention policy on random histories (NaN, ties, interruptions), against brute force."""

import dataclasses
import math
import random
from pathlib import Path

from outcomes import Outcome

from rnn_jax.checkpoints.store import SavedCheckpoint, expired
from rnn_jax.config.objective import Objective
from rnn_jax.config.sections import Checkpoint
from rnn_jax.training.progress import Progress

COUNT = 10_000
METRICS = (0.0, -0.0, 0.25, 0.5, 0.5, 0.5, 0.75, 1.0, math.nan, math.nan, math.inf, -math.inf, -3.0, 1e-300)


@dataclasses.dataclass
class Folder:
    """The progress.json of each checkpoint on the disk, by its step."""

    checkpoints: dict[int, dict]


def measure(scratch: Path, count: int) -> Outcome:
    """Run `count` histories."""
    del scratch
    outcome, chance = Outcome(), random.Random(0)
    with outcome.timed():
        for number in range(count):
            outcome.tried += 1
            violation = _play(chance, outcome)
            outcome.check(violation is None, f"history {number}: {violation}")
    return outcome


def _play(chance: random.Random, outcome: Outcome) -> str | None:
    """Run one history with random interruptions; return the violation, or None."""
    latest, best = chance.randint(1, 4), chance.randint(1, 3)
    policy = Checkpoint(every_steps=None, every_seconds=None, keep_latest=latest, keep_best=best)
    objective = Objective("metric", chance.choice(("max", "min")))
    events = [chance.choice(METRICS) if chance.random() < 0.7 else None for _ in range(chance.randint(1, 25))]
    planned = [chance.random() < 0.3 for _ in events]
    folder, progress, step = Folder({}), Progress(devices=1), 0
    while step < len(events):
        step += 1
        metric = events[step - 1]
        if metric is not None:
            member = progress.members[0].evaluated(step, {"metric": metric}, objective)
            progress = dataclasses.replace(progress, members=(member,), evaluated_at=step)
        # Every evaluation is planned, and so are other checkpoints, unless a signal or clock asked for them.
        progress = dataclasses.replace(progress, is_planned=planned[step - 1] or metric is not None)
        if chance.random() < 0.15:  # killed before the save, and started again
            outcome.count("interruptions")
            step = max(folder.checkpoints, default=0)
            progress = Progress.from_json(folder.checkpoints[step]) if step else Progress(devices=1)
            continue
        folder.checkpoints[step] = progress.to_json()
        if chance.random() < 0.1:  # killed before expired checkpoints are removed
            outcome.count("interruptions")
            progress = Progress.from_json(folder.checkpoints[step])
            continue
        _remove(folder, policy, objective)
        violation = _fault(folder, policy, objective.direction, events[:step], planned, progress)
        if violation is not None:
            return f"{policy}, {objective.direction}, {events[:step]}: {violation}"
    return None


def _remove(folder: Folder, policy: Checkpoint, objective: Objective) -> None:
    there = []
    for step, fields in folder.checkpoints.items():
        metrics = fields["metrics"] if fields["evaluated_at"] == step else None
        there.append(SavedCheckpoint(step, metrics, fields["is_planned"], fields["best_step"]))
    for step in expired(there, policy, objective):
        del folder.checkpoints[step]


def _best(events: list[float | None], direction: str, count: int) -> list[int]:
    """The steps of the best events, from 1 on, the best one first."""
    by_rank: list[tuple[float, int]] = []
    for step, metric in enumerate(events, start=1):
        if metric is not None and math.isfinite(metric):
            by_rank.append((metric, step))
    best: list[int] = []
    while by_rank and len(best) < count:
        top = by_rank[0]
        for other in by_rank:
            is_better = other[0] >= top[0] if direction == "max" else other[0] <= top[0]  # later
            if is_better:
                top = other
        best.append(top[1])
        by_rank.remove(top)
    return best


def _fault(
    folder: Folder,
    policy: Checkpoint,
    direction: str,
    events: list[float | None],
    planned: list[bool],
    progress: Progress,
) -> str | None:
    """Compare with the checkpoints that all events so far require, whatever interruptions happened."""
    best = _best(events, direction, policy.keep_best)
    latest = range(max(1, len(events) - policy.keep_latest + 1), len(events) + 1)
    anchors = [step for step, metric in enumerate(events, start=1) if planned[step - 1] or metric is not None]
    resumable = {*latest, *anchors[-1:]}
    of_their_time = {each for step in resumable for each in _best(events[:step], direction, 1)}
    wanted = sorted(resumable | of_their_time | {*best})
    if sorted(folder.checkpoints) != wanted:
        return f"kept {sorted(folder.checkpoints)}, not {wanted}"
    best_step = progress.members[0].best_step
    if best_step != (best[0] if best else None):
        return f"best step {best_step}, not {best[:1]}"
    return None
