"""The command that generates and scores text."""

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax import datasets, generate, main
from rnn_jax.config.command_line import load_config
from rnn_jax.config.run_folder import RunFolder, open_run
from rnn_jax.config.schema import split_hyper, validate
from rnn_jax.reporting import terminal

SMALL = ["--config.train.duration_steps=20", "--config.log.tensorboard=False", "--config.model.hidden_size=8"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a character model whose vocabulary has 0 and A, but no space."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main.main(["--config", "configs/shakespeare.py:smoke", "--workdir", str(folder), *SMALL]) == 0
    return folder


def run_generate(arguments: list[Any], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    status = generate.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def test_generates_the_requested_text(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def generated(*arguments: Any) -> str:
        status, out, _ = run_generate(["--workdir", trained, "--length", 50, *arguments], capsys)
        assert status == 0
        return out

    out = generated("--prime", "A0A")
    assert out.startswith("A0A")
    assert len(out) == 3 + 50 + 1
    assert generated("--prime", "A0A") == out
    assert generated("--prime", "A0A", "--seed", 1) != out
    assert generated("--temperature", 0, "--seed", 1) == generated("--temperature", 0, "--seed", 2)


def test_text_is_printed_as_it_is_generated(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Flushed(io.StringIO):
        def flush(self) -> None:
            seen.append(len(self.getvalue()))

    monkeypatch.setattr(sys, "stdout", Flushed())
    assert generate.main(["--workdir", str(trained), "--length", "100"]) == 0
    assert len(set(seen)) > 5


def test_scores_a_file(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("0A0A\n")
    status, out, _ = run_generate(["--workdir", trained, "--score", tmp_path / "a.txt"], capsys)
    assert status == 0
    assert "bits_per_character" in out
    assert "5 tokens, best checkpoint, step 20" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("tokenizer", "encoding", "content"),
    [
        ("characters", "utf-8", b"\xef\xbb\xbfA line\rof text\r\n" * 40),
        ("characters", "latin-1", b"l'\xe9t\xe9\n" * 40),
        ("bytes", "utf-8", bytes(range(256)) * 3),
        ("words", "utf-8", b"some words\r\n" * 60),
    ],
)
def test_a_scored_text_has_the_tokens_of_the_training_text(
    tokenizer: str, encoding: str, content: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(content)
    keys = {"file": file, "data_dir": tmp_path / "data", "tokenizer": tokenizer, "encoding": encoding}
    changes = {f"dataset.{key}": str(value) for key, value in keys.items()}
    config, _ = validate(load_config("configs/text.py", changes))
    data = datasets.build_dataset(**split_hyper(config)[0]["dataset"])
    assert data.vocabulary is not None
    found = generate._encode(data.vocabulary, generate._read_text(str(file), config), str(file))
    trained_on = [data.splits[split]["tokens"] for split in ("train", "validation", "test")]
    np.testing.assert_array_equal(found, np.concatenate(trained_on))


def test_scores_standard_input(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"0A0\r\n")))
    status, out, _ = run_generate(["--workdir", trained, "--score", "-"], capsys)
    assert status == 0
    assert "4 tokens" in out


def test_tokens_are_coloured_by_likelihood(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    terminal.print_tokens(["ex", "pected", "\n", "\x07"], np.array([0.1, 4.0, 9.0, 0.2]))
    out = capsys.readouterr().out
    assert "\x1b[48;2;128;56;0mpected\x1b[0m" in out
    assert "↵" in out
    assert "\x07" not in out
    assert terminal.token_style(0.1) == ""
    assert terminal.token_style(99.0) == terminal.UNLIKELIEST


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ["--prime", "0 A"],
            2,
            "--prime: line 1: the character ' ' is not in the vocabulary, which has no <unk>",
        ),
        (["--score", "nowhere.txt"], 2, "nowhere.txt: cannot be read: No such file or directory"),
        (["--temperature", "-1"], 2, "--temperature -1.0: must be a finite number, at least 0"),
        (["--temperature", "nan"], 2, "--temperature nan: must be a finite number, at least 0"),
        (["--temperature", "hot"], 2, "argument --temperature: invalid float value: 'hot'"),
        (["--top_p", "1.5"], 2, "--top_p 1.5: must be more than 0 and at most 1"),
        (["--top_k", "0"], 2, "--top_k 0: must be at least 1"),
        (["--length", "0"], 2, "--length 0: must be at least 1"),
        (["--seed", "-1"], 2, "--seed -1: must be from 0 to 4,294,967,295"),
        (["--lenght", "5"], 2, "--lenght: no such flag; did you mean --length?"),
        (["--score", "a.txt", "--prime", "A"], 2, "--prime: not with --score"),
        (
            ["--score", "~nosuch/a.txt"],
            2,
            "~nosuch/a.txt: cannot be read: No such file or directory",
        ),
        (["--checkpoint", "first"], 2, "argument --checkpoint: invalid choice: 'first'"),
    ],
)
def test_wrong_command_lines(
    arguments: list[str], status: int, message: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = run_generate(["--workdir", trained, *arguments], capsys)
    assert found == status
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert out == ""


def test_texts_that_cannot_be_scored(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.txt"
    for content, message in (
        (b"", f"{file}: empty, there is nothing to score"),
        (b"00\n0\xff\n", f"{file}: not utf-8: byte 4, in line 2, is 0xff"),
        ("00\né\n".encode(), f"{file}: line 2: the character 'é' is not in the vocabulary"),
    ):
        file.write_bytes(content)
        status, _, err = run_generate(["--workdir", trained, "--score", file], capsys)
        assert (status, err.partition(message)[:2]) == (2, ("error: ", message))


def test_runs_without_a_language_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run_generate(["--workdir", tmp_path], capsys)
    assert (status, "not a run folder (no config.json)" in err) == (2, True)
    status, _, err = run_generate([], capsys)
    assert (status, "--workdir" in err) == (2, True)
    open_run(tmp_path, validate(load_config("configs/digits.py:smoke"))[0])
    status, _, err = run_generate(["--workdir", tmp_path], capsys)
    message = f"{tmp_path}: task.name = classification: generate needs one of language_modelling"
    assert (status, err) == (2, f"error: {message}\n")


@pytest.mark.parametrize("kind", ["text", "image"])
def test_damaged_dataset_info(
    kind: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(trained, tmp_path / "run")
    info = json.loads((folder / "dataset.json").read_text())
    info["spec"] |= {"kind": kind, "vocabulary": 7}
    (folder / "dataset.json").write_text(json.dumps(info))
    status, _, err = run_generate(["--workdir", folder], capsys)
    assert status == 2
    assert "run/dataset.json: damaged: " in err


def test_an_empty_workdir_is_not_the_working_directory(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run_generate(["--workdir="], capsys)
    assert (status, err) == (2, "error: argument --workdir: needs a value, --workdir=DIR\n")


def test_a_folder_without_a_valid_checkpoint_ends_with_4(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    for file in ("config", "dataset", "vocabulary"):
        getattr(folder, file).write_bytes(getattr(RunFolder(trained), file).read_bytes())
    status, _, err = run_generate(["--workdir", folder.path], capsys)
    assert (status, "run/checkpoints: no valid checkpoint" in err) == (4, True)
    (folder.checkpoints / "00000020").mkdir(parents=True)
    status, _, err = run_generate(["--workdir", folder.path], capsys)
    assert (status, "00000020: manifest.json is missing" in err) == (4, True)
    assert "try --checkpoint latest" in err
    status, _, err = run_generate(["--workdir", folder.path, "--checkpoint", "latest"], capsys)
    assert (status, "no valid checkpoint" in err) == (4, True)
