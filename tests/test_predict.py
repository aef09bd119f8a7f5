"""The command that answers to new inputs."""

import io
import json
import os
import re
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rnn_jax import datasets, predict
from rnn_jax.config.run_folder import read_config
from rnn_jax.datasets.user_files import inputs
from rnn_jax.inference.evaluation import Answers, evaluate_run
from rnn_jax.main import main
from rnn_jax.runtime.errors import UserError

ROOT = Path(__file__).parents[1]
BRIEF = ["--config.train.duration_steps=30", "--config.log.tensorboard=False", "--config.model.hidden_size=8"]
WORDS = {"good": "fine grand lovely", "bad": "awful dull poor", "so-so": "plain usual middling"}


def train(config: str, folder: Path, *changes: str) -> Path:
    """The folder of a brief run."""
    data = [f"--config.dataset.data_dir={folder.parent / 'data'}"]
    assert main(["--config", config, "--workdir", str(folder), *BRIEF, *data, *changes]) == 0
    return folder


def evaluated(run: Path) -> Answers:
    """What `--mode eval` answers to the test split."""
    answers = evaluate_run(read_config(run), run, "best").answers
    assert answers is not None
    return answers


def ends(arguments: list[Any], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    status = predict.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def told(arguments: list[Any], capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    status, out, err = ends([*arguments, "--json"], capsys)
    assert (status, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def assert_answers(rows: list[dict[str, Any]], expected: Answers) -> None:
    """Asserts that each row has the three likeliest classes, in their order, with their probabilities."""
    assert len(rows) == len(expected.probabilities)
    for row, probabilities in zip(rows, expected.probabilities, strict=True):
        best = np.argsort(-probabilities, kind="stable")[:3]
        assert [answer["class"] for answer in row["answers"]] == [expected.classes[place] for place in best]
        found = [answer["probability"] for answer in row["answers"]]
        np.testing.assert_allclose(found, probabilities[best], atol=2e-6)


# Images ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    return train("configs/digits.py", folder / "run", "--config.optimizer.warmup_epochs=0.5")


def pictures_of_digits(folder: Path, *, inverted: bool = False) -> list[Path]:
    """The test images as PNG files of three times their size."""
    images = datasets.build_dataset(name="digits", batch_size=1).splits["test"]["inputs"]
    paths = []
    for number, image in enumerate(images):
        grey = np.rint(image * (255 / 16)).astype(np.uint8)
        larger = grey.repeat(3, axis=0).repeat(3, axis=1)
        paths.append(folder / f"{number}.png")
        Image.fromarray(255 - larger if inverted else larger).save(paths[-1])
    return paths


def test_pictures_get_the_answers_that_evaluation_gave(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = pictures_of_digits(tmp_path)
    rows = told(["--workdir", digits, *paths], capsys)
    assert [row["input"] for row in rows] == [str(path) for path in paths]
    expected = evaluated(digits)
    assert len(np.unique(expected.probabilities.argmax(axis=1))) > 3
    assert_answers(rows, expected)


def test_dark_on_light_is_turned_round(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = pictures_of_digits(tmp_path, inverted=True)
    assert_answers(told(["--workdir", digits, *paths], capsys), evaluated(digits))


def test_what_cannot_be_read_keeps_no_other_from_its_answer(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, *_ = pictures_of_digits(tmp_path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(second.read_bytes()[:60])
    wanted = ["--workdir", digits, first, broken, tmp_path / "gone.png", second]
    status, out, err = ends(wanted, capsys)
    assert status == 1
    assert [line.partition("\t")[0] for line in out.splitlines()] == [str(first), str(second)]
    assert out.count(" %") == 6
    assert f"error: {broken}: " in err
    assert f"{tmp_path / 'gone.png'}: cannot be read: No such file" in err
    status, out, err = ends([*wanted, "--json"], capsys)
    rows = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (1, "")
    assert ["error" in row for row in rows] == [False, True, True, False]


# Texts -----------------------------------------------------------------------------------------------------


def text_of(number: int) -> str:
    """A text that says what it is, of one to nine words."""
    label = sorted(WORDS)[number % len(WORDS)]
    words = [*WORDS[label].split(), "the", "film", "é", "was"]
    return " ".join(words[(number * step) % len(words)] for step in range(1, 2 + number % 9))


TEXTS = [text_of(number) for number in range(90)]


def table(path: Path, texts: list[str]) -> str:
    lines = [f"{sorted(WORDS)[number % len(WORDS)]}\t{text}" for number, text in enumerate(texts)]
    path.write_bytes("\n".join(["label\ttext", *lines]).encode("latin-1"))
    return str(path)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table in Latin-1 whose texts are cut to six words, and tested on all of them."""
    folder = tmp_path_factory.mktemp("texts")
    file = table(folder / "a.tsv", TEXTS)
    return train(
        "configs/labelled_text.py",
        folder / "run",
        f"--config.dataset.file={file}",
        f"--config.dataset.test_file={file}",
        "--config.dataset.encoding=latin-1",
        "--config.dataset.max_length=6",
        "--config.dataset.batch_size=8",
        "--config.task.buckets=1",
    )


def standard_input(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, content: bytes) -> None:
    """Makes these bytes what comes from standard input, through a pipe."""
    reading, writing = os.pipe()
    threading.Thread(target=lambda: (os.write(writing, content), os.close(writing))).start()
    file = os.fdopen(reading)
    monkeypatch.setattr(sys, "stdin", file)
    request.addfinalizer(file.close)


def test_texts_get_the_answers_that_evaluation_gave(
    texts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    expected = evaluated(texts)
    rows = told(["--workdir", texts, *TEXTS], capsys)
    assert [row["input"] for row in rows] == TEXTS
    assert_answers(rows, expected)
    for encoding in ("utf-8", "latin-1"):
        (tmp_path / "a.txt").write_bytes("\r\n".join(TEXTS).encode(encoding))
        assert told(["--workdir", texts, tmp_path / "a.txt"], capsys) == rows
    for given in ([], ["-"]):
        standard_input(monkeypatch, request, ("\n\n".join(TEXTS) + "\n").encode())
        assert told(["--workdir", texts, *given], capsys) == rows
    (tmp_path / "a.txt").write_text("\n".join(TEXTS[3:]))
    mixed = told(["--workdir", texts, *TEXTS[:3], tmp_path / "a.txt"], capsys)
    assert mixed == rows


def test_an_answer_does_not_depend_on_the_texts_beside_it(
    texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = told(["--workdir", texts, TEXTS[1]], capsys)[0]["answers"]
    beside = told(["--workdir", texts, " ".join(["film"] * 300), TEXTS[1]], capsys)[1]["answers"]
    for one, other in zip(alone, beside, strict=True):
        assert one["class"] == other["class"]
        assert one["probability"] == pytest.approx(other["probability"], abs=2e-6)


def test_texts_are_answered_to_before_the_last_has_come() -> None:
    """Whoever pipes texts in may wait for an answer before the next one is written."""
    reading, writing = os.pipe()
    found = inputs._lines(reading, "utf-8", "a pipe")
    os.write(writing, b"one\ntwo\nhal")
    assert next(found) == ["one", "two"]
    os.write(writing, b"f\n")
    assert next(found) == ["half"]
    os.write(writing, b"last")
    os.close(writing)
    assert list(found) == [["last"]]
    os.close(reading)


def test_a_file_is_read_in_blocks_of_many_lines(tmp_path: Path) -> None:
    """So that texts of like lengths are answered to together, however few bytes are read at a time."""
    (tmp_path / "a.txt").write_text(("word " * 60 + "\n") * 2_500)
    with (tmp_path / "a.txt").open("rb") as file:
        blocks = list(inputs._lines(file.fileno(), "utf-8", "a.txt"))
    assert [len(block) for block in blocks] == [1024, 1024, 452]


def test_each_block_is_written_as_it_is_answered(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "BLOCK", 16)
    seen: list[int] = []

    class Flushed(io.StringIO):
        def flush(self) -> None:
            seen.append(self.getvalue().count("\n"))

    monkeypatch.setattr(sys, "stdout", Flushed())
    assert predict.main(["--workdir", str(texts), *TEXTS[:40]]) == 0
    assert seen[:3] == [16, 32, 40]


def test_lines_for_people_name_text_and_classes(texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "the  film\nwas \x1b[31m" + "lovely " * 20
    status, out, err = ends(["--workdir", texts, long], capsys)
    assert (status, err) == (0, "")
    text, _, shares = out.rstrip("\n").partition("\t")
    assert text.startswith("the film was ")
    assert text.endswith("…")
    assert "\x1b" not in out
    found = re.findall(r"(\S+) +([0-9.]+) %", shares)
    assert sorted(label for label, _ in found) == sorted(WORDS)
    assert sum(float(share) for _, share in found) == pytest.approx(100, abs=0.2)


def test_wrong_texts(
    texts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    status, out, err = ends(["--workdir", texts, "  ", "the film"], capsys)
    assert status == 1
    assert out.startswith("the film\t")
    assert "has no token" in err
    status, _, err = ends(["--workdir", texts, tmp_path / "gone.txt"], capsys)
    assert (status, err) == (2, f"error: {tmp_path / 'gone.txt'}: no such file\n")
    standard_input(monkeypatch, request, b"")
    assert ends(["--workdir", texts], capsys) == (0, "", "")


def test_a_line_in_no_known_encoding() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"caf\xe9\n")
    os.close(writing)
    with pytest.raises(UserError, match=r"a pipe: neither UTF-8 nor ascii: b'caf"):
        list(inputs._lines(reading, "ascii", "a pipe"))
    os.close(reading)


# Sequences -------------------------------------------------------------------------------------------------

RANDOM = np.random.default_rng(0)
LENGTHS = RANDOM.integers(1, 20, size=60)
WAVES = [RANDOM.normal(loc=number % 4, size=(length, 2)) for number, length in enumerate(LENGTHS)]
LABELS = np.array(["rest", "walk", "run", "jump"])[np.arange(60) % 4]
NUMBERS = np.stack([[wave.sum(), 100 + wave[-1, 0]] for wave in WAVES])


def sequences_file(path: Path, y: np.ndarray | None = None) -> Path:
    arrays: dict[str, Any] = {} if y is None else {"y": y}
    np.savez(path, x=np.concatenate(WAVES), lengths=LENGTHS, **arrays)
    return path


@pytest.mark.parametrize("config", ["configs/sequences.py", "configs/sequences.py:regression"])
def test_sequences_get_the_answers_that_evaluation_gave(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    regression = config.endswith("regression")
    file = sequences_file(tmp_path / "a.npz", NUMBERS if regression else LABELS)
    files = [f"--config.dataset.{key}={file}" for key in ("file", "test_file")]
    small = ["--config.dataset.batch_size=8", "--config.task.buckets=1"]
    run = train(config, tmp_path / "run", *files, *small)
    inputs_alone = sequences_file(tmp_path / "inputs.npz")
    rows = told(["--workdir", run, inputs_alone], capsys)
    assert [row["input"] for row in rows] == [f"{inputs_alone}:{number}" for number in range(60)]
    if not regression:
        assert_answers(rows, evaluated(run))
        return
    numbers = np.array([row["numbers"] for row in rows])
    errors = np.abs(numbers - NUMBERS).mean()
    figures = evaluate_run(read_config(run), run, "best").figures["test"]
    assert errors == pytest.approx(figures["mean_absolute_error"], rel=1e-5)
    status, out, _ = ends(["--workdir", run, inputs_alone], capsys)
    assert status == 0
    assert len(out.splitlines()[0].split("\t")[1].split()) == 2


def test_wrong_sequences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = sequences_file(tmp_path / "a.npz", LABELS)
    one_shape = "--config.task.buckets=1"
    run = train("configs/sequences.py", tmp_path / "run", f"--config.dataset.file={file}", one_shape)
    np.savez(tmp_path / "wide.npz", x=np.zeros((3, 5, 7)))
    np.savez(tmp_path / "empty.npz", x=np.zeros((3, 5, 2)), lengths=[5, 0, 2])
    np.savez(tmp_path / "pickled.npz", x=np.array([[1], [2, 3]], dtype=object))
    status, out, err = ends(
        ["--workdir", run, *(tmp_path / f"{name}.npz" for name in ("wide", "empty", "pickled"))], capsys
    )
    assert status == 1
    assert [line.partition("\t")[0].rpartition(":")[2] for line in out.splitlines()] == ["0", "2"]
    first, second, third = err.splitlines()
    assert "wide.npz: has 7 features: must have 2" in first
    assert "empty.npz: row 1 is empty" in second
    assert "pickled.npz: contains pickled objects" in third


# Run folders -----------------------------------------------------------------------------------------------


def test_inputs_of_another_kind(digits: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = ends(["--workdir", digits, "a text"], capsys)
    assert (status, err) == (2, "error: a text: no such file; the inputs of this run are images\n")
    status, _, err = ends(["--workdir", digits], capsys)
    assert status == 2
    assert "INPUT: must be at least one file of images" in err
    status, _, err = ends(["--workdir", digits, ROOT / "README.md"], capsys)
    assert status == 1
    assert "README.md: not a PNG or JPEG file" in err
    for run, name, kinds in (
        (texts, "a.png", ("images", "texts")),
        (digits, "a.npz", ("sequences", "images")),
        (digits, "a.csv", ("texts", "images")),
    ):
        status, _, err = ends(["--workdir", run, name], capsys)
        assert (status, err) == (
            2,
            f"error: {name}: a file of {kinds[0]}; the inputs of this run are {kinds[1]}\n",
        )


def test_runs_that_cannot_answer(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = ends(["--workdir", tmp_path / "gone", "a.png"], capsys)
    assert status == 2
    assert "gone" in err
    writer = tmp_path / "writer"
    assert main(["--config", "configs/shakespeare.py:smoke", "--workdir", str(writer), *BRIEF]) == 0
    status, _, err = ends(["--workdir", writer, "a text"], capsys)
    assert status == 2
    assert "writer: a run of the task language_modelling; predict answers once to an input" in err
    known = digits / "dataset.json"
    content = known.read_bytes()
    try:
        of_another = b'{"spec": {"kind": "numbers"}, "classes": []}'
        for damage, message in (
            (b"{", "dataset.json"),
            (b"{}", "dataset.json: damaged"),
            (of_another, "its dataset.json is of another run: numbers"),
        ):
            known.write_bytes(damage)
            status, _, err = ends(["--workdir", digits, "a.png"], capsys)
            assert status == 2
            assert message in err
        known.unlink()
        status, _, err = ends(["--workdir", digits, "a.png"], capsys)
        assert status == 2
        assert "dataset.json: missing; resume the run" in err
    finally:
        known.write_bytes(content)


def test_no_checkpoint_ends_with_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("configs/digits.py:smoke", tmp_path / "run")
    picture = tmp_path / "a.png"
    Image.new("L", (8, 8)).save(picture)
    for checkpoint in (run / "checkpoints").iterdir():
        (checkpoint / "manifest.json").write_text("")
    status, _, err = ends(["--workdir", run, picture], capsys)
    assert status == 4
    assert "--checkpoint latest" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.png"], ["--workdir"]),
        (["--workdir", "a", "--jsn", "b"], ["--jsn", "did you mean --json?"]),
        (["--workdir", "a", "--checkpoint", "newest"], ["--checkpoint", "best", "latest"]),
    ],
)
def test_wrong_command_lines(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = ends(arguments, capsys)
    assert status == 2
    for word in words:
        assert word in err
