"""Differing keys of runs, and the tables."""

from pathlib import Path
from typing import Any

import pytest
from run_folders import write_run

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.charts import scale_of
from rnn_jax.reporting.pages import tables
from rnn_jax.reporting.pages.collection import (
    Collection,
    collect,
    compared_keys,
    differing_keys,
    group_seeds,
    split_settings,
)


def collected(folder: Path, *changes: dict[str, Any], **run: Any) -> Collection:
    finals = run.pop("finals", [0.9 - 0.1 * n for n in range(len(changes))])
    for number, change in enumerate(changes):
        write_run(folder / str(number), change, final=finals[number], seed=number, **run)
    return collect([folder / str(number) for number in range(len(changes))])


def test_common_and_own_settings_add_up_to_each_config(tmp_path: Path) -> None:
    found = collected(
        tmp_path,
        {"optimizer.learning_rate": 0.1, "log.every_steps": 5},
        {"model.cell": "gru", "log.every_steps": 6},
        {"optimizer.clip_norm": 1.0, "model.extra": 7},
    )
    common, runs = split_settings(found.runs)
    for run in runs:
        assert {**common, **run.own} == run.config
        assert not set(common) & set(run.own)
    keys = differing_keys(runs)
    assert set(keys) == {
        "model.cell",
        "model.extra",
        "optimizer.learning_rate",
        "optimizer.clip_norm",
        "log.every_steps",
    }
    assert [key.partition(".")[0] for key in keys] == ["model"] * 2 + ["optimizer"] * 2 + ["log"]
    assert "log.every_steps" not in compared_keys(found.runs, keys)


def test_true_is_not_one(tmp_path: Path) -> None:
    found = collected(tmp_path, {"model.residual": True}, {"model.residual": 1})
    assert differing_keys(split_settings(found.runs)[1]) == ["model.residual"]


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1e-4, 1e-1], "log"),
        ([16, 32], "linear"),
        ([0.0, 0.5], "linear"),
        ([-1, 100], "linear"),
        (["lstm", "gru"], "names"),
        ([1.0, None], "names"),
        ([True, False], "names"),
    ],
)
def test_the_scale_fits_the_values(values: list[Any], scale: str) -> None:
    assert scale_of(values) == scale


def test_a_row_per_run_with_texts_and_sort_keys(tmp_path: Path) -> None:
    rates = [{"optimizer.learning_rate": rate} for rate in (0.003, 0.01)]
    found = collected(tmp_path, *rates)
    table = tables.table_of_runs(found.runs, ["optimizer.learning_rate"], found.objective)
    names = [name for name, _, _ in table.columns]
    assert names[:4] == ["run", "validation accuracy", "status", "optimizer.learning_rate"]
    assert names[-3:] == ["best step", "step", "time"]
    first = dict(zip(names, table.rows[0], strict=True))
    assert first["run"] == ("0", 0)
    assert first["optimizer.learning_rate"] == ("0.003", 0.003)
    assert first["test accuracy"] == ("89.00 %", pytest.approx(0.89))
    assert first["step"] == ("1,000", 1000)
    assert first["time"] == ("1:15", 75.0)


def test_missing_values_are_dashes_and_the_status_has_its_reason(tmp_path: Path) -> None:
    reason = {"reason": "the loss was not finite", "best": None, "wall_seconds": None}
    found = collected(tmp_path, {}, {}, status="diverged", summary=reason)
    table = tables.table_of_runs(found.runs, [], found.objective)
    first = dict(zip([name for name, _, _ in table.columns], table.rows[0], strict=True))
    assert first["status"] == ("diverged: the loss was not finite", "diverged")
    assert first["best step"] == first["time"] == ("–", None)


def test_groups_of_seeds_have_mean_and_deviation(tmp_path: Path) -> None:
    points = [{"model.cell": cell, "train.seed": seed} for cell in ("gru", "lstm") for seed in (0, 1, 2)]
    found = collected(tmp_path, *points, finals=[0.5, 0.6, 0.7, 0.91, 0.92, 0.93])
    runs = split_settings(found.runs)[1]
    groups = group_seeds(runs, found.objective)
    keys = compared_keys(runs, differing_keys(runs))
    table = tables.table_of_groups(groups, keys, found.objective)
    assert [row[1][0] for row in table.rows] == ["lstm", "gru"]
    names = [name for name, _, _ in table.columns]
    assert names[0] == "validation accuracy"
    assert table.rows[0][names.index("test accuracy")] == ("91.00 ± 1.00 %", pytest.approx(0.91))
    assert table.rows[1][names.index("runs")] == ("3 finished", 3)


def test_runs_that_differ_in_more_than_the_seed_are_not_grouped(tmp_path: Path) -> None:
    found = collected(tmp_path, {"model.cell": "gru"}, {"model.cell": "lstm"})
    groups = group_seeds(split_settings(found.runs)[1], found.objective)
    assert [[run.name for run in group] for group in groups] == [["0"], ["1"]]


def test_a_group_with_a_diverged_seed_is_last(tmp_path: Path) -> None:
    points = [{"model.cell": cell, "train.seed": seed} for cell in ("gru", "lstm") for seed in (0, 1)]
    finals = [0.99, 0.98, 0.5, 0.5]
    for number, point in enumerate(points):
        status = "diverged" if number == 1 else "finished"
        write_run(tmp_path / str(number), point, final=finals[number], status=status)
    found = collect([tmp_path / str(number) for number in range(4)])
    groups = group_seeds(split_settings(found.runs)[1], found.objective)
    table = tables.table_of_groups(groups, ["model.cell"], found.objective)
    assert [row[1][0] for row in table.rows] == ["lstm", "gru"]
    assert table.rows[1][2][0] == "1 finished, 1 diverged"


def test_a_missing_key_is_a_dash(tmp_path: Path) -> None:
    found = collected(tmp_path, {"model.extra": None}, {})
    rows = tables.table_of_runs(found.runs, ["model.extra"], found.objective).rows
    assert {row[0][0]: row[3] for row in rows} == {"0": ("None", "None"), "1": ("–", None)}


def test_task_and_dataset_are_compared_first(tmp_path: Path) -> None:
    changes = [{"model.cell": "gru"}, {"dataset.name": "mnist", "model.layers": 2}, {"task.name": "copying"}]
    found = collected(tmp_path, *changes)
    keys = compared_keys(found.runs, differing_keys(split_settings(found.runs)[1]))
    assert keys == ["task.name", "dataset.name", "model.cell", "model.layers"]


@pytest.mark.parametrize("objective", [Objective("accuracy", "max"), Objective("loss", "min"), None])
def test_a_maximized_objective_sorts_descending(objective: Objective | None, tmp_path: Path) -> None:
    table = tables.table_of_runs(collected(tmp_path, {}).runs, [], objective)
    descending = {name for name, _, is_descending in table.columns if is_descending}
    is_maximized = objective is not None and objective.direction == "max"
    assert descending == ({"validation accuracy", "test accuracy"} if is_maximized else set())
    assert table.columns[1][0] == ("status" if objective is None else f"validation {objective.metric}")
