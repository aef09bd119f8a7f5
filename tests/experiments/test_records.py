"""Records of experiments, and the tables made from them."""

from pathlib import Path
from typing import Any

import pytest
import records
from records import Column

from rnn_jax.reporting.provenance import hardware
from rnn_jax.runtime.errors import UserError


def summary(accuracy: float | None, commit: str | None = "abc", seconds: float = 61.0) -> dict[str, Any]:
    return {
        "status": "finished",
        "step": 6446,
        "test": None if accuracy is None else {"accuracy": accuracy},
        "wall_seconds": seconds,
        "devices": "2 x cpu",
        "commit": commit,
    }


def add(
    path: Path, seed: int, accuracy: float | None, config: str = "configs/mnist.py", **changes: Any
) -> bool:
    overrides = changes.pop("overrides", {})
    return records.record(
        path,
        summary=summary(accuracy, **changes),
        config=config,
        overrides=overrides,
        seed=seed,
        command=f"python -m rnn_jax.main --config {config}",
    )


def test_a_record_has_the_run_and_its_summary(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert add(path, 3, 0.99, overrides={"train.duration_steps": 782})
    (row,) = records.read(path)
    assert list(row) == [
        *("config", "overrides", "seed", "command", "hardware", "date", "commit"),
        *("status", "step", "test", "wall_seconds", "devices"),
    ]
    assert row["config"] == "configs/mnist.py"
    assert row["overrides"] == {"train.duration_steps": 782}
    assert row["seed"] == 3
    assert row["command"] == "python -m rnn_jax.main --config configs/mnist.py"
    assert row["commit"] == "abc"
    assert row["test"] == {"accuracy": 0.99}
    assert row["hardware"] == {**hardware(), "devices": "2 x cpu"}
    assert row["date"].endswith("+00:00")


def test_a_run_is_recorded_once_per_commit(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert add(path, 0, 0.98)
    assert not add(path, 0, 0.98)
    assert add(path, 1, 0.98)
    assert add(path, 0, 0.98, commit="def")
    assert add(path, 0, 0.98, overrides={"optimizer.clip_norm": None})
    assert add(path, 0, 0.98, config="configs/mnist.py:seed")
    assert len(records.read(path)) == 5


def test_the_latest_record_of_a_run_is_found(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert records.read(path) == []
    add(path, 0, 0.98)
    add(path, 0, 0.99, commit="def")
    rows = records.read(path)
    found = records.find(rows, "configs/mnist.py", {}, 0)
    assert found is not None
    assert found["test"]["accuracy"] == 0.99
    assert records.find(rows, "configs/mnist.py", {}, 1) is None
    assert records.find(rows, "configs/mnist.py", {"optimizer.clip_norm": 1.0}, 0) is None


COLUMNS = (
    Column("config", records.describe),
    Column("seeds", records.count),
    Column("steps", records.spread("step")),
    Column("test accuracy", records.percent("test.accuracy")),
    Column("time", records.duration("wall_seconds")),
)


def test_a_table_has_a_line_per_config_over_all_seeds(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    for seed, accuracy in enumerate((0.98, 0.99, 0.97)):
        add(path, seed, accuracy, seconds=60.0 + seed)
    add(path, 2, 0.991, commit="newer", seconds=62.0)  # replaces 0.97
    add(path, 0, 0.9861, config="configs/mnist.py:seed", overrides={"train.duration_steps": 782})
    add(path, 0, None, config="configs/digits.py", seconds=3661.0)
    assert records.table(records.read(path), COLUMNS) == (
        "| config | seeds | steps | test accuracy | time |\n"
        "|---|---:|---:|---:|---:|\n"
        "| `configs/mnist.py` | 3 | 6,446 | 98.70 ± 0.61 % | 1:01 |\n"
        "| `configs/mnist.py:seed train.duration_steps=782` | 1 | 6,446 | 98.61 % | 1:01 |\n"
        "| `configs/digits.py` | 1 | 6,446 | – | 1:01:01 |"
    )


def test_a_table_replaces_the_text_between_its_markers() -> None:
    text = "# A\n<!-- table a -->\n<!-- end -->\n<!-- table b -->\nold\n<!-- end -->\nrest\n"
    wanted = "# A\n<!-- table a -->\n<!-- end -->\n<!-- table b -->\n\n| new |\n\n<!-- end -->\nrest\n"
    assert records.replace_table(text, "b", "| new |\n") == wanted
    assert records.replace_table(wanted, "b", "| new |") == wanted


@pytest.mark.parametrize("text", ["nothing", "<!-- table a -->\n", "<!-- end -->\n<!-- table a -->\n"])
def test_missing_markers_are_reported(text: str) -> None:
    with pytest.raises(UserError, match="no place for table a: the text needs a line `<!-- table a -->`"):
        records.replace_table(text, "a", "| x |")


def test_each_machine_is_listed_once() -> None:
    rows = [{"hardware": {"cpu": cpu, "cores": 2}} for cpu in ("Zen 4", "Zen 5", "Zen 4")]
    assert records.machines(rows) == "Zen 4, 2 cores; Zen 5, 2 cores"
    assert records.machines([{"hardware": {"cpu": "Zen 4", "cores": 1}}]) == "Zen 4, 1 core"


def test_a_run_recorded_at_two_commits_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    one, two = (
        {"model.cell": "gru", "train.duration_steps": 9},
        {"train.duration_steps": 9, "model.cell": "gru"},
    )
    add(path, 0, 0.5, commit="old", overrides=one)
    add(path, 0, 0.9, commit="new", overrides=two)
    add(path, 1, 0.8, commit="new", overrides=one)
    rows = records.latest(records.read(path))
    assert [(row["seed"], row["test"]["accuracy"]) for row in rows] == [(0, 0.9), (1, 0.8)]
    columns = [Column("seeds", records.count), Column("accuracy", records.percent("test.accuracy"))]
    assert records.table(records.read(path), columns).splitlines()[2:] == ["| 2 | 85.00 ± 7.07 % |"]


def test_records_on_older_data_are_left_out() -> None:
    row: dict[str, Any] = {"config": "a", "overrides": {}}
    rows = [{**row, "seed": seed, "dataset": {"version": version}} for seed, version in enumerate("112")]
    assert records.latest([*rows, {"workload": "rows"}]) == [rows[2], {"workload": "rows"}]
