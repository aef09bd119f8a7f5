"""What is an error for people, and what is a bug."""

import errno
import os
from pathlib import Path

import pytest

from rnn_jax.config.command_line import load_config
from rnn_jax.runtime.errors import StorageError, UserError, as_user_error


def test_a_name_that_is_too_long_is_reported(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long") as caught:
        os.stat(tmp_path / ("x" * 300))
    expected = as_user_error(caught.value)
    assert type(expected) is UserError
    assert str(expected) == f"{tmp_path / ('x' * 300)}: cannot be reached (File name too long)"


def test_a_full_disk_is_reported() -> None:
    expected = as_user_error(OSError(errno.ENOSPC, "No space left on device", "here"))
    assert isinstance(expected, StorageError)
    assert "here: the disk is full" in str(expected)


def test_wrong_input_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="--config nothing: no such file"):
        load_config("nothing")


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), OSError(errno.EACCES, "denied"), FileNotFoundError(errno.ENOENT, "none", "here")],
)
def test_anything_else_is_a_bug(error: Exception) -> None:
    assert as_user_error(error) is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "invalid truth value 'maybe' for environment 'JAX_ENABLE_X64'",
            "JAX_ENABLE_X64=maybe (environment variable): must be true or false",
        ),
        (
            'Invalid value "abc" for JAX flag jax_num_cpu_devices',
            "JAX_NUM_CPU_DEVICES=abc (environment variable): JAX has no such value",
        ),
    ],
)
def test_wrong_environment_variables_of_jax_are_reported(message: str, expected: str) -> None:
    assert str(as_user_error(ValueError(message))) == expected
