"""The command that writes an HTML report of runs."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import write_lines, write_run, write_sweep

from rnn_jax import report

ROOT = Path(__file__).parents[1]
RATES = [{"optimizer.learning_rate": rate} for rate in (1e-3, 3e-3, 1e-2)]


def run_report(arguments: list[Any], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = report.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def contents(file: Path) -> dict[str, Any]:
    """Return the data in a page."""
    text = file.read_text(encoding="utf-8")
    return json.loads(text.partition('id="data">')[2].partition("</script>")[0])


def test_a_run_is_reported_in_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    status, out, err = run_report([run], capsys)
    page = run / "report.html"
    assert (status, err) == (0, "")
    assert out == f"{page}: 1 run, {page.stat().st_size / 1e6:.1f} MB\n"
    shown = contents(page)
    assert [one["name"] for one in shown["runs"]] == ["run"]
    assert shown["runs"][0]["curves"]["validation"]["accuracy"][0][-1] == 1000
    assert shown["runs"][0]["confusion"] == {"note": "Not evaluated, and the run has no checkpoint."}
    assert shown["units"] == {"loss": "nats"}
    before = page.read_bytes()
    assert run_report([run], capsys)[0] == 0  # replaces the earlier page
    assert len(page.read_bytes()) == len(before)


def test_several_runs_are_reported_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run")
    write_sweep(tmp_path / "sweep", RATES)
    monkeypatch.chdir(tmp_path)
    status, out, _ = run_report(["run", "sweep", "run", tmp_path / "sweep", "./run"], capsys)
    assert (status, out.partition(",")[0]) == (0, "report.html: 4 runs")
    shown = contents(tmp_path / "report.html")
    assert shown["parameters"][0]["key"] == "optimizer.learning_rate"
    assert shown["parameters"][0]["scale"] == "log"
    assert shown["command"].startswith("python -m rnn_jax.report run sweep run ")


def test_the_command_of_a_member_trains_it_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    run_report([sweep, "--out", tmp_path / "page.html"], capsys)
    commands = {run["name"]: run["command"] for run in contents(tmp_path / "page.html")["runs"]}
    flags = "--config configs/digits.py --config.optimizer.learning_rate=0.01 --config.train.seed=0"
    assert commands["2"] == f"python -m rnn_jax.main {flags}"


@pytest.mark.parametrize("status", ["running", "interrupted", "diverged", "failed"])
def test_every_status_is_shown(status: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", status=status, summary={"reason": "some reason"})
    assert run_report([run], capsys)[0] == 0
    shown = contents(run / "report.html")
    assert shown["statuses"] == [[status, 1]]
    assert any(cell[0] == f"{status}: some reason" for cell in shown["table"]["rows"][0])


def test_a_run_without_metrics_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    for name in ("metrics.jsonl", "summary.json"):
        (run / name).unlink()
    assert run_report([run], capsys)[0] == 0
    assert contents(run / "report.html")["statuses"] == [["no summary yet", 1]]


@pytest.mark.parametrize("name", ["config.json", "summary.json", "metrics.jsonl"])
def test_a_damaged_run_is_left_out_with_a_warning(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = write_run(tmp_path / "good"), write_run(tmp_path / "bad")
    (bad / name).write_text("{\n")
    status, out, err = run_report([bad, good, "--out", tmp_path / "page.html"], capsys)
    assert status == 1
    assert err.startswith(f"warning: {bad / name}: damaged")
    assert err.count("\n") == 1
    assert "1 run," in out
    assert [run["name"] for run in contents(tmp_path / "page.html")["runs"]] == ["good"]
    status, _, err = run_report([bad], capsys)  # without any other run
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith(f"error: {bad / name}: damaged")
    assert not (bad / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "no folder to report"),
        (["{}/gone"], "no such folder"),
        (["{}/file"], "not a folder"),
        (["{}/empty"], "neither a run folder (no config.json) nor a sweep folder"),
        (["{}/run", "{}/empty"], "empty: neither"),
        (["{}/run", "--out", "{}/empty"], "is a folder; --out takes a file"),
        (["{}/run", "--out", "{}/gone/page.html"], "there is no folder"),
        (["{}/run", "--out", "{}/file/page.html"], "there is no folder"),
        (["{}/run", "--out", "/dev/null"], "not a regular file"),
        (["{}/run", "--out", "/proc/page.html"], "cannot be written"),
        (["{}/run", "--out="], "needs a value"),
        (["{}/run", "--output=x"], "did you mean --out?"),
    ],
)
def test_wrong_input_is_reported_and_nothing_is_written(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    before = sorted(tmp_path.rglob("*"))
    status, out, err = run_report([argument.format(tmp_path) for argument in arguments], capsys)
    assert (status, out) == (2, "")
    assert expected in err
    assert err.startswith("error: ")
    assert err.count("\n") <= 2
    assert sorted(tmp_path.rglob("*")) == before


def test_a_read_only_folder_needs_another_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run")
    access = os.access  # root may write anywhere
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    status, _, err = run_report([run], capsys)
    assert (status, "give another --out" in err) == (2, True)


@pytest.mark.parametrize("long_runs", [3, pytest.param(100, marks=pytest.mark.matrix)])
def test_a_hundred_runs_fit_into_the_page(
    long_runs: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page takes at most 15 MB and 10 s, with a confusion matrix and an image per run, and long logs."""
    random = np.random.default_rng(0)
    counts = {"classes": [f"{n}" for n in range(10)], "split": "test", "step": 5}
    for number in range(100):
        rate = float(10 ** random.uniform(-4, -1))
        changes = {"optimizer.learning_rate": rate, "train.seed": number}
        final, steps = float(random.uniform(0.5, 0.95)), 20_000 if number < long_runs else 500
        run = write_run(tmp_path / f"run-{number}", changes, final=final, steps=steps, seed=number)
        matrix = random.integers(0, 99, size=(10, 10)).tolist()
        (run / "confusion.json").write_text(json.dumps({**counts, "matrix": matrix}))
        (run / "mistakes.png").write_bytes(b"\x89PNG\r\n\x1a\n" + random.bytes(90_000))
    page = tmp_path / "page.html"
    folders = sorted(tmp_path.glob("run-*"))
    began = time.process_time()
    assert run_report([*folders, "--out", page], capsys)[0] == 0
    assert time.process_time() - began < 10
    assert page.stat().st_size <= 15e6
    shown = contents(page)
    assert len(shown["runs"]) == len(shown["table"]["rows"]) == 100
    assert sum("image" in run["mistakes"] for run in shown["runs"]) == 33
    assert all("classes" in run["confusion"] for run in shown["runs"])
    assert any("thinned" in note for note in shown["notes"])
    for run in shown["runs"]:
        steps, values = run["curves"]["validation"]["accuracy"]
        assert steps[0] == 50
        assert steps[-1] == (20_000 if int(run["name"].removeprefix("run-")) < long_runs else 500)
        best = values[steps.index(run["best_step"])]
        assert best == max(values) == pytest.approx(run["metrics"]["validation"]["accuracy"], rel=1e-5)
        assert len(run["curves"]["train"]["loss"][0]) <= 610


def test_a_large_sweep_fits_into_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sweep has rows without run folders, to write fewer files."""
    random = np.random.default_rng(0)
    objective = [{"metric": "accuracy", "direction": "max"}]
    (tmp_path / "sweep.json").write_text(json.dumps({"objective": objective}))
    rows = []
    for number in range(5_000):
        point = {"optimizer.learning_rate": float(random.uniform(0, 1)), "model.hidden_size": number}
        best = {"step": 10, "accuracy": float(random.uniform(0, 1)), "loss": float(random.uniform(0, 1))}
        rows.append({"member": number, "point": point, "status": "finished", "step": 40, "best": best})
    write_lines(tmp_path / "results.jsonl", rows)
    status, _, err = run_report([tmp_path], capsys)
    assert (status, err) == (0, "")
    page = tmp_path / "report.html"
    assert page.stat().st_size <= 15e6
    shown = contents(page)
    assert len(shown["runs"]) == 4_000
    assert shown["notes"][0] == "The page has the best 4,000 of 5,000 runs."
    values = [run["metrics"]["validation"]["accuracy"] for run in shown["runs"]]
    assert values == sorted((row["best"]["accuracy"] for row in rows), reverse=True)[:4_000]
    assert "facts" not in shown["runs"][-1]


def test_it_starts_without_jax_and_plotting_libraries(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    code = (
        "import sys; from rnn_jax import report; status = report.main(sys.argv[1:]); "
        "print(status, sorted({'jax', 'matplotlib', 'tensorflow_datasets'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(run)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines()[-1] == "0 []"


def test_help_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        report.main(["--help"])
    assert end.value.code == 0
    assert "--out" in capsys.readouterr().out


def test_the_best_result_is_a_mean_over_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The best result is not the luckiest seed of a worse point."""
    cells = {"gru": (0.5, 0.94), "lstm": (0.91, 0.92)}
    points = [{"model.cell": cell, "train.seed": seed} for cell in cells for seed in (0, 1)]
    finals = [final for pair in cells.values() for final in pair]
    for number, (point, final) in enumerate(zip(points, finals, strict=True)):
        best = {"step": 9, "accuracy": final, "loss": 1 - final}
        write_run(tmp_path / str(number), point, summary={"best": best, "test": {"accuracy": final}})
    run_report([*(tmp_path / str(number) for number in range(4)), "--out", tmp_path / "page.html"], capsys)
    expected = "model.cell = lstm, 2 seeds: validation accuracy 91.50 ± 0.71 %; test accuracy 91.50 ± 0.71 %"
    assert contents(tmp_path / "page.html")["best"] == [["classification on digits", expected]]


def test_every_benchmark_has_a_best_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "digits", final=0.5)
    summary = {"dataset": {"name": "mnist"}, "best": {"step": 7, "accuracy": 0.75}, "test": None}
    write_run(tmp_path / "mnist", {"dataset.name": "mnist"}, summary=summary)
    new = write_run(tmp_path / "new", {"task.name": "adding"})
    (new / "summary.json").unlink()
    run_report([*(tmp_path / name for name in ("digits", "mnist", "new")), "--out", tmp_path / "a"], capsys)
    found = dict(contents(tmp_path / "a")["best"])
    assert list(found) == ["classification on digits", "classification on mnist"]
    assert found["classification on mnist"] == "mnist: validation accuracy 75.00 % at step 7"


def test_an_earlier_page_among_the_folders_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rnn_jax.report *` runs twice."""
    for name in ("a", "b"):
        write_run(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for folders in (["a", "b"], ["a", "b", "report.html"], ["a", "report.html"]):
        assert run_report(folders, capsys)[0] == 0
    assert run_report(["a", "b", "page.html", "--out", "other.html"], capsys)[0] == 2
    (tmp_path / "page.html").write_text("")
    status, _, err = run_report(["a", "b", "page.html", "--out", "other.html"], capsys)
    assert (status, err.startswith("error: page.html: not a folder")) == (2, True)


def test_a_folder_of_run_folders_is_recognized(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "runs" / "one")
    status, _, err = run_report([tmp_path / "runs"], capsys)
    assert status == 2
    assert err.endswith(f"; it contains some: {tmp_path / 'runs' / '*'}\n")


@pytest.mark.parametrize("name", ["confusion.json", "mistakes.png"])
def test_a_damaged_attachment_is_reported(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run")
    (run / name).write_text("{")
    status, out, err = run_report([run], capsys)
    assert (status, "1 run," in out) == (1, True)
    assert err.startswith(f"warning: {run / name}: damaged")
    assert contents(run / "report.html")["damaged"][0].startswith(f"{run / name}: damaged")


def test_missing_keys_and_points_have_notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        keys = {f"model.key{key}": number for key in range(14)}
        best = None if number == 2 else {"step": 1, "accuracy": 0.5 + number / 10}
        write_run(tmp_path / str(number), keys, summary={"best": best})
    run_report([*(tmp_path / str(number) for number in range(3)), "--out", tmp_path / "page.html"], capsys)
    shown = contents(tmp_path / "page.html")
    assert len(shown["parameters"]) == 12
    assert shown["notes"] == [
        "The table has 8 of 14 differing keys.",
        "12 of 14 differing keys have charts.",
        "1 of 3 runs have no validation accuracy, and no point in charts of keys.",
    ]


def test_runs_without_an_objective_are_not_ranked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, final in (("a", 0.5), ("b", 0.9)):
        write_run(tmp_path / name, final=final, summary={"objective": None})
    run_report([tmp_path / "a", tmp_path / "b", "--out", tmp_path / "page.html"], capsys)
    shown = contents(tmp_path / "page.html")
    reason = "not ranked, since no summary.json has an objective"
    assert shown["best"] == [["classification on digits", reason]]
    assert (shown["metric"], shown["direction"]) == ("loss", None)
    assert [run["name"] for run in shown["runs"]] == ["a", "b"]


@pytest.mark.parametrize(("direction", "best"), [("max", "b"), ("min", "a")])
def test_runs_are_ranked_by_any_objective(
    direction: str, best: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("a", 0.25), ("b", 0.75)):
        objective = [{"metric": "f1", "direction": direction}]
        summary = {"objective": objective, "best": {"step": 5, "f1": value}, "test": None}
        write_run(tmp_path / name, {"model.cell": name}, summary=summary)
    run_report([tmp_path / "a", tmp_path / "b", "--out", tmp_path / "page.html"], capsys)
    shown = contents(tmp_path / "page.html")
    assert shown["runs"][0]["name"] == best
    assert shown["best"][0][1].startswith(f"{best}: validation f1 0.")


@pytest.mark.parametrize(
    ("tasks", "units"),
    [(["copying", "classification"], {"loss": "nats"}), (["adding"], {}), (["copying", "adding"], {})],
)
def test_the_loss_has_a_unit_if_all_tasks_agree(
    tasks: list[str], units: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for task in tasks:
        write_run(tmp_path / task, {"task.name": task})
    run_report([*(tmp_path / task for task in tasks), "--out", tmp_path / "page.html"], capsys)
    assert contents(tmp_path / "page.html")["units"] == units
