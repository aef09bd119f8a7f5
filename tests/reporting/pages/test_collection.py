"""All runs of a report: their names, order and objectives, and what is left out."""

import json
import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from run_folders import write_run, write_sweep

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.pages.collection import collect
from rnn_jax.runtime.errors import UserError

ACCURACY, LOSS = Objective("accuracy", "max"), Objective("loss", "min")
RATES = [{"optimizer.learning_rate": rate} for rate in (1e-3, 3e-3, 1e-1)]


def test_the_best_run_is_first_and_diverged_and_failed_runs_are_last(tmp_path: Path) -> None:
    write_run(tmp_path / "middle", final=0.8)
    write_run(tmp_path / "diverged", final=0.99, status="diverged")
    write_run(tmp_path / "pruned", final=0.95, status="pruned")
    write_run(tmp_path / "best", final=0.9, status="running")
    write_run(tmp_path / "new", summary={"best": None}, status="running")
    found = collect([tmp_path / name for name in ("middle", "diverged", "new", "pruned", "best")])
    assert [run.name for run in found.runs] == ["best", "middle", "new", "pruned", "diverged"]
    assert found.objective == ACCURACY


def test_names_are_short_and_unique(tmp_path: Path) -> None:
    write_run(tmp_path / "one" / "run")
    write_run(tmp_path / "two" / "run")
    sweep = write_sweep(tmp_path / "sweep", RATES)
    trials = write_sweep(tmp_path / "trials", RATES, trials=True)
    given = [tmp_path / "one" / "run", tmp_path / "two" / "run", sweep, trials]
    names = [run.name for run in collect(given).runs]
    assert len(set(names)) == len(names) == 8
    assert {str(given[0]), "sweep/0", "trials/trial 2"} <= set(names)
    assert {run.name for run in collect([sweep]).runs} == {"0", "1", "2"}


def test_the_names_of_many_runs_take_linear_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = {}
    for number in (10, 20):
        folders = [write_run(tmp_path / str(number) / str(run), steps=50) for run in range(number)]
        with monkeypatch.context() as patched:
            counted = Mock(side_effect=os.path.realpath)
            patched.setattr(os.path, "realpath", counted)
            assert len({run.name for run in collect(folders).runs}) == number
        calls[number] = counted.call_count
    assert calls[20] <= 2 * calls[10]


def test_a_member_given_with_its_sweep_counts_once(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    member = sweep / "members" / "1"
    for given in ([sweep, member], [member, sweep]):
        runs = collect(given).runs
        assert sorted(run.name for run in runs) == ["sweep/0", "sweep/1", "sweep/2"]
        assert all(run.point for run in runs)


def test_a_damaged_run_is_reported_and_left_out(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    (sweep / "members" / "1" / "config.json").write_text("{")
    found = collect([sweep])
    assert sorted(run.name for run in found.runs) == ["0", "2"]
    assert len(found.damaged) == 1
    assert "members/1/config.json: damaged" in found.damaged[0]


def test_a_damaged_sweep_does_not_hide_other_runs(tmp_path: Path) -> None:
    sweep, run = write_sweep(tmp_path / "sweep", RATES), write_run(tmp_path / "run")
    (sweep / "sweep.json").write_text("{")
    found = collect([sweep, run])
    assert [run.name for run in found.runs] == ["run"]
    assert "sweep.json: damaged" in found.damaged[0]
    with pytest.raises(UserError, match=r"sweep\.json: damaged"):
        collect([sweep])


def test_a_sweep_without_members_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(UserError, match="no member has started yet"):
        collect([tmp_path])


@pytest.mark.parametrize("objective", [LOSS, Objective("f1", "max"), Objective("accuracy", "min")])
def test_runs_are_ranked_by_the_objective_in_their_summaries(objective: Objective, tmp_path: Path) -> None:
    folders = []
    for number, value in enumerate((0.3, 0.1, 0.2)):
        best = {"step": 5, "other": 0.5, objective.metric: value}
        summary = {"best": best, "objective": objective.to_json()}
        folders.append(write_run(tmp_path / str(number), summary=summary))
    found = collect(folders)
    assert (found.objective, found.metric) == (objective, objective.metric)
    assert [run.name for run in found.runs] == (list("021") if objective.direction == "max" else list("120"))


def test_members_without_a_summary_have_the_objective_of_their_sweep(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    content = json.loads((sweep / "sweep.json").read_text())
    (sweep / "sweep.json").write_text(json.dumps({**content, "objective": LOSS.to_json()}))
    (sweep / "results.jsonl").unlink()
    for number in range(len(RATES)):
        (sweep / "members" / str(number) / "summary.json").unlink()
    assert collect([sweep]).objective == LOSS


def test_runs_without_an_objective_keep_their_order(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path / str(number), final=final, summary={"objective": None})
        for number, final in enumerate((0.3, 0.9, 0.6))
    ]
    found = collect(folders)
    assert (found.objective, found.metric) == (None, "loss")
    assert [run.name for run in found.runs] == ["0", "1", "2"]


def test_a_malformed_objective_is_reported(tmp_path: Path) -> None:
    write_run(tmp_path, summary={"objective": [{"metric": "loss", "direction": "down"}]})
    with pytest.raises(UserError, match=r"summary\.json: damaged, objective"):
        collect([tmp_path])


def test_the_runs_of_a_benchmark_stay_together(tmp_path: Path) -> None:
    for name, final in {"digits": 0.4, "mnist": 0.9, "other": 0.6}.items():
        data = "digits" if name == "other" else name
        dataset = {"dataset": {"name": data}}
        write_run(tmp_path / name, {"dataset.name": data}, final=final, summary=dataset)
    own = {"best": {"step": 5, "loss": 0.2, "accuracy": 0.99}, "objective": LOSS.to_json()}
    write_run(tmp_path / "adding", {"task.name": "adding", "dataset.name": None}, summary=own)
    found = collect([tmp_path / name for name in ("digits", "adding", "mnist", "other")])
    assert [run.name for run in found.runs] == ["other", "digits", "adding", "mnist"]
    assert list(found.benchmarks.values()) == [ACCURACY, LOSS, ACCURACY]


def test_a_member_with_nothing_but_metrics_is_of_the_others_benchmark(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    (sweep / "members" / "0" / "config.json").unlink()
    (sweep / "members" / "0" / "summary.json").unlink()
    found = collect([sweep])
    assert [benchmark.name for benchmark in found.benchmarks] == ["classification on digits"]
    assert {run.benchmark for run in found.runs} == set(found.benchmarks)
