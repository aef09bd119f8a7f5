"""Sweeps from the command to the report: whole, cut anywhere, with members that diverge or are given up."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from rnn_jax import main as single
from rnn_jax import sweep
from rnn_jax.checkpoints import checkpoint
from rnn_jax.config.command_line import load_config
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.config.schema import validate
from rnn_jax.reporting.log import read_lines
from rnn_jax.runtime import devices
from rnn_jax.sweeping import results, run
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
# Two programs, whose keys stand in another order than that of the alphabet.
SWEEP = [*RATES, "--grid", "model.hidden_size=6,5", "--seeds", "2"]
TIMES = ("wall_seconds", "compile_seconds", "examples_per_second", "hardware", "commit", "versions")


def rows(folder: Path) -> list[dict[str, Any]]:
    """What a sweep's folder says of its members, but for times."""
    found = read_lines(folder / "results.jsonl")
    return [{key: value for key, value in row.items() if key not in TIMES} for row in found]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep that nothing interrupted."""
    folder = tmp_path_factory.mktemp("sweeps") / "whole"
    assert sweep.main([*COMMAND, *SWEEP, "--workdir", str(folder)]) == 0
    return folder


def test_every_member_is_a_run_that_can_be_looked_at(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(whole)
    assert [row["status"] for row in found] == ["finished"] * 8 + ["diverged"] * 4
    assert [row["point"]["model.hidden_size"] for row in found] == [6, 6, 5, 5] * 3
    for row in found[:8]:
        member = whole / "members" / str(row["member"])
        metrics = read_lines(member / "metrics.jsonl")
        best = next(
            line for line in metrics if (line["split"], line["step"]) == ("validation", row["best"]["step"])
        )
        assert best["accuracy"] == row["best"]["accuracy"]
        assert [line["step"] for line in metrics if line["split"] == "train"] == [3, 6, 9, 12]
        capsys.readouterr()
        assert single.main(["--workdir", str(member), "--mode", "eval"]) == 0
        assert f"{100 * best['accuracy']:.2f} %" in capsys.readouterr().out
        assert single.main(["--workdir", str(member)]) == 0  # says what came of it
        assert f"best validation, step {row['best']['step']}" in capsys.readouterr().out
    assert all("not finite at update" in row["reason"] for row in found[8:])


def test_a_member_has_the_figures_of_its_own_run(whole: Path, tmp_path: Path) -> None:
    row = rows(whole)[5]
    changes = SMALL | row["point"] | {"train.seed": row["seed"], "train.report_test": False}
    config, _ = validate(load_config("configs/digits.py:smoke", changes))
    alone = train(config, tmp_path / "alone")
    assert alone["best"] == pytest.approx(row["best"], rel=1e-5)
    assert alone["parameters"] == row["parameters"]


def test_members_stop_early_where_their_own_runs_would(tmp_path: Path) -> None:
    changes = SMALL | {"train.duration_steps": 40, "train.early_stopping_patience": 2}
    command = ["--config", "configs/digits.py:smoke", *(f"--config.{key}={v}" for key, v in changes.items())]
    folder = tmp_path / "sweep"
    assert sweep.main([*command, "--grid", "optimizer.learning_rate=0,1e-2", "--workdir", str(folder)]) == 0
    found = rows(folder)
    assert found[0]["step"] == 12  # what learns nothing is best at its first evaluation, by a tie
    assert found[0]["status"] == "stopped early"
    for row in found:
        config, _ = validate(load_config("configs/digits.py:smoke", changes | row["point"]))
        alone = train(config, tmp_path / str(row["member"]))
        assert (alone["step"], alone["best"]["step"]) == (row["step"], row["best"]["step"])


def test_a_members_checkpoint_is_as_a_run_of_its_own_has_it(whole: Path) -> None:
    for row in rows(whole):
        if row["best"] is not None:
            found = checkpoint.find(RunFolder(whole / "members" / str(row["member"])).checkpoints, "best")
            assert found.step == row["best"]["step"] == found.progress["evaluated_at"]
            assert found.progress["metric"] == row["best"]["accuracy"]
            assert found.progress["members"][0]["evaluations_since_best"] == 0


def test_the_winner_alone_is_tested_and_reported(whole: Path) -> None:
    found = rows(whole)
    report = (whole / "report.md").read_text()
    tested = [row for row in found if row["test"] is not None]
    assert len({json.dumps(row["point"]) for row in tested}) == 1
    assert len(tested) == 2
    for key, value in tested[0]["point"].items():
        assert f"--config.{key}={value}" in report
    assert "member 8 (optimizer.learning_rate = 1e+20, model.hidden_size = 6, seed 0)" in report
    for picture in ("curves.png", "keys.png", "pair.png"):
        assert (whole / picture).stat().st_size > 1_000


class KilledError(BaseException):
    """What kill -9 is here: nothing catches it, nothing is written any more."""


@pytest.mark.parametrize("writes", [0, 4, 8, 14, 20, 27])
def test_a_sweep_that_is_killed_and_started_again_ends_the_same(
    writes: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any of its writes: checkpoints of all and of one, summaries, rows, the results."""
    folder, left = tmp_path / "sweep", writes

    def mortal(write: Callable[..., None]) -> Callable[..., None]:
        def written(*arguments: Any, **more: Any) -> None:
            nonlocal left
            if left == 0:
                raise KilledError
            left -= 1
            write(*arguments, **more)

        return written

    with monkeypatch.context() as patched:
        for module, name in ((checkpoint, "write"), (run, "write_json"), (results, "write_report")):
            patched.setattr(module, name, mortal(getattr(module, name)))
        with pytest.raises(KilledError):
            sweep.main([*COMMAND, *SWEEP, "--workdir", str(folder)])
    assert sweep.main(["--workdir", str(folder)]) == 0
    assert rows(folder) == rows(whole)
    for member in range(12):
        name = Path("members") / str(member) / "metrics.jsonl"
        assert (folder / name).read_text() == (whole / name).read_text()


def test_another_number_of_devices_is_refused_or_allowed(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, save_one = tmp_path / "sweep", checkpoint.write

    def killed(*arguments: Any) -> None:
        if arguments[1] == 8:
            raise KilledError
        save_one(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "write", killed)
        with pytest.raises(KilledError):
            sweep.main([*COMMAND, *SWEEP, "--workdir", str(folder), "--config.runtime.devices=2"])
    again = ["--workdir", str(folder), "--config.runtime.devices=1"]
    assert sweep.main(again) == 2
    assert "trained on 2 devices so far" in capsys.readouterr().err
    assert sweep.main([*again, "--config.runtime.allow_device_change=True"]) == 0
    for found, expected in zip(rows(folder), rows(whole), strict=True):
        assert found["step"] == expected["step"]
        assert found["best"] == (expected["best"] and pytest.approx(expected["best"], rel=1e-5))


def test_where_all_diverge_the_report_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = ["--grid", "optimizer.learning_rate=1e20,1e25", "--grid", "optimizer.clip_norm=1,2"]
    folder = tmp_path / "sweep"
    assert sweep.main([*COMMAND, *grid, "--workdir", str(folder)]) == 3
    assert "4 of 4 members diverged" in capsys.readouterr().out
    report = (folder / "report.md").read_text()
    assert "No member came to a result" in report
    assert report.count("not finite at update") == 4


def test_what_diverged_is_not_tested_though_it_was_evaluated_before(tmp_path: Path) -> None:
    grid = ["--grid", "optimizer.learning_rate=1e25,1e26", "--config.train.evaluate_every_steps=1"]
    folder = tmp_path / "sweep"
    assert sweep.main([*COMMAND, *grid, "--config.optimizer.clip_norm=None", "--workdir", str(folder)]) == 3
    assert [row["status"] for row in rows(folder)] == ["diverged"] * 2
    assert any(row["best"] for row in rows(folder))
    assert [row["test"] for row in rows(folder)] == [None] * 2
    assert "No member came to a result" in (folder / "report.md").read_text()


def test_a_group_is_compiled_once(tmp_path: Path) -> None:
    compiled: list[str] = []

    def listen(event: str, duration_secs: float, **more: Any) -> None:
        del duration_secs
        if event.endswith("backend_compile_duration"):
            compiled.append(str(more.get("fun_name")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    grid = ["--grid", "model.hidden_size=5,7", "--grid", "optimizer.learning_rate=1e-3,1e-2", "--seeds", "2"]
    assert sweep.main([*COMMAND, *grid, "--workdir", str(tmp_path / "sweep")]) == 0
    assert sum("train" in name for name in compiled) == 2


@pytest.mark.parametrize("how", ["map", "vmap"])
def test_halving_gives_up_the_worst(
    how: LayOut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(population, "lay_out", lambda _: how)
    file = tmp_path / "halving.py"
    file.write_text(
        "def get_sweep():\n"
        "    rates = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2)\n"
        "    halving = dict(min_resource_fraction=0.25, reduction_factor=2)\n"
        "    return dict(grid={'optimizer.learning_rate': rates}, halving=halving)\n"
    )
    folder = tmp_path / "sweep"
    assert sweep.main([*COMMAND, "--sweep", str(file), "--workdir", str(folder)]) == 0
    steps = sorted(row["step"] for row in rows(folder))
    assert steps == [4, 4, 4, 8, 12, 12]  # at the first evaluation after a quarter, a half of the steps
    at_the_rung = {
        row["member"]: max(
            line["accuracy"]
            for line in read_lines(folder / "members" / str(row["member"]) / "metrics.jsonl")
            if line["split"] == "validation" and line["step"] <= 4
        )
        for row in rows(folder)
    }
    given_up = [at_the_rung[row["member"]] for row in rows(folder) if row["step"] == 4]
    kept = [at_the_rung[row["member"]] for row in rows(folder) if row["step"] > 4]
    assert max(given_up) <= min(kept)
    for row in rows(folder):  # each has its own best, wherever it was moved meanwhile
        member = RunFolder(folder / "members" / str(row["member"]))
        capsys.readouterr()
        assert single.main(["--workdir", str(member.path), "--mode", "eval"]) == 0
        assert f"{row['best']['loss']:.4f}" in capsys.readouterr().out
        assert (member.read_summary() or {})["status"] == ("finished" if row["step"] == 12 else "interrupted")


def test_the_seeds_of_a_point_are_given_up_together(tmp_path: Path) -> None:
    file = tmp_path / "halving.py"
    file.write_text(
        "def get_sweep():\n"
        "    rates = (1e-5, 1e-3, 1e-2, 3e-2)\n"
        "    halving = dict(min_resource_fraction=0.25, reduction_factor=2)\n"
        "    return dict(grid={'optimizer.learning_rate': rates}, halving=halving, seeds=2)\n"
    )
    assert sweep.main([*COMMAND, "--sweep", str(file), "--workdir", str(tmp_path / "sweep")]) == 0
    steps = [row["step"] for row in rows(tmp_path / "sweep")]
    assert sorted(steps) == [4, 4, 4, 4, 8, 8, 12, 12]
    assert steps[::2] == steps[1::2]


def sweep_of_three(folder: Path, objective: str) -> list[str]:
    file = folder / "sweep.py"
    rates = "grid={'optimizer.learning_rate': (1e-4, 1e-2, 1e-1)}"
    file.write_text(f"def get_sweep():\n    return dict({rates}, objective={objective!r})\n")
    return [*COMMAND, "--sweep", str(file), "--workdir", str(folder / "sweep")]


def test_another_figure_may_decide(tmp_path: Path) -> None:
    """The best checkpoint is then that of the smallest loss, and so is the winner."""
    assert sweep.main(sweep_of_three(tmp_path, "loss")) == 0
    found = rows(tmp_path / "sweep")
    for row in found:
        metrics = read_lines(tmp_path / "sweep" / "members" / str(row["member"]) / "metrics.jsonl")
        losses = {line["step"]: line["loss"] for line in metrics if line["split"] == "validation"}
        assert row["best"]["loss"] == min(losses.values())
        assert losses[row["best"]["step"]] == row["best"]["loss"]
    winner = min(found, key=lambda row: row["best"]["loss"])
    assert [row["member"] for row in found if row["test"] is not None] == [winner["member"]]
    recorded = [{"metric": "loss", "direction": "min"}]
    assert json.loads((tmp_path / "sweep" / "sweep.json").read_text())["objective"] == recorded
    assert all(row["objective"] == recorded for row in found)


def test_a_figure_that_is_not_there_cannot_decide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep.main(sweep_of_three(tmp_path, "los")) == 2
    assert (
        "objective = 'los': validation has no such metric; there are loss, accuracy"
        in capsys.readouterr().err
    )


def test_more_members_than_memory_holds_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "free_memory", lambda _: 30_000)
    assert sweep.main([*COMMAND, *RATES, "--workdir", str(tmp_path / "sweep")]) == 5
    assert "3 members in one program need about" in capsys.readouterr().err
    assert not (tmp_path / "sweep" / "members").exists()


def test_free_memory_is_known_here() -> None:
    where = devices.build_devices(1, devices=1, matmul_precision="float32", allow_device_change=False)
    assert 2**26 < (devices.free_memory(where) or 0) < 2**50
