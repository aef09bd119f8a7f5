"""All runs together: their order, their names, what decides, and what is left out."""

import json
from pathlib import Path

import pytest
from run_folders import write_lines, write_run, write_sweep

from rnn_jax.reporting.pages import subjects
from rnn_jax.reporting.pages.collect import collect
from rnn_jax.reporting.pages.subjects import objective_of
from rnn_jax.runtime.errors import UserError

RATES = [{"optimizer.learning_rate": rate} for rate in (1e-3, 3e-3, 1e-1)]


def test_the_best_run_is_first_and_diverged_and_failed_ones_are_last(tmp_path: Path) -> None:
    write_run(tmp_path / "middle", final=0.8)
    write_run(tmp_path / "diverged", final=0.99, status="diverged")
    write_run(tmp_path / "pruned", final=0.95, status="pruned")
    write_run(tmp_path / "best", final=0.9, status="running")
    write_run(tmp_path / "begun", summary={"best": None}, status="running")
    found = collect([tmp_path / name for name in ("middle", "diverged", "begun", "pruned", "best")])
    assert [run.name for run in found.runs] == ["best", "middle", "begun", "pruned", "diverged"]
    assert found.objective == ("accuracy", "max")


def test_names_are_short_and_no_two_are_alike(tmp_path: Path) -> None:
    write_run(tmp_path / "one" / "run")
    write_run(tmp_path / "two" / "run")
    sweep = write_sweep(tmp_path / "sweep", RATES)
    trials = write_sweep(tmp_path / "trials", RATES, trials=True)
    given = [tmp_path / "one" / "run", tmp_path / "two" / "run", sweep, trials]
    names = [run.name for run in collect(given).runs]
    assert len(set(names)) == len(names) == 8
    assert {str(given[0]), "sweep/0", "trials/trial 2"} <= set(names)
    assert {run.name for run in collect([sweep]).runs} == {"0", "1", "2"}


def test_a_member_that_is_given_beside_its_sweep_counts_once(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    member = sweep / "members" / "1"
    for given in ([sweep, member], [member, sweep]):
        runs = collect(given).runs
        assert sorted(run.name for run in runs) == ["sweep/0", "sweep/1", "sweep/2"]
        assert all(run.point for run in runs)


def test_one_damaged_run_is_told_and_left_out(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    (sweep / "members" / "1" / "config.json").write_text("{")
    found = collect([sweep])
    assert sorted(run.name for run in found.runs) == ["0", "2"]
    assert len(found.damaged) == 1
    assert "members/1/config.json: damaged" in found.damaged[0]


def test_a_damaged_sweep_does_not_hide_the_others(tmp_path: Path) -> None:
    sweep, run = write_sweep(tmp_path / "sweep", RATES), write_run(tmp_path / "run")
    (sweep / "sweep.json").write_text("{")
    found = collect([sweep, run])
    assert [run.name for run in found.runs] == ["run"]
    assert "sweep.json: damaged" in found.damaged[0]
    with pytest.raises(UserError, match=r"sweep\.json: damaged"):
        collect([sweep])


def test_a_sweep_without_members_is_said_to_have_none(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(UserError, match="no member has begun"):
        collect([tmp_path])


def test_a_sweep_says_what_decides(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    content = json.loads((sweep / "sweep.json").read_text())
    (sweep / "sweep.json").write_text(json.dumps({**content, "sweep": {"objective": "loss"}}))
    rows = [json.loads(line) for line in (sweep / "results.jsonl").read_text().splitlines()]
    for row, loss in zip(rows, (0.3, 0.1, 0.2), strict=True):
        row["best"]["loss"] = loss
    write_lines(sweep / "results.jsonl", rows)
    found = collect([sweep])
    assert found.objective == ("loss", "min")
    assert [run.name for run in found.runs] == ["1", "2", "0"]


@pytest.mark.parametrize(
    ("task", "figures", "expected"),
    [
        ("classification", ("loss", "accuracy"), ("accuracy", "max")),
        ("copying", ("loss", "accuracy"), ("loss", "min")),
        ("language_modelling", ("loss", "perplexity"), ("perplexity", "min")),
        ("language_modelling", ("loss", "bits_per_character"), ("bits_per_character", "min")),
        ("sequence_regression", ("loss",), ("loss", "min")),
    ],
)
def test_what_decides_is_the_tasks(
    task: str, figures: tuple[str, ...], expected: tuple[str, str], tmp_path: Path
) -> None:
    best = {"step": 5, **dict.fromkeys(figures, 0.5)}
    run = collect([write_run(tmp_path, {"task.name": task}, summary={"best": best})]).runs[0]
    assert objective_of([run], []) == expected


def test_the_runs_of_one_subject_follow_those_of_another(tmp_path: Path) -> None:
    figures = {"digits": 0.4, "mnist": 0.9, "other": 0.6}
    for name, final in figures.items():
        data = "digits" if name == "other" else name
        told = {"dataset": {"name": data}}
        write_run(tmp_path / name, {"dataset.name": data}, final=final, summary=told)
    best = {"step": 5, "loss": 0.2, "accuracy": 0.99}
    write_run(tmp_path / "adding", {"task.name": "adding", "dataset.name": None}, summary={"best": best})
    found = collect([tmp_path / name for name in ("digits", "adding", "mnist", "other")])
    assert [run.name for run in found.runs] == ["other", "digits", "adding", "mnist"]
    assert list(found.subjects.values()) == [("accuracy", "max"), ("loss", "min"), ("accuracy", "max")]
    assert subjects.units(found.subjects) == {}  # a squared error beside cross-entropies


def test_of_what_only_figures_are_left_the_subject_is_the_others(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    (sweep / "members" / "0" / "config.json").unlink()
    (sweep / "members" / "0" / "summary.json").unlink()
    assert list(collect([sweep]).subjects) == [("classification", "digits")]


def test_losses_are_in_nats_where_all_are_cross_entropies(tmp_path: Path) -> None:
    for task, expected in (("copying", {"loss": "nats"}), ("adding", {}), ("sequence_regression", {})):
        found = collect([write_run(tmp_path / task, {"task.name": task})])
        assert subjects.units(found.subjects) == expected
