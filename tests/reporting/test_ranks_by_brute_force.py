"""Headline, seeds, means with deviations, and ranks of made-up sets of runs, against direct computation."""

import itertools
import random
import re
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.pages.collection import Collection, rank_runs, ranked_groups
from rnn_jax.reporting.pages.contents import build_contents
from rnn_jax.reporting.pages.reading import Found, read_run
from rnn_jax.reporting.sweep_report import rank_points, winners

ACCURACY = Objective("accuracy", "max", ties=(("loss", "min"),))
LOSS = Objective("loss", "min")
VALUES: dict[str, list[Any]] = {
    "model.cell": ["lstm", "gru"],
    "model.hidden_size": [16, 32, 64],
    "optimizer.learning_rate": [0.001, 0.004, 0.016],
    "optimizer.beta1": [0.8, 0.9],
    "optimizer.beta2": [0.99, 0.999],
    "optimizer.clip_norm": [None, 1, 5.0],
}
STATUSES = ["finished"] * 12 + [
    "stopped early",
    "interrupted",
    "interrupted",
    "running",
    "diverged",
    "failed",
    "pruned",
]
LAST = {"pruned": 1, "diverged": 2, "failed": 2}
FILES = {"v1": "a.npz", "v2": "b.npz", "v3": "a.npz"}  # a file was changed in its place
Row = dict[str, Any]
Config = tuple[tuple[str, Any], ...]


def made_up(number: int) -> list[Row]:
    """Rows of runs: some configs on some data, each with some seeds, of which some are repeated."""
    draw = random.Random(number)
    names = draw.sample(list(VALUES), draw.randint(1, len(VALUES)))
    configs = {tuple((name, draw.choice(VALUES[name])) for name in names) for _ in range(draw.randint(1, 6))}
    rows = []
    for config, version in itertools.product(
        sorted(configs, key=str), list(FILES)[: draw.choice((1, 1, 2, 3))]
    ):
        for seed in range(draw.randint(1, 4)):
            rows += [row_of(draw, dict(config), version, seed)]
            if draw.random() < 0.15:
                rows += [rows[-1] if draw.random() < 0.5 else row_of(draw, dict(config), version, seed)]
    draw.shuffle(rows)
    return rows


def row_of(draw: random.Random, config: Row, version: str, seed: int) -> Row:
    status = draw.choice(STATUSES)
    best, test = (
        {"step": draw.randint(1, 9), "accuracy": draw.randint(80, 99) / 100, "loss": draw.random()},
        None,
    )
    if draw.random() < 0.07:
        best = None
    elif draw.random() < 0.07:
        best["accuracy"] = best["loss"] = None  # NaN, in JSON
    if status == "finished" and draw.random() < 0.8:
        test = {"accuracy": draw.random(), "loss": draw.random()}
    point = {**config, "dataset.file": FILES[version], "train.seed": seed, "task.name": "classification"}
    data = {"name": "sequences", "version": version, "train": 80, "validation": 10, "test": 10}
    own = {"point": point, "seed": seed, "status": status, "best": best, "test": test, "dataset": data}
    return {**own, "step": 9, "objective": ACCURACY.to_json()}


def collected(rows: Sequence[Row]) -> Collection:
    runs = []
    for number, row in enumerate(rows):
        run = read_run(Found(Path(f"/nowhere/{number}"), row), f"run{number}", None, None, number)
        runs.append(run._replace(config=run.point, own=run.point, point={}))
    return rank_runs([], runs, [])


def config_of(row: Row) -> Config:
    return tuple((key, value) for key, value in row["point"].items() if key in VALUES)


def value_of(row: Row, metric: str, split: str = "best") -> float | None:
    return None if row[split] is None else row[split][metric]


def distinct(rows: Sequence[Row]) -> list[Row]:
    """A row of each seed: the first finished one, or the first that ended, or the first."""
    chosen = []
    for seed in sorted({row["seed"] for row in rows}):
        own = [row for row in rows if row["seed"] == seed]
        finished = [row for row in own if row["status"] in ("finished", "stopped early")]
        finished = [row for row in finished if row["test"] is not None] or finished
        ended = [row for row in own if row["status"] in LAST]
        ended = [row for row in ended if row["test"] is not None] or ended
        chosen.append((finished or ended or own)[0])
    return chosen


def counted(rows: Sequence[Row]) -> list[Row]:
    """The rows that means are computed from: those that ended, or else those with a value, or else all."""
    chosen = distinct(rows)
    ended = [row for row in chosen if row["status"] not in ("interrupted", "running")]
    return ended or [row for row in chosen if value_of(row, "loss") is not None] or chosen


def rank(rows: Sequence[Row], objective: Objective) -> tuple[float, ...]:
    """The last status of a group, whether a value is missing, and the means that decide."""
    own = counted(rows)
    known = [row for row in own if value_of(row, objective.metric) is not None]
    means = []
    for metric, direction in (*objective.criteria, ("step", "max")):
        # In fractions, so that equal means are equal: NumPy's of 0.81, 0.91 and 0.83 is not 0.85.
        mean = float(sum(Fraction(row["best"][metric]) for row in known) / len(known)) if known else np.inf
        means.append(-mean if direction == "max" and known else mean)
    return max(LAST.get(row["status"], 0) for row in own), len(known) < len(own), *means


def groups_of(rows: Sequence[Row]) -> dict[str, dict[Config, list[Row]]]:
    """The rows of each config, by the version of the data."""
    found: dict[str, dict[Config, list[Row]]] = {}
    for row in rows:
        found.setdefault(row["dataset"]["version"], {}).setdefault(config_of(row), []).append(row)
    return found


def numbers(text: str) -> tuple[float, ...]:
    """The mean and the deviation in a cell, `98.61 ± 0.39 %`; () for a dash."""
    return tuple(map(float, re.findall(r"[\d.]+(?:e-\d+)?", text)))


def expected_numbers(rows: Sequence[Row], metric: str, split: str) -> list[float]:
    scale = 100 if metric == "accuracy" else 1
    found = [value_of(row, metric, split) for row in counted(rows)]
    values = scale * np.array([value for value in found if value is not None])
    return [] if not len(values) else [values.mean(), values.std(ddof=1)] if len(values) > 1 else [values[0]]


def check_headline(
    subject: str, sentence: str, groups: dict[Config, list[Row]], objective: Objective
) -> None:
    """The named keys have the values of a best config, and separate it from all others."""
    ranks = {config: rank(rows, objective) for config, rows in groups.items()}
    best = min(ranks.values())
    named = dict(re.findall(r"((?:model|optimizer)\.\w+) = ([\w.]+)", sentence.replace(" %;", ";")))
    named = {key: value.rstrip(".") for key, value in named.items()}
    fitting = [
        config
        for config in groups
        if np.allclose(ranks[config][2:], best[2:]) and ranks[config][:2] == best[:2]
    ]
    fitting = [
        c
        for c in fitting
        if all(
            f"{dict(c)[key]:.4g}" == value if isinstance(dict(c)[key], float) else str(dict(c)[key]) == value
            for key, value in named.items()
        )
    ]
    assert len(fitting) == 1, (sentence, fitting)
    winner, others = dict(fitting[0]), [dict(config) for config in groups if config != fitting[0]]

    def separate(keys: Sequence[str]) -> bool:
        return all(any(winner[key] != other[key] for key in keys) for other in others)

    assert separate(list(named))
    unique = [key for key in winner if others and separate([key])]
    assert (
        set(named) == set(unique)
        if unique
        else not any(separate([other for other in named if other != key]) for key in named)
    )
    rows = groups[fitting[0]]
    values = re.search(r"validation \w+ ([\de.-]+(?: ± [\de.-]+)?)", sentence)
    assert values is not None
    expected = expected_numbers(rows, objective.metric, "best")
    assert np.allclose(numbers(values[1]), expected, atol=0.00501 if objective is ACCURACY else 0.0000501)
    seeds, done = (
        {row["seed"] for row in rows},
        {row["seed"] for row in rows if row["status"] in ("finished", "stopped early")},
    )
    if len(seeds) > 1:
        count = f"{len(seeds)} seeds" if seeds == done else f"{len(done)} of {len(seeds)} seeds finished"
        assert count in sentence, (sentence, count)
    else:
        assert "seeds" not in sentence


def check(rows: Sequence[Row], objective: Objective) -> None:
    rows = [{**row, "objective": objective.to_json()} for row in rows]
    expected, found = groups_of(rows), collected(rows)
    page = build_contents(found, "", datetime(2026, 1, 1))
    best = [each for each in page["best"] if "not ranked" not in each[1]]
    with_result = [
        version
        for version, groups in expected.items()
        if np.isfinite(min(rank(own, objective) for own in groups.values())[2])
    ]
    assert len(best) == len(with_result)
    for subject, sentence in best:
        (version,) = [v for v in with_result if len(expected) == 1 or f"sequences {v} (" in subject]
        check_headline(subject, sentence, expected[version], objective)
    order = ranked_groups(found)
    assert len(order) == sum(map(len, expected.values()))
    last: dict[str, tuple[float, ...]] = {}
    for place, group in enumerate(order):
        own = [rows[int(run.name.removeprefix("run"))] for run in group]
        version = own[0]["dataset"]["version"]
        assert own == expected[version][config_of(own[0])]
        own_rank = rank(own, objective)
        assert last.get(version, own_rank) <= tuple(value + 1e-9 for value in own_rank)
        last[version] = own_rank
        if page["seeds"] is not None:
            cells = dict(
                zip(
                    [name for name, _, _ in page["seeds"]["columns"]],
                    page["seeds"]["rows"][place],
                    strict=True,
                )
            )
            for metric, split in itertools.product(("accuracy", "loss"), ("best", "test")):
                name = f"{'validation' if split == 'best' else split} {metric}"
                if name in cells:
                    shown, wanted = numbers(cells[name][0]), expected_numbers(own, metric, split)
                    assert np.allclose(shown, wanted, atol=0.00501 if metric == "accuracy" else 0.0000501), (
                        cells,
                        wanted,
                    )
            assert cells["runs"][1] == len({row["seed"] for row in own})
            assert ("repeated" in cells["runs"][0]) == (len(own) > cells["runs"][1])


def check_sweep(rows: Sequence[Row], objective: Objective) -> None:
    """The points of a sweep over files, with a trial that a study repeated."""
    rows = [{**row, "point": {k: v for k, v in row["point"].items() if k != "train.seed"}} for row in rows]
    expected, ranked = groups_of(rows), rank_points(rows, objective)
    assert len(ranked) == sum(map(len, expected.values()))
    for best in winners(ranked):
        assert best.benchmark is not None
        groups = list(filter(has_result, expected[best.benchmark.version].values()))
        if not groups:
            continue
        first = min(sweep_rank(own, objective) for own in groups)
        assert np.allclose(sweep_rank([dict(row) for row in best.rows], objective), first)
        shown = [best.mean, *([np.std(best.values, ddof=1)] if len(best.values) > 1 else [])]
        wanted = [
            expected_numbers(own, objective.metric, "best")
            for own in groups
            if np.allclose(sweep_rank(own, objective), first)
        ]
        scale = 100 if objective is ACCURACY else 1
        assert not best.values or any(
            len(each) == len(shown) and np.allclose(scale * np.array(shown), each) for each in wanted
        )


def has_result(rows: Sequence[Row]) -> bool:
    """Whether a point has a value, and a member that neither diverged nor failed has metrics."""
    own = distinct(rows)
    values = [value_of(row, "loss") for row in counted(rows)]
    known = [row for row in own if row["best"] is not None and row["status"] not in ("diverged", "failed")]
    return bool(known) and any(value is not None for value in values)


def sweep_rank(rows: Sequence[Row], objective: Objective) -> tuple[float, ...]:
    status, is_missing, *means = rank(rows, objective)
    return float(status > 0 or is_missing), *(min(mean, 1e9) for mean in means)


@pytest.mark.parametrize("sets", [range(60), pytest.param(range(60, 500), marks=pytest.mark.matrix)])
def test_made_up_sets_of_runs_are_reported_as_computed_directly(sets: range) -> None:
    for number in sets:
        rows = made_up(number)
        for objective in (ACCURACY, LOSS):
            check(rows, objective)
            check_sweep(rows, objective)
