"""The command that writes and scores."""

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax import generate, main
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting import terminal

SMALL = ["--config.train.duration_steps=20", "--config.log.tensorboard=False", "--config.model.hidden_size=8"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a model of characters; its vocabulary has 0 and A, and no space."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main.main(["--config", "configs/shakespeare.py:smoke", "--workdir", str(folder), *SMALL]) == 0
    return folder


def ends(arguments: list[Any], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    status = generate.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def test_writes_what_was_asked_for(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = ends(["--workdir", trained, "--prime", "A0A", "--length", 50], capsys)
    assert status == 0
    assert out.startswith("A0A")
    assert len(out) == 3 + 50 + 1
    assert ends(["--workdir", trained, "--prime", "A0A", "--length", 50], capsys)[1] == out
    assert ends(["--workdir", trained, "--prime", "A0A", "--length", 50, "--seed", 1], capsys)[1] != out
    cold = [ends(["--workdir", trained, "--temperature", 0, "--seed", seed], capsys)[1] for seed in (1, 2)]
    assert cold[0] == cold[1]


def test_it_is_written_as_it_is_made(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Flushed(io.StringIO):
        def flush(self) -> None:
            seen.append(len(self.getvalue()))

    monkeypatch.setattr(sys, "stdout", Flushed())
    assert generate.main(["--workdir", str(trained), "--length", "100"]) == 0
    assert len(set(seen)) > 5


def test_scores_a_file(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("0A0A\n")
    status, out, _ = ends(["--workdir", trained, "--score", tmp_path / "a.txt"], capsys)
    assert status == 0
    assert "bits_per_character" in out
    assert "5 tokens, best checkpoint, step 20" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("tokens", "encoding", "content"),
    [
        ("characters", "utf-8", b"\xef\xbb\xbfA line\rof text\r\n" * 40),
        ("characters", "latin-1", b"l'\xe9t\xe9\n" * 40),
        ("bytes", "utf-8", bytes(range(256)) * 3),
        ("words", "utf-8", b"some words\r\n" * 60),
    ],
)
def test_a_model_scores_the_file_it_was_trained_on(
    tokens: str, encoding: str, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    keys = {
        "dataset.file": tmp_path / "a.txt",
        "dataset.data_dir": tmp_path / "data",
        "dataset.tokenizer": tokens,
        "dataset.encoding": encoding,
    }
    keys |= {
        "dataset.batch_size": 2,
        "task.bptt_steps": 8,
        "train.duration_steps": 2,
        "model.hidden_size": 8,
    }
    typed = [f"--config.{key}={value}" for key, value in keys.items()]
    run = ["--workdir", str(tmp_path / "run")]
    assert (
        main.main(["--config", "configs/text.py", *run, *typed, "--config.train.evaluate_every_steps=2"]) == 0
    )
    status, out, err = ends([*run, "--score", tmp_path / "a.txt"], capsys)
    assert (status, err) == (0, "")
    assert "perplexity" in out


def test_scores_standard_input(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"0A0\r\n")))
    status, out, _ = ends(["--workdir", trained, "--score", "-"], capsys)
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
        (["--temperature", "-1"], 2, "--temperature -1.0: must be a number of at least 0"),
        (["--temperature", "nan"], 2, "--temperature nan: must be a number of at least 0"),
        (["--temperature", "hot"], 2, "argument --temperature: invalid float value: 'hot'"),
        (["--top_p", "1.5"], 2, "--top_p 1.5: must be more than 0 and at most 1"),
        (["--top_k", "0"], 2, "--top_k 0: must be at least 1"),
        (["--length", "0"], 2, "--length 0: must be at least 1"),
        (["--seed", "-1"], 2, "--seed -1: must be from 0 to 4,294,967,295"),
        (["--lenght", "5"], 2, "--lenght: no such flag; did you mean --length?"),
        (["--score", "a.txt", "--prime", "A"], 2, "--prime: only for writing, and --score is given"),
        (
            ["--score", "~nosuch/a.txt"],
            2,
            "~nosuch/a.txt: cannot be read: Could not determine home directory.",
        ),
        (["--checkpoint", "first"], 2, "argument --checkpoint: invalid choice: 'first'"),
    ],
)
def test_what_may_be_mistyped(
    arguments: list[str], status: int, message: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = ends(["--workdir", trained, *arguments], capsys)
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
        status, _, err = ends(["--workdir", trained, "--score", file], capsys)
        assert (status, err.partition(message)[:2]) == (2, ("error: ", message))


def test_folders_that_hold_no_language_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = ends(["--workdir", tmp_path], capsys)
    assert (status, "not a run folder (no config.json)" in err) == (2, True)
    status, _, err = ends([], capsys)
    assert (status, "--workdir" in err) == (2, True)
    folder = tmp_path / "digits"
    assert main.main(["--config", "configs/digits.py:smoke", "--workdir", str(folder), *SMALL]) == 0
    status, _, err = ends(["--workdir", folder], capsys)
    assert status == 2
    assert "a run of the task classification; a language model's is needed" in err


@pytest.mark.parametrize("kind", ["text", "image"])
def test_what_is_known_of_another_text(
    kind: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(trained, tmp_path / "run")
    said = json.loads((folder / "dataset.json").read_text())
    said["spec"] |= {"kind": kind, "vocabulary": 7}
    (folder / "dataset.json").write_text(json.dumps(said))
    status, _, err = ends(["--workdir", folder], capsys)
    assert status == 2
    assert "run/dataset.json: damaged: " in err


def test_no_folder_is_not_the_working_directory(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = ends(["--workdir="], capsys)
    assert (status, err) == (2, "error: argument --workdir: needs a value, --workdir=DIR\n")


def test_a_folder_without_a_valid_checkpoint_ends_with_4(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    for file in ("config", "vocabulary"):
        getattr(folder, file).write_bytes(getattr(RunFolder(trained), file).read_bytes())
    status, _, err = ends(["--workdir", folder.path], capsys)
    assert (status, "holds no checkpoint yet" in err) == (4, True)
    (folder.checkpoints / "00000020").mkdir(parents=True)
    status, _, err = ends(["--workdir", folder.path], capsys)
    assert (status, "00000020: manifest.json is missing" in err) == (4, True)
    assert "try --checkpoint latest" in err
    status, _, err = ends(["--workdir", folder.path, "--checkpoint", "latest"], capsys)
    assert (status, "no valid checkpoint" in err) == (4, True)
