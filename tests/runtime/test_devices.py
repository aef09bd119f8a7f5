"""The default number of CPU cores of a batch."""

import os
import subprocess
import sys

import pytest

from rnn_jax.models.cells.linear_recurrence import LRU
from rnn_jax.models.recurrence import choose_implementation
from rnn_jax.runtime import devices
from rnn_jax.runtime.devices import worthwhile_cores
from rnn_jax.runtime.errors import UserError


@pytest.mark.parametrize(
    ("rows", "time_steps", "cores", "expected"),
    [
        (128, 28, 2, 2),  # rows of MNIST
        (128, 784, 2, 2),
        (128, 784, 1, 1),
        (256, 28, 16, 4),
        (32, 28, 2, 1),  # a small model's batch
        (20, 35, 2, 1),  # words
        (64, 784, 8, 1),
        (20, 5_000, 8, 1),
    ],
)
def test_cores_need_rows_and_steps(rows: int, time_steps: int, cores: int, expected: int) -> None:
    assert worthwhile_cores(rows, time_steps, cores) == expected


@pytest.mark.parametrize(
    ("environment", "devices", "found"),
    [({}, None, 2), ({}, 1, 1), ({}, 3, 3), ({"JAX_NUM_CPU_DEVICES": "1"}, None, 1)],
)
def test_a_cpu_is_split_unless_the_user_has_set_it(
    environment: dict[str, str], devices: int | None, found: int
) -> None:
    program = (
        "from rnn_jax.runtime import devices\n"
        "devices.available_cores = lambda: 2\n"
        f"options = dict(devices={devices}, matmul_precision='float32', allow_device_change=False)\n"
        "print(devices.build_devices(devices.worthwhile_cores(128, 28), **options).device_count)"
    )
    bare = {
        name: value for name, value in os.environ.items() if name not in ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")
    }
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=bare | environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) == found


def test_a_cpu_is_not_split_into_a_million(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(devices, "_split_cpu", asked.append)
    with pytest.raises(UserError, match=r"runtime\.devices = 1000000: this process has"):
        devices.build_devices(1, devices=1_000_000, matmul_precision="float32", allow_device_change=False)
    assert asked == [devices.MAX_CPU_DEVICES]


PLATFORMS = """
import jax
from rnn_jax.models.cells.linear_recurrence import LRU
from rnn_jax.models.recurrence import choose_implementation
from rnn_jax.runtime import devices
for name in ("cuda", "gpu", "tpu", "CPU", "no-such"):
    jax.config.update("jax_platforms", name)  # as the variable does
    try:
        devices.build_devices(1, devices=None, matmul_precision="float32", allow_device_change=False)
    except devices.UserError as error:
        print(error)
"""


def test_a_platform_that_is_not_here_is_an_error() -> None:
    """A machine with a GPU has `cuda`, and then `gpu` too."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    command = [sys.executable, "-c", PLATFORMS]
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    missing = ("tpu", "CPU", "no-such") if len(lines) == 6 else ("cuda", "gpu", "tpu", "CPU", "no-such")
    expected = [f"JAX_PLATFORMS={name}: there is no such device here" for name in missing]
    assert [line[: len(start)] for line, start in zip(lines[::2], expected, strict=True)] == expected
    assert set(lines[1::2]) == {
        "JAX_PLATFORMS=cpu computes on the CPU; without the variable JAX uses what it finds"
    }


def test_a_cell_whose_implementation_depends_on_the_platform_reports_a_missing_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise AssertionError  # as JAX does for `cuda` without its plug-in

    monkeypatch.setattr(devices.jax, "devices", fail)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(UserError, match="JAX_PLATFORMS=cuda: there is no such device here"):
        choose_implementation(LRU(4), "auto")
