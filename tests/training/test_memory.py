"""Out-of-memory errors name the sizes, and what to lower."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from rnn_jax.config.command_line import load_config
from rnn_jax.config.schema import Config, validate
from rnn_jax.inference import evaluation
from rnn_jax.runtime.distributed import placement
from rnn_jax.runtime.errors import OutOfMemoryError, StorageError, as_user_error
from rnn_jax.training import memory, run
from rnn_jax.training.program import Program

ROOT = Path(__file__).parents[2]
EXHAUSTED = jax.errors.JaxRuntimeError(
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 25600000000 bytes."
)


LIMITED = """
import resource, sys
import jax
from rnn_jax.training import run
jax.block_until_ready(jax.numpy.zeros(3))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**30,) * 2)
"""
"""A process that may have 3 GB."""


def config_of(source: str, **changes: Any) -> Config:
    typed = {key.replace("__", "."): value for key, value in changes.items()}
    return validate(load_config(source, typed))[0]


def message_of(error: Exception, config: Config, members: int = 1) -> str:
    with pytest.raises(OutOfMemoryError) as caught, memory.explain_out_of_memory(config, members):
        raise error
    assert caught.value.exit_status == 5
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "changes", "lines"),
    [
        (
            "configs/digits.py:smoke",
            {"model__hidden_size": 40_000},
            [
                "out of memory on CPU (requested 25.6 GB at once), with dataset.batch_size = 32, "
                "model.hidden_size = 40000, model.layers = 1, task.reading = rows",
                "Lower model.hidden_size, then dataset.batch_size.",
            ],
        ),
        (
            "configs/ptb.py:small",
            {"dataset__batch_size": 9_000},
            [
                "out of memory on CPU (requested 25.6 GB at once), with dataset.batch_size = 9000, "
                "model.hidden_size = 200, model.layers = 2, task.bptt_steps = 20",
                "Lower dataset.batch_size, then task.bptt_steps, then model.hidden_size, then model.layers.",
            ],
        ),
    ],
)
def test_the_message_has_the_sizes_and_what_to_lower(
    source: str, changes: dict[str, Any], lines: list[str]
) -> None:
    assert message_of(EXHAUSTED, config_of(source, **changes)).splitlines() == lines


@pytest.mark.parametrize("config", ["adding", "copying", "digits", "imdb", "sequences", "shakespeare"])
def test_every_task_has_its_time_steps(config: str) -> None:
    assert "Lower dataset.batch_size" in message_of(EXHAUSTED, config_of(f"configs/{config}.py"))


def test_members_come_first() -> None:
    said = message_of(EXHAUSTED, config_of("configs/digits.py:smoke"), members=64)
    assert "64 members in one program\nLower the number of members, then dataset.batch_size" in said


def test_the_host_may_have_no_memory_either() -> None:
    config = config_of("configs/digits.py:smoke")
    with pytest.raises(MemoryError) as caught:
        np.zeros((2**40, 2**17))
    assert message_of(caught.value, config).startswith("out of memory on the host (requested 1.00 EiB")
    assert message_of(MemoryError(), config).startswith(
        "out of memory on the host, with dataset.batch_size = 32"
    )


@pytest.mark.parametrize(
    "error",
    [
        ValueError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes."),
        RuntimeError("RESOURCE_EXHAUSTED: in a text that somebody trains on"),
        jax.errors.JaxRuntimeError("INTERNAL: a file named RESOURCE_EXHAUSTED: x"),
    ],
)
def test_other_errors_are_left_alone(error: Exception) -> None:
    with (
        pytest.raises(type(error)) as caught,
        memory.explain_out_of_memory(config_of("configs/digits.py:smoke")),
    ):
        raise error
    assert caught.value is error
    assert as_user_error(error) is None


def test_without_a_config_it_is_an_error_for_people_too() -> None:
    for error in (EXHAUSTED, MemoryError()):
        assert isinstance(as_user_error(error), StorageError)


def test_an_asynchronous_error_is_explained_where_it_is_waited_for(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps run asynchronously: their errors are raised where a result is waited for."""

    def fail(*arguments: object) -> None:
        raise EXHAUSTED

    monkeypatch.setattr(placement, "fetch", fail)
    with pytest.raises(OutOfMemoryError, match=r"dataset\.batch_size = 12, model\.hidden_size = 6"):
        run.train(tiny(), tmp_path / "run")
    assert "out of memory on CPU" in (tmp_path / "run" / "summary.json").read_text()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited as Linux does")
def test_who_waits_for_what_failed_is_told() -> None:
    """Each program computes 25 GB where a process may have 3, and asks for one number of them."""
    program = (
        f"{LIMITED}\nfrom rnn_jax.runtime.distributed import placement\n"
        "draw = jax.jit(lambda key: (jax.random.normal(key, (40_000, 160_000)), 0))\n"
        "try:\n    placement.fetch(draw(jax.random.key(0))[1])\n"
        "except jax.errors.JaxRuntimeError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.stdout.startswith("RESOURCE_EXHAUSTED: Out of memory"), done.stderr


def test_an_evaluation_tells_it(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.train(tiny(), tmp_path / "run")

    def fail(*arguments: object) -> None:
        raise EXHAUSTED

    monkeypatch.setattr(Program, "evaluate", fail)
    with pytest.raises(OutOfMemoryError, match=r"dataset\.batch_size = 12"):
        evaluation.evaluate_run(tiny(), tmp_path / "run", "best")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited as Linux does")
@pytest.mark.parametrize("command", ["main", "sweep"])
def test_a_model_that_is_too_large_for_real(command: str, tmp_path: Path) -> None:
    """Its weights alone would be 25 GB."""
    changes = ["--config.model.hidden_size=40000", "--config.model.recurrent_init=normal"]
    arguments = ["--config", "configs/digits.py:smoke", "--workdir", str(tmp_path / "run"), *changes]
    if command == "sweep":
        arguments += ["--grid", "optimizer.learning_rate=1e-3"]
    program = f"from rnn_jax.{command} import main{LIMITED}sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    if command == "main":
        assert "out of memory on CPU (requested" in done.stderr
        assert "model.hidden_size = 40000" in done.stderr
        assert "Lower model.hidden_size" in done.stderr
