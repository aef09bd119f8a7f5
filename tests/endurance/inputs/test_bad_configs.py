"""Wrong configs and command lines: all that is found by reading them, in this process, and a few as typed."""

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
FOUND_BY_READING = 430
"""Of all cases; the others are about data, and what only shows when a model is built."""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files and folders that wrong commands are about; the working directory is empty."""
    (tmp_path / "files").mkdir()
    wrong_files.prepare(tmp_path / "files")
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.delenv("RNN_JAX_DATA", raising=False)
    return tmp_path / "files"


def refusal(wrong: Wrong, files: Path) -> str | None:
    """What a command is refused with; None where reading it finds nothing."""
    try:
        PARSERS[wrong.command]([argument.replace("{at}", str(files)) for argument in wrong.arguments])
    except UserError as error:
        return str(error)
    return None


def test_wrong_commands_are_refused_in_words(files: Path) -> None:
    found = {wrong: refusal(wrong, files) for wrong in wrong_commands.cases()}
    told = {wrong: said for wrong, said in found.items() if said is not None}
    for wrong, said in told.items():
        assert wrong.named.replace("{at}", str(files)) in said, wrong
        assert len(said.splitlines()) <= bad_configs.LINES, wrong
    assert len(told) >= FOUND_BY_READING
    assert not any(files.with_name("home").iterdir())


def test_wrong_commands_as_they_are_typed(tmp_path: Path) -> None:
    outcome = bad_configs.measure(tmp_path, 5)
    assert outcome.tried == 5
    assert not outcome.violations
