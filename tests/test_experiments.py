"""What experiments promise on the command line."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_jax.runtime.config import load_config
from rnn_jax.runtime.schema import validate

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
ARMS = [
    (path.parent.name, name, arm)
    for path in sorted(EXPERIMENTS.glob("*/arms.py"))
    for name, arm in runpy.run_path(str(path))["ARMS"].items()
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
