"""Wrong configs and command lines: all that parsing detects, in this process, and a few as commands."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bad_configs
import pytest
import wrong_commands
import wrong_files
from wrong_commands import Wrong

from rnn_jax import generate, predict
from rnn_jax.config import command_line
from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping import command

PARSERS: dict[str, Callable[[Sequence[str]], Any]] = {
    "main": command_line.parse,
    "sweep": command.parse,
    "predict": lambda arguments: predict.parser().parse(arguments),
    "generate": generate.parse,
}
pytestmark = pytest.mark.matrix
FOUND_BY_PARSING = 430
"""The minimum number of cases that parsing detects; the others need the data or the model."""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepare the files and folders of the wrong commands; change to an empty working directory."""
    (tmp_path / "files").mkdir()
    wrong_files.prepare(tmp_path / "files")
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.delenv("RNN_JAX_DATA", raising=False)
    return tmp_path / "files"


def error_of(wrong: Wrong, files: Path) -> str | None:
    """Return the error of parsing a command; None if it has none, or needs a process of its own."""
    if wrong.command not in PARSERS or wrong.environment:
        return None
    try:
        PARSERS[wrong.command]([argument.replace("{at}", str(files)) for argument in wrong.arguments])
    except UserError as error:
        return str(error)
    return None


def test_wrong_commands_are_rejected_with_a_short_message(files: Path) -> None:
    found = {wrong: error_of(wrong, files) for wrong in wrong_commands.cases()}
    errors = {wrong: message for wrong, message in found.items() if message is not None}
    for wrong, message in errors.items():
        assert wrong.named.replace("{at}", str(files)) in message, wrong
        assert len(message.splitlines()) <= bad_configs.LINES, wrong
    assert len(errors) >= FOUND_BY_PARSING
    assert not any(files.with_name("home").iterdir())


def test_wrong_commands_in_a_process_of_their_own(tmp_path: Path) -> None:
    outcome = bad_configs.measure(tmp_path, 5)
    assert outcome.tried == 5
    assert not outcome.violations
