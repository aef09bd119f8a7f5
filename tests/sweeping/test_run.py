"""Sweeps from the command to the report: whole, cut anywhere, with members that diverge or are given up."""

import json
from pathlib import Path
from typing import Any

import jax
import pytest

from rnn_jax import main as single
from rnn_jax import sweep
from rnn_jax.reporting.log import read_lines
from rnn_jax.runtime import devices
from rnn_jax.runtime.config import load_config
from rnn_jax.runtime.schema import validate
from rnn_jax.training import checkpoint
from rnn_jax.training.loop import train

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
TIMES = ("program_seconds", "hardware", "commit", "versions")


def rows(folder: Path) -> list[dict[str, Any]]:
    """What a sweep's folder says of its members, but for times."""
    found = read_lines(folder / "results.jsonl")
    return [{key: value for key, value in row.items() if key not in TIMES} for row in found]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep that nothing interrupted."""
    folder = tmp_path_factory.mktemp("sweeps") / "whole"
    assert sweep.main([*COMMAND, *RATES, "--seeds", "2", "--workdir", str(folder)]) == 0
    return folder


def test_every_member_is_a_run_that_can_be_looked_at(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(whole)
    assert [row["status"] for row in found] == ["finished"] * 4 + ["diverged"] * 2
    for row in found[:4]:
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
    assert all("not finite at update" in row["reason"] for row in found[4:])


def test_a_member_has_the_figures_of_its_own_run(whole: Path, tmp_path: Path) -> None:
    row = rows(whole)[3]
    changes = SMALL | row["point"] | {"train.seed": row["seed"], "train.report_test": False}
    config, _ = validate(load_config("configs/digits.py:smoke", changes))
    alone = train(config, tmp_path / "alone")
    assert alone["best"] == pytest.approx(row["best"], rel=1e-5)
    assert alone["parameters"] == row["parameters"]


def test_the_winner_alone_is_tested_and_reported(whole: Path) -> None:
    found = rows(whole)
    report = (whole / "report.md").read_text()
    tested = [row for row in found if row["test"] is not None]
    assert len({json.dumps(row["point"]) for row in tested}) == 1
    assert len(tested) == 2
    (rate,) = tested[0]["point"].values()
    assert f"--config.optimizer.learning_rate={rate}" in report
    assert "member 4 (optimizer.learning_rate = 1e+20, seed 0)" in report
    for picture in ("curves.png", "keys.png"):
        assert (whole / picture).stat().st_size > 1_000


@pytest.mark.parametrize("saved", range(4))
def test_a_sweep_that_is_killed_and_started_again_ends_the_same(
    saved: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each of its checkpoints, with everything since the one before lost."""
    folder, left, save_tree = tmp_path / "sweep", saved, checkpoint.save_tree

    class KilledError(BaseException):
        pass

    def killed(*arguments: Any) -> None:
        nonlocal left
        if arguments[0].parent.name == "programs":
            if left == 0:
                raise KilledError
            left -= 1
        save_tree(*arguments)

    command = [*COMMAND, *RATES, "--seeds", "2", "--workdir", str(folder)]
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save_tree", killed)
        if saved < 3:
            with pytest.raises(KilledError):
                sweep.main(command)
    assert sweep.main(["--workdir", str(folder)] if (folder / "sweep.json").exists() else command) == 0
    assert rows(folder) == rows(whole)
    for member in range(6):
        name = Path("members") / str(member) / "metrics.jsonl"
        assert (folder / name).read_text() == (whole / name).read_text()


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


def test_halving_gives_up_the_worst(tmp_path: Path) -> None:
    file = tmp_path / "halving.py"
    file.write_text(
        "def get_sweep():\n"
        "    rates = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2)\n"
        "    halving = dict(first_share=0.25, keep=0.5)\n"
        "    return dict(grid={'optimizer.learning_rate': rates}, halving=halving)\n"
    )
    folder = tmp_path / "sweep"
    assert sweep.main([*COMMAND, "--sweep", str(file), "--workdir", str(folder)]) == 0
    steps = sorted(row["step"] for row in rows(folder))
    assert steps == [3, 3, 3, 6, 12, 12]
    at_the_rung = {
        row["member"]: max(
            line["accuracy"]
            for line in read_lines(folder / "members" / str(row["member"]) / "metrics.jsonl")
            if line["split"] == "validation" and line["step"] <= 3
        )
        for row in rows(folder)
    }
    given_up = [at_the_rung[row["member"]] for row in rows(folder) if row["step"] == 3]
    kept = [at_the_rung[row["member"]] for row in rows(folder) if row["step"] > 3]
    assert max(given_up) <= min(kept)


def test_more_members_than_memory_holds_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "free_memory", lambda _: 30_000)
    assert sweep.main([*COMMAND, *RATES, "--workdir", str(tmp_path / "sweep")]) == 5
    assert "3 members in one program need about" in capsys.readouterr().err
    assert not (tmp_path / "sweep" / "members").exists()


def test_free_memory_is_known_here() -> None:
    where = devices.build(1, devices=1, matmul_precision="float32", allow_device_change=False)
    assert 2**26 < (devices.free_memory(where) or 0) < 2**50
