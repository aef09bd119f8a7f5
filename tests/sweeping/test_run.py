"""Sweeps from the command line to the report: whole, interrupted, with diverged and pruned members."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import pytest

from rnn_jax import main as single
from rnn_jax import sweep
from rnn_jax.catalogue.registration import register_task
from rnn_jax.catalogue.tasks import TASKS
from rnn_jax.checkpoints import store
from rnn_jax.config.command_line import load_config
from rnn_jax.config.objective import Objective
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.config.schema import validate
from rnn_jax.reporting.log import read_lines
from rnn_jax.reporting.pages.collection import collect
from rnn_jax.runtime import devices
from rnn_jax.sweeping import results, run
from rnn_jax.tasks.classification import build_classification
from rnn_jax.tasks.task import Task
from rnn_jax.training.population import steps as population
from rnn_jax.training.population.steps import LayOut
from rnn_jax.training.run import train

SMALL = {
    "dataset.examples": 40,
    "dataset.batch_size": 12,
    "model.hidden_size": 6,
    "train.duration_steps": 12,
    "train.evaluate_every_steps": 4,
    "log.every_steps": 3,
    "log.tensorboard": False,
}
COMMAND = [
    "--config",
    "configs/digits.py:smoke",
    *(f"--config.{key}={value}" for key, value in SMALL.items()),
]
RATES = ["--grid", "optimizer.learning_rate=1e-3,1e-2,1e20"]
# Two programs; the keys are not in alphabetical order.
SWEEP = [*RATES, "--grid", "model.hidden_size=6,5", "--seeds", "2"]
TIMES = ("wall_seconds", "compile_seconds", "examples_per_second", "hardware", "commit", "versions")


def rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a sweep's folder without times."""
    found = read_lines(folder / "results.jsonl")
    return [{key: value for key, value in row.items() if key not in TIMES} for row in found]


class Whole(NamedTuple):
    """A sweep that nothing interrupted."""

    folder: Path
    compiled: list[str]
    """The functions that were compiled for it."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The sweep that several tests read."""
    folder, compiled = tmp_path_factory.mktemp("sweeps") / "whole", list[str]()

    def listen(event: str, duration_secs: float, **more: Any) -> None:
        del duration_secs
        if event.endswith("backend_compile_duration"):
            compiled.append(str(more.get("fun_name")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    assert sweep.main([*COMMAND, *SWEEP, "--workdir", str(folder)]) == 0
    return Whole(folder, list(compiled))


def test_every_member_is_a_run(whole: Whole, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(whole.folder)
    assert [row["status"] for row in found] == ["finished"] * 8 + ["diverged"] * 4
    assert [row["point"]["model.hidden_size"] for row in found] == [6, 6, 5, 5] * 3
    for row in found[:8]:
        member = RunFolder(whole.folder / "members" / str(row["member"]))
        metrics = read_lines(member.metrics)
        best = next(
            line for line in metrics if (line["split"], line["step"]) == ("validation", row["best"]["step"])
        )
        assert best["accuracy"] == row["best"]["accuracy"]
        assert [line["step"] for line in metrics if line["split"] == "train"] == [3, 6, 9, 12]
        saved = store.find(member.checkpoints, "best")
        assert saved.step == row["best"]["step"] == saved.progress["evaluated_at"]
        assert saved.progress["metrics"].items() <= row["best"].items()
        assert saved.progress["members"][0]["evaluations_since_best"] == 0
    for row in (found[1], found[6]):  # one of each program
        member = str(whole.folder / "members" / str(row["member"]))
        capsys.readouterr()
        assert single.main(["--workdir", member, "--mode", "eval"]) == 0
        assert f"{100 * row['best']['accuracy']:.2f} %" in capsys.readouterr().out
        assert single.main(["--workdir", member]) == 0  # prints its results
        assert f"best validation, step {row['best']['step']}" in capsys.readouterr().out
    assert all("not finite at update" in row["reason"] for row in found[8:])


def test_each_program_is_compiled_once(whole: Whole) -> None:
    assert sum("train" in name for name in whole.compiled) == 2


def test_members_have_the_metrics_and_the_end_of_their_own_runs(tmp_path: Path) -> None:
    changes = SMALL | {"train.duration_steps": 40, "train.early_stopping_patience": 2}
    command = ["--config", "configs/digits.py:smoke", *(f"--config.{key}={v}" for key, v in changes.items())]
    grid = ["--grid", "optimizer.learning_rate=0,1e-2", "--seeds", "2"]
    assert sweep.main([*command, *grid, "--workdir", str(tmp_path / "sweep")]) == 0
    found = rows(tmp_path / "sweep")
    assert found[0]["step"] == 12  # with learning rate 0 no evaluation improves on the first
    assert found[0]["status"] == "stopped early"
    for row in (found[0], found[3]):
        own = changes | row["point"] | {"train.seed": row["seed"], "train.report_test": False}
        config, _ = validate(load_config("configs/digits.py:smoke", own))
        alone = train(config, tmp_path / str(row["member"]))
        assert (alone["step"], alone["best"]["step"]) == (row["step"], row["best"]["step"])
        assert alone["best"] == pytest.approx(row["best"], rel=1e-5)
        assert alone["parameters"] == row["parameters"]


def test_only_the_winner_is_evaluated_on_test_and_reported(whole: Whole) -> None:
    found = rows(whole.folder)
    report = (whole.folder / "report.md").read_text()
    tested = [row for row in found if row["test"] is not None]
    assert len({json.dumps(row["point"]) for row in tested}) == 1
    assert len(tested) == 2
    for key, value in tested[0]["point"].items():
        assert f"--config.{key}={value}" in report
    assert "member 8 (optimizer.learning_rate = 1e+20, model.hidden_size = 6, seed 0)" in report
    for picture in ("curves.png", "keys.png", "pair.png"):
        assert (whole.folder / picture).stat().st_size > 1_000


class KilledError(BaseException):
    """Replaces `kill -9`: nothing catches it, and nothing is written afterwards."""


@contextmanager
def killed_before(write: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kill a sweep before a write: of a checkpoint of all members or one, of a row, or of the results."""
    left = write

    def mortal(function: Callable[..., None]) -> Callable[..., None]:
        def written(*arguments: Any, **more: Any) -> None:
            nonlocal left
            if left == 0:
                raise KilledError
            left -= 1
            function(*arguments, **more)

        return written

    with monkeypatch.context() as patched:
        for module, name in ((store, "write"), (run, "write_json"), (results, "write_report")):
            patched.setattr(module, name, mortal(getattr(module, name)))
        with pytest.raises(KilledError):
            yield


def assert_same_results(folder: Path, expected: Path) -> None:
    assert rows(folder) == rows(expected)
    for member in range(12):
        name = Path("members") / str(member) / "metrics.jsonl"
        assert (folder / name).read_text() == (expected / name).read_text()


def test_a_sweep_that_is_killed_again_and_again_has_the_same_results(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sweep"
    command = [*COMMAND, *SWEEP, "--workdir", str(folder)]
    for write in (0, 4, 5, 3, 7, 1):  # counted from the one before
        with killed_before(write, monkeypatch):
            sweep.main(command)
        command = ["--workdir", str(folder)]
    assert sweep.main(command) == 0
    assert_same_results(folder, whole.folder)


@pytest.mark.matrix
@pytest.mark.parametrize("write", range(28))
def test_a_sweep_that_is_killed_before_any_write_has_the_same_results(
    write: int, whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sweep"
    with killed_before(write, monkeypatch):
        sweep.main([*COMMAND, *SWEEP, "--workdir", str(folder)])
    assert sweep.main(["--workdir", str(folder)]) == 0
    assert_same_results(folder, whole.folder)


def test_another_number_of_devices_is_an_error_unless_it_is_allowed(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, save = tmp_path / "sweep", store.write
    two_devices = [*RATES, "--seeds=2", "--workdir", str(folder), "--config.runtime.devices=2"]

    def killed(*arguments: Any) -> None:
        if arguments[1] == 8:
            raise KilledError
        save(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(store, "write", killed)
        with pytest.raises(KilledError):
            sweep.main([*COMMAND, *two_devices])
    again = ["--workdir", str(folder), "--config.runtime.devices=1"]
    assert sweep.main(again) == 2
    assert "trained on 2 devices so far" in capsys.readouterr().err
    assert sweep.main([*again, "--config.runtime.allow_device_change=True"]) == 0
    same = [row for row in rows(whole.folder) if row["point"]["model.hidden_size"] == 6]
    for found, expected in zip(rows(folder), same, strict=True):
        assert found["step"] == expected["step"]
        assert found["best"] == (expected["best"] and pytest.approx(expected["best"], rel=1e-5))


def test_without_a_result_there_is_no_winner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Even if members were evaluated before they diverged."""
    grid = ["--grid", "optimizer.learning_rate=1e25,1e26", "--config.train.evaluate_every_steps=1"]
    folder = tmp_path / "sweep"
    assert sweep.main([*COMMAND, *grid, "--config.optimizer.clip_norm=None", "--workdir", str(folder)]) == 3
    assert "2 of 2 members diverged" in capsys.readouterr().out
    found = rows(folder)
    assert [row["status"] for row in found] == ["diverged"] * 2
    assert any(row["best"] for row in found)
    assert [row["test"] for row in found] == [None] * 2
    report = (folder / "report.md").read_text()
    assert "No member has a result" in report
    assert report.count("not finite") == 2


def write_sweep_file(folder: Path, fields: str) -> list[str]:
    file = folder / "sweep_file.py"
    file.write_text(f"def get_sweep():\n    return dict({fields})\n")
    return [*COMMAND, "--sweep", str(file), "--workdir", str(folder / "sweep")]


@pytest.mark.parametrize("how", ["map", pytest.param("vmap", marks=pytest.mark.matrix)])
def test_halving_prunes_the_worst_points(
    how: LayOut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(population, "lay_out", lambda _: how)
    halving = "dict(min_resource_fraction=0.25, reduction_factor=2)"
    rates = "(1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2)"
    fields = f"grid={{'optimizer.learning_rate': {rates}}}, halving={halving}, seeds=2"
    assert sweep.main(write_sweep_file(tmp_path, fields)) == 0
    found = rows(tmp_path / "sweep")
    # Pruned at the first evaluations after a quarter and a half of the steps, both seeds at once.
    assert sorted(row["step"] for row in found[::2]) == [4, 4, 4, 8, 12, 12]
    assert [row["step"] for row in found[::2]] == [row["step"] for row in found[1::2]]
    accuracies: dict[bool, list[float]] = {True: [], False: []}
    for first, second in zip(found[::2], found[1::2], strict=True):
        at_the_rung = [
            max(
                line["accuracy"]
                for line in read_lines(tmp_path / "sweep" / "members" / str(row["member"]) / "metrics.jsonl")
                if line["split"] == "validation" and line["step"] <= 4
            )
            for row in (first, second)
        ]
        accuracies[first["step"] == 4].append(sum(at_the_rung))
    assert max(accuracies[True]) <= min(accuracies[False])
    statuses = {4: "pruned", 8: "pruned", 12: "finished"}
    for row in found:
        member = RunFolder(tmp_path / "sweep" / "members" / str(row["member"]))
        assert (member.read_summary() or {})["status"] == statuses[row["step"]]
        if row["step"] == 8 and row["seed"] == 1:  # its best is its own, although members were moved
            capsys.readouterr()
            assert single.main(["--workdir", str(member.path), "--mode", "eval"]) == 0
            assert f"{row['best']['loss']:.4f}" in capsys.readouterr().out


THREE_RATES = "grid={'optimizer.learning_rate': (1e-4, 1e-2, 1e-1)}"


def test_a_sweep_may_choose_another_objective_than_the_task(tmp_path: Path) -> None:
    assert sweep.main(write_sweep_file(tmp_path, f"{THREE_RATES}, objective='loss'")) == 0
    found = rows(tmp_path / "sweep")
    for row in found:
        metrics = read_lines(tmp_path / "sweep" / "members" / str(row["member"]) / "metrics.jsonl")
        losses = {line["step"]: line["loss"] for line in metrics if line["split"] == "validation"}
        assert row["best"]["loss"] == min(losses.values())
        assert losses[row["best"]["step"]] == row["best"]["loss"]
    winner = min(found, key=lambda row: row["best"]["loss"])
    assert [row["member"] for row in found if row["test"] is not None] == [winner["member"]]
    # The command that trains the winner alone selects its checkpoint by the same metric.
    assert "--config.train.objective=loss" in (tmp_path / "sweep" / "report.md").read_text()
    recorded = [{"metric": "loss", "direction": "min"}]
    assert json.loads((tmp_path / "sweep" / "sweep.json").read_text())["objective"] == recorded
    assert all(row["objective"] == recorded for row in found)


def build_f1_task(*arguments: Any, **options: Any) -> Task:
    """Classification whose accuracy has a name that gives no direction away."""
    task = build_classification(*arguments, **options)

    def loss(*inputs: Any) -> Any:
        total, count, metrics = task.loss(*inputs)
        return total, count, {"loss": metrics["loss"], "f1": metrics["accuracy"]}

    objective, metrics = Objective("f1", "max"), {"loss": "min", "f1": "max"}
    return task._replace(objective=objective, metrics=metrics, loss=loss)


def test_a_registered_task_is_ranked_by_the_direction_that_it_declares(tmp_path: Path) -> None:
    facts: dict[str, Any] = {
        "data": "image",
        "reads": "features",
        "predicts": "sequence",
        "names_classes": True,
    }
    register_task("f1", build_f1_task, options="rnn_jax.config.sections.task:Classification", **facts)
    try:
        fields = "grid={'optimizer.learning_rate': (1e-6, 1e-2)}, duration_steps=60"
        assert sweep.main([*write_sweep_file(tmp_path, fields), "--config.task.name=f1"]) == 0
    finally:
        del TASKS["f1"]
    worse, better = sorted(rows(tmp_path / "sweep"), key=lambda row: row["best"]["f1"])
    assert better["best"]["f1"] > worse["best"]["f1"]
    assert better["test"] is not None
    assert worse["test"] is None
    found = collect([tmp_path / "sweep"])
    assert found.objective == Objective("f1", "max")
    assert [run.name for run in found.runs] == [str(better["member"]), str(worse["member"])]


def test_an_unknown_objective_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep.main(write_sweep_file(tmp_path, f"{THREE_RATES}, objective='los'")) == 2
    message = "train.objective = los: the task does not evaluate los; did you mean loss?"
    assert message in capsys.readouterr().err


def test_more_members_than_memory_holds_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "free_memory", lambda _: 30_000)
    assert sweep.main([*COMMAND, *RATES, "--workdir", str(tmp_path / "sweep")]) == 5
    assert "3 members in one program need about" in capsys.readouterr().err
    assert not (tmp_path / "sweep" / "members").exists()


def test_free_memory_is_known() -> None:
    where = devices.build_devices(1, devices=1, matmul_precision="float32", allow_device_change=False)
    assert 2**26 < (devices.free_memory(where) or 0) < 2**50
