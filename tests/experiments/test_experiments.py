"""The arms, sweeps and studies of the experiments are valid; their tables are those of the records."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_jax.config.command_line import load_config
from rnn_jax.config.schema import validate
from rnn_jax.sweeping.command import parse

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
ARMS = [
    (path.parent.name, name, arm)
    for path in sorted(EXPERIMENTS.glob("*/arms.py"))
    for name, arm in runpy.run_path(str(path)).get("ARMS", {}).items()
]
FILES_OF_A_TABLE = ("README.md", "report.py", "results.jsonl")
SWEEPS = [
    (path.parent, arm)
    for path in sorted(EXPERIMENTS.glob("*/arms.py"))
    for arm in runpy.run_path(str(path)).get("SWEEPS", {}).values()
]
STUDIES = [
    (path.parent, arm)
    for path in sorted(EXPERIMENTS.glob("*/arms.py"))
    for arm in runpy.run_path(str(path)).get("STUDIES", {}).values()
]


@pytest.mark.parametrize(("experiment", "name", "arm"), ARMS, ids=[f"{arm[0]}-{arm[1]}" for arm in ARMS])
def test_every_arm_is_a_valid_config(experiment: str, name: str, arm: tuple) -> None:
    config, overrides, seeds = arm
    found, _ = validate(load_config(config, overrides))
    sections = found.model_dump()
    for key, value in overrides.items():
        section, _, own = key.partition(".")
        assert sections[section][own] == value
    assert list(seeds) == list(range(len(seeds)))


@pytest.mark.parametrize(("folder", "arm"), SWEEPS, ids=[folder.name for folder, _ in SWEEPS])
def test_every_sweep_is_a_valid_command(folder: Path, arm: tuple) -> None:
    config, overrides, file = arm
    typed = [f"--config.{key}={value}" for key, value in overrides.items()]
    command = parse(["--config", config, "--sweep", str(folder / file), *typed])
    assert len(command.members) > len(command.sweep.keys)


@pytest.mark.parametrize(("folder", "arm"), STUDIES, ids=[folder.name for folder, _ in STUDIES])
def test_every_study_is_a_valid_command(folder: Path, arm: tuple) -> None:
    config, overrides, file, workers = arm
    typed = [f"--config.{key}={value}" for key, value in overrides.items()]
    typed += ["--storage", "sqlite:///study.db", "--workers", str(workers)]
    command = parse(["--config", config, "--sweep", str(folder / file), *typed])
    assert command.study is not None
    assert command.study.workers == workers


@pytest.mark.parametrize("workload", ["rows", "ptb_small"])
def test_our_step_is_measured_in_one_json_line(workload: str) -> None:
    small = ["--batch", "3", "--time", "2", "--units", "4", "--rounds", "2"]
    command = [sys.executable, str(EXPERIMENTS / "speed" / "measure.py"), workload, "--json", *small]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert found["workload"] == workload
    assert found["rounds"] == 2
    assert 0 < found["lowest"] <= found["ms_per_step"] <= found["highest"]
    assert found["temporary_bytes"] > 0
    assert found["devices"] == 1


def check_tables(experiments: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(experiments / "tables.py"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("damaged", ["hidden_size/README.md", "README.md"])
def test_a_table_or_index_that_differs_from_the_records_is_reported(damaged: str, tmp_path: Path) -> None:
    copied = tmp_path / "experiments"
    (tmp_path / "README.md").write_text("")
    for file in (
        "tables.py",
        "records.py",
        "README.md",
        *(f"hidden_size/{name}" for name in FILES_OF_A_TABLE),
    ):
        (copied / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXPERIMENTS / file, copied / file)
    subprocess.run([sys.executable, str(copied / "tables.py")], check=True)
    assert check_tables(copied).returncode == 0
    text = (copied / damaged).read_text()
    (copied / damaged).write_text(text.replace("units", "unities"))
    checked = check_tables(copied)
    assert checked.returncode == 1
    assert f"experiments/{damaged}: differs from the records" in checked.stdout


def test_the_final_training_loss_is_a_mean_since_the_last_evaluation_but_one() -> None:
    at_the_end = runpy.run_path(str(EXPERIMENTS / "run.py"))["at_the_end"]
    rows = [
        {"step": 10, "split": "train", "loss": 9.0},
        {"step": 10, "split": "validation", "loss": 8.0},
        {"step": 15, "split": "train", "loss": 3.0},
        {"step": 20, "split": "train", "loss": 2.0},
        {"step": 20, "split": "validation", "loss": 7.0},
    ]
    assert at_the_end(rows) == {"loss": 2.5}
    assert at_the_end(rows[:1]) == {"loss": 9.0}
    assert at_the_end([]) is None
