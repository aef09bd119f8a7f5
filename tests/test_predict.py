"""The command that predicts for new inputs."""

import io
import json
import os
import re
import shutil
import sys
import threading
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from rnn_jax import datasets, predict
from rnn_jax.config.command_line import load_config
from rnn_jax.config.run_folder import open_run, read_config
from rnn_jax.config.schema import validate
from rnn_jax.datasets.user_files import inputs, text_inputs
from rnn_jax.inference.evaluation import Predictions, evaluate_run
from rnn_jax.main import main
from rnn_jax.runtime.errors import UserError

ROOT = Path(__file__).parents[1]
BRIEF = ["--config.train.duration_steps=30", "--config.log.tensorboard=False", "--config.model.hidden_size=8"]
WORDS = {"good": "fine grand lovely", "bad": "awful dull poor", "so-so": "plain usual middling"}


def train(config: str, folder: Path, *changes: str) -> Path:
    """Train briefly, and return the run folder."""
    data = [f"--config.dataset.data_dir={folder.parent / 'data'}"]
    assert main(["--config", config, "--workdir", str(folder), *BRIEF, *data, *changes]) == 0
    return folder


def evaluated(run: Path) -> Predictions:
    """Return the predictions of `--mode eval` for the test split."""
    predictions = evaluate_run(read_config(run), run, "best").predictions
    assert predictions is not None
    return predictions


def run_predict(arguments: list[Any], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    status = predict.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def predicted(arguments: list[Any], capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    status, out, err = run_predict([*arguments, "--json"], capsys)
    assert (status, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def assert_equal_predictions(rows: list[dict[str, Any]], expected: Predictions) -> None:
    """Assert that each row has the three most probable classes, in order, with their probabilities."""
    assert len(rows) == len(expected.probabilities)
    for row, probabilities in zip(rows, expected.probabilities, strict=True):
        best = np.argsort(-probabilities, kind="stable")[:3]
        predictions = row["predictions"]
        assert [each["class"] for each in predictions] == [expected.classes[index] for index in best]
        found = [each["probability"] for each in predictions]
        np.testing.assert_allclose(found, probabilities[best], atol=2e-6)


# Images ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    return train("configs/digits.py", folder / "run", "--config.optimizer.warmup_epochs=0.5")


def write_digits(folder: Path, *, inverted: bool = False) -> list[Path]:
    """Write the test images as PNG files of three times their size."""
    images = datasets.build_dataset(name="digits", batch_size=1).splits["test"]["inputs"]
    paths = []
    for number, image in enumerate(images):
        grey = np.rint(image * (255 / 16)).astype(np.uint8)
        larger = grey.repeat(3, axis=0).repeat(3, axis=1)
        paths.append(folder / f"{number}.png")
        Image.fromarray(255 - larger if inverted else larger).save(paths[-1])
    return paths


def test_predictions_for_pictures_equal_those_of_the_evaluation(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write_digits(tmp_path)
    rows = predicted(["--workdir", digits, *paths], capsys)
    assert [row["input"] for row in rows] == [str(path) for path in paths]
    expected = evaluated(digits)
    assert len(np.unique(expected.probabilities.argmax(axis=1))) > 3
    assert_equal_predictions(rows, expected)


def test_dark_on_light_is_inverted_and_noted(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All images of digits are light on dark, so that inversion changes none of them."""
    paths = write_digits(tmp_path, inverted=True)
    rows = predicted(["--workdir", digits, *paths], capsys)
    assert_equal_predictions(rows, evaluated(digits))
    note = "inverted: the background is light, that of the data set is dark"
    assert {row["note"] for row in rows} == {note}
    _, out, _ = run_predict(["--workdir", digits, paths[0]], capsys)
    assert out.endswith(f" %\t({note})\n")


def write_stripes(folder: Path) -> Path:
    """Write dark pictures of upright stripes (left) and lying ones (right), and a few light ones."""
    random = np.random.default_rng(0)
    for name, background, count in (("left", 0, 45), ("right", 0, 45), ("light", 255, 6)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = np.full((12, 12), background, np.uint8)
            at = random.integers(1, 10)
            image[(slice(None), slice(at, at + 2)) if name == "left" else slice(at, at + 2)] = (
                255 - background
            )
            Image.fromarray(image).save(folder / name / f"{name}{number:03}.png")
    return folder


@pytest.mark.parametrize("background", [None, "dark"])
def test_predictions_for_files_of_a_folder_equal_those_of_the_evaluation(
    background: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the backgrounds of the training images differ, as a key decides."""
    folder = write_stripes(tmp_path / "pictures" / "train")
    (tmp_path / "pictures" / "test").symlink_to(folder)
    changes = [f"--config.dataset.folder={folder.parent}", "--config.dataset.batch_size=16"]
    changes += [f"--config.dataset.background={background}"] if background else []
    run = train("configs/images.py", tmp_path / "run", *changes)
    paths = sorted(folder.glob("*/*.png"), key=lambda path: path.name)
    rows = predicted(["--workdir", run, *paths], capsys)
    assert_equal_predictions(rows, evaluated(run))
    assert [row.get("note", "") != "" for row in rows] == [
        background == "dark" and path.parent.name == "light" for path in paths
    ]


def test_unreadable_inputs_are_reported_and_the_rest_predicted(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, *_ = write_digits(tmp_path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(second.read_bytes()[:60])
    wanted = ["--workdir", digits, first, broken, tmp_path / "gone.png", second]
    status, out, err = run_predict(wanted, capsys)
    assert status == 1
    assert [line.partition("\t")[0] for line in out.splitlines()] == [str(first), str(second)]
    assert out.count(" %") == 6
    assert f"error: {broken}: " in err
    assert f"{tmp_path / 'gone.png'}: cannot be read: No such file" in err
    status, out, err = run_predict([*wanted, "--json"], capsys)
    rows = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (1, "")
    assert ["error" in row for row in rows] == [False, True, True, False]


# Texts -----------------------------------------------------------------------------------------------------


def text_of(number: int) -> str:
    """Return a text of one to nine words, some of which depend on its class."""
    label = sorted(WORDS)[number % len(WORDS)]
    words = [*WORDS[label].split(), "the", "film", "é", "was"]
    return " ".join(words[(number * step) % len(words)] for step in range(1, 2 + number % 9))


TEXTS = [text_of(number) for number in range(90)]


def table(path: Path, texts: list[str]) -> str:
    lines = [f"{sorted(WORDS)[number % len(WORDS)]}\t{text}" for number, text in enumerate(texts)]
    path.write_bytes("\n".join(["label\ttext", *lines]).encode("latin-1"))
    return str(path)


def tables_of(texts: list[str]) -> dict[str, bytes]:
    """Return tables of texts in several forms, by file name."""
    lines = "".join(f"bad\t{text}\n" for text in texts)
    return {
        "table.tsv": f"label\ttext\n{lines}".encode(),
        "table.txt": f"label\ttext\n{lines}".encode("latin-1"),
        "unlabelled.csv": "\r\n".join(["text", *(f'"{text}"' for text in texts)]).encode("utf-16"),
        "other_order.csv": "".join(["sep=;\rtext;id\r", *(f"{text};7\r" for text in texts)]).encode(),
    }


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on a Latin-1 table with texts truncated to six words; the test split is all of them."""
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
    """Replace standard input by a pipe with these bytes."""
    reading, writing = os.pipe()
    threading.Thread(target=lambda: (os.write(writing, content), os.close(writing))).start()
    file = os.fdopen(reading)
    monkeypatch.setattr(sys, "stdin", file)
    request.addfinalizer(file.close)


def test_predictions_for_texts_equal_those_of_the_evaluation(
    texts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    expected = evaluated(texts)
    rows = predicted(["--workdir", texts, *TEXTS], capsys)
    assert [row["input"] for row in rows] == TEXTS
    assert_equal_predictions(rows, expected)
    for encoding in ("utf-8", "latin-1", "utf-16"):
        (tmp_path / "a.txt").write_bytes("\r\n".join(TEXTS).encode(encoding))
        assert predicted(["--workdir", texts, tmp_path / "a.txt"], capsys) == rows
    for name, content in tables_of(TEXTS).items():
        (tmp_path / name).write_bytes(content)
        assert predicted(["--workdir", texts, tmp_path / name], capsys) == rows
    for given in ([], ["-"]):
        standard_input(monkeypatch, request, ("\n\n".join(TEXTS) + "\n").encode())
        assert predicted(["--workdir", texts, *given], capsys) == rows
    (tmp_path / "a.txt").write_text("\n".join(TEXTS[3:]))
    mixed = predicted(["--workdir", texts, *TEXTS[:3], tmp_path / "a.txt"], capsys)
    assert mixed == rows


def test_the_evaluation_names_the_plots_that_it_wrote(
    texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--workdir", str(texts), "--mode", "eval"]) == 0
    assert f"misclassified; confusion.png in {texts}\n" in capsys.readouterr().out
    assert [path.name for path in texts.glob("*.png")].count("mistakes.png") == 0


def test_a_prediction_does_not_depend_on_the_rest_of_its_batch(
    texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = predicted(["--workdir", texts, TEXTS[1]], capsys)[0]["predictions"]
    beside = predicted(["--workdir", texts, " ".join(["film"] * 300), TEXTS[1]], capsys)[1]["predictions"]
    for one, other in zip(alone, beside, strict=True):
        assert one["class"] == other["class"]
        assert one["probability"] == pytest.approx(other["probability"], abs=2e-6)


def test_complete_lines_of_a_pipe_are_read_at_once() -> None:
    """A program may wait for a prediction before it writes the next text."""
    reading, writing = os.pipe()
    found = text_inputs.read_lines(reading, "utf-8", "a pipe")
    os.write(writing, b"one\ntwo\nhal")
    assert next(found) == ["one", "two"]
    os.write(writing, b"f\n")
    assert next(found) == ["half"]
    os.write(writing, b"last")
    os.close(writing)
    assert list(found) == [["last"]]
    os.close(reading)


def test_a_file_is_read_in_blocks_of_many_lines(tmp_path: Path) -> None:
    """Texts of similar lengths can share batches, even if few bytes are read at a time."""
    (tmp_path / "a.txt").write_text(("word " * 60 + "\n") * 2_500)
    with (tmp_path / "a.txt").open("rb") as file:
        blocks = list(text_inputs.read_lines(file.fileno(), None, "a.txt"))
    assert [len(block) for block in blocks] == [1024, 1024, 452]


def test_each_block_is_printed_when_it_is_predicted(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "BLOCK", 16)
    seen: list[int] = []

    class Flushed(io.StringIO):
        def flush(self) -> None:
            seen.append(self.getvalue().count("\n"))

    monkeypatch.setattr(sys, "stdout", Flushed())
    assert predict.main(["--workdir", str(texts), *TEXTS[:40]]) == 0
    assert seen[:3] == [16, 32, 40]


def test_printed_lines_have_text_and_classes(texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "the  film\nwas \x1b[31m" + "lovely " * 20
    status, out, err = run_predict(["--workdir", texts, long], capsys)
    assert (status, err) == (0, "")
    text, _, shares = out.rstrip("\n").partition("\t")
    assert text.startswith("the film was ")
    assert text.endswith("…")
    assert "\x1b" not in out
    found = re.findall(r"(\S+) +([0-9.]+) %", shares)
    assert sorted(label for label, _ in found) == sorted(WORDS)
    assert sum(float(share) for _, share in found) == pytest.approx(100, abs=0.2)


NO_SUCH_FILE = "no such file; to predict it as a text, give it on standard input"


def test_wrong_texts(
    texts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    status, out, err = run_predict(["--workdir", texts, "  ", "the film"], capsys)
    assert status == 1
    assert out.startswith("the film\t")
    assert "has no token" in err
    status, _, err = run_predict(["--workdir", texts, tmp_path / "gone.txt"], capsys)
    assert (status, err) == (2, f"error: {tmp_path / 'gone.txt'}: {NO_SUCH_FILE}\n")
    standard_input(monkeypatch, request, b"")
    assert run_predict(["--workdir", texts], capsys) == (0, "", "")


def test_tables_with_wrong_rows(texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.tsv").write_text("label\ttext\ngood\tfine film\nbad\t \nbad\ta\tb\n\t the film\n")
    (tmp_path / "b.csv").write_text("review,stars\nfine,5\n")
    (tmp_path / "c.txt").write_bytes(b"the film\ncaf\xe9\n")
    names = [tmp_path / name for name in ("a.tsv", "b.csv", "c.txt")]
    status, out, err = run_predict(["--workdir", texts, *names], capsys)
    assert status == 1
    assert [line.partition("\t")[0] for line in out.splitlines()] == [
        *("fine film", "the film", "the film", "café"),
    ]
    assert err.splitlines()[:2] == [
        f"error: {names[0]}: line 3 has no text",
        f"error: {names[0]}: line 4 has 3 columns: must have 2 as the first line",
    ]
    assert f"dataset.text_column = text: not a column of {names[1]}: must be one of " in err
    assert "a file with one text per line must end with .txt" in err


def test_names_of_files_and_texts(
    texts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    for name in (
        "gone.tsv",
        "my films.txt",
        "gone.jsonl",
        "films/gone",
        "./gone",
        "/gone",
        "~/gone",
        "gone.png",
    ):
        status, out, err = run_predict(["--workdir", texts, name], capsys)
        assert (status, out) == (2, "")
        assert f"{name}: no such file" in err
    status, out, err = run_predict(["--workdir", texts, "films"], capsys)
    assert (status, out) == (2, "")
    assert "films: is a folder" in err
    status, out, err = run_predict(["--workdir", texts, "fine", "films", "gone.csv", "good"], capsys)
    assert (status, [line.partition("\t")[0] for line in out.splitlines()]) == (1, ["fine", "good"])
    assert [line.partition(": ")[2] for line in err.splitlines()] == [
        "films: is a folder; the inputs of this run are texts",
        "gone.csv: no such file; to predict it as a text, give it on standard input",
    ]
    typed = [
        "fine",
        "10/10",
        "and/or",
        "fine...",
        "A film. No, two films.",
        "e.g. this",
        "film\nfine.",
        "这部电影很好.不错",
    ]
    assert [row["input"] for row in predicted(["--workdir", texts, *typed], capsys)] == typed
    standard_input(monkeypatch, request, b"label\ttext\nbad\ta film\n")
    status, out, err = run_predict(["--workdir", texts], capsys)
    assert (status, out) == (2, "")
    assert "standard input: is a table: must be one text per line; give the table's file name" in err


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-7", "iso2022_jp", "cp500"])
def test_lines_in_encodings_unlike_ascii(encoding: str) -> None:
    """However a pipe cuts them; Ċ and 愊 have the byte of a line feed in UTF-16."""
    texts = ["a lovely story", "日本", "a terrible film"] if encoding != "cp500" else ["café", "a film"]
    texts += ["Ċ愊 film"] if encoding.startswith("utf") else []
    content = "\r\n".join(texts).encode(encoding)
    given = None if encoding in ("utf-16", "utf-32") else encoding
    for size in (1, 3, 1000) if given else (4, 5, 1000):
        reading, writing = os.pipe()
        for start in range(0, len(content), size):
            os.write(writing, content[start : start + size])
        os.close(writing)
        with mock.patch.object(text_inputs, "_READ_BYTES", size):
            found = list(text_inputs.read_lines(reading, given, "a pipe"))
        os.close(reading)
        assert [text for block in found for text in block] == texts
    reading, writing = os.pipe()
    os.write(writing, "a".encode("utf-16")[:-1])
    os.close(writing)
    with pytest.raises(UserError, match=r"a pipe: not utf-16: .*truncated.*; convert it to UTF-8"):
        list(text_inputs.read_lines(reading, None, "a pipe"))
    os.close(reading)


def test_a_line_in_no_known_encoding() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"caf\xe9\n")
    os.close(writing)
    with pytest.raises(UserError, match=r"a pipe, line 1: not utf-8 or ascii: byte 3 is 0xe9; convert it to"):
        list(text_inputs.read_lines(reading, "ascii", "a pipe"))
    os.close(reading)


# Sequences -------------------------------------------------------------------------------------------------

RANDOM = np.random.default_rng(0)
LENGTHS = RANDOM.integers(1, 20, size=60)
WAVES = [RANDOM.normal(loc=number % 4, size=(length, 2)) for number, length in enumerate(LENGTHS)]
LABELS = np.array(["rest", "walk", "run", "jump"])[np.arange(60) % 4]
VALUES = np.stack([[wave.sum(), 100 + wave[-1, 0]] for wave in WAVES])


def sequences_file(path: Path, y: np.ndarray | None = None) -> Path:
    arrays: dict[str, Any] = {} if y is None else {"y": y}
    np.savez(path, x=np.concatenate(WAVES), lengths=LENGTHS, **arrays)
    return path


@pytest.mark.parametrize("config", ["configs/sequences.py", "configs/sequences.py:regression"])
def test_predictions_for_sequences_equal_those_of_the_evaluation(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    regression = config.endswith("regression")
    file = sequences_file(tmp_path / "a.npz", VALUES if regression else LABELS)
    files = [f"--config.dataset.{key}={file}" for key in ("file", "test_file")]
    small = ["--config.dataset.batch_size=8", "--config.task.buckets=1"]
    run = train(config, tmp_path / "run", *files, *small)
    inputs_alone = sequences_file(tmp_path / "inputs.npz")
    rows = predicted(["--workdir", run, inputs_alone], capsys)
    assert [row["input"] for row in rows] == [f"{inputs_alone}:{number}" for number in range(60)]
    if not regression:
        assert_equal_predictions(rows, evaluated(run))
        return
    values = np.array([row["values"] for row in rows])
    metrics = evaluate_run(read_config(run), run, "best").metrics["test"]
    assert np.abs(values - VALUES).mean() == pytest.approx(metrics["mean_absolute_error"], rel=1e-5)
    status, out, _ = run_predict(["--workdir", run, inputs_alone], capsys)
    assert status == 0
    assert len(out.splitlines()[0].split("\t")[1].split()) == 2


def test_wrong_sequences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = sequences_file(tmp_path / "a.npz", LABELS)
    changes = [f"--config.dataset.file={file}", "--config.task.buckets=1", "--config.train.duration_steps=2"]
    run = train("configs/sequences.py", tmp_path / "run", *changes, "--config.train.evaluate_every_steps=2")
    np.savez(tmp_path / "wide.npz", x=np.zeros((3, 5, 7)))
    np.savez(tmp_path / "empty.npz", x=np.zeros((3, 5, 2)), lengths=[5, 0, 2])
    np.savez(tmp_path / "pickled.npz", x=np.array([[1], [2, 3]], dtype=object))
    status, out, err = run_predict(
        ["--workdir", run, *(tmp_path / f"{name}.npz" for name in ("wide", "empty", "pickled"))], capsys
    )
    assert status == 1
    assert [line.partition("\t")[0].rpartition(":")[2] for line in out.splitlines()] == ["0", "2"]
    first, second, third = err.splitlines()
    assert "wide.npz: has 7 features: must have 2" in first
    assert "empty.npz: row 1 is empty" in second
    assert "pickled.npz: contains pickled objects" in third


# Run folders -----------------------------------------------------------------------------------------------


def test_inputs_of_another_kind(
    digits: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run_predict(["--workdir", digits, "a text"], capsys)
    assert (status, err) == (2, "error: a text: no such file; the inputs of this run are images\n")
    status, _, err = run_predict(["--workdir", digits], capsys)
    assert status == 2
    assert "INPUT: must be at least one file of images" in err
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3, 1)))
    Image.new("L", (8, 8)).save(tmp_path / "a.txt", "png")
    Image.new("L", (8, 8)).save(tmp_path / "a.webp")
    (tmp_path / "folder").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "folder" / "a.png")
    for run, name, kind, expected in (
        (digits, ROOT / "README.md", "a text", "images"),
        (digits, tmp_path / "a.npz", "an .npz file", "images"),
        (
            digits,
            tmp_path / "folder",
            "a folder of pictures",
            f"images; give its files, such as {tmp_path}/folder/*.png",
        ),
        (digits, tmp_path / "a.webp", "a WebP picture", "images; convert it to PNG"),
        (texts, tmp_path / "a.npz", "an .npz file", "texts"),
        (texts, tmp_path / "folder", "a folder of pictures", "texts"),
        (texts, tmp_path / "folder" / "a.png", "a PNG picture", "texts"),
        (texts, tmp_path / "a.txt", "a PNG picture", "texts"),
    ):
        status, _, err = run_predict(["--workdir", run, name], capsys)
        assert (status, err) == (2, f"error: {name}: is {kind}; the inputs of this run are {expected}\n")
    good, names = tmp_path / "folder" / "a.png", ("a.webp", "folder", "a.npz", "gone.csv")
    status, out, err = run_predict(["--workdir", digits, good, *(tmp_path / name for name in names)], capsys)
    assert (status, [line.partition("\t")[0] for line in out.splitlines()]) == (1, [str(good)])
    assert [name in line for name, line in zip(names, err.splitlines(), strict=True)] == [True] * 4
    assert "a.webp: is a WebP picture, not a PNG or JPEG file" in err
    for run, name, expected in ((texts, "a.png", "texts"), (digits, "a.csv", "images")):
        status, _, err = run_predict(["--workdir", run, name], capsys)
        assert (status, err) == (2, f"error: {name}: no such file; the inputs of this run are {expected}\n")


def test_other_runs(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run_predict(["--workdir", tmp_path / "gone", "a.png"], capsys)
    assert status == 2
    assert "gone" in err
    open_run(tmp_path, validate(load_config("configs/shakespeare.py:smoke"))[0])
    status, _, err = run_predict(["--workdir", tmp_path, "a text"], capsys)
    tasks = "classification, text_classification, sequence_classification, sequence_regression"
    message = f"{tmp_path}: task.name = language_modelling: predict needs one of {tasks}"
    assert (status, err) == (2, f"error: {message}\n")


def test_damaged_dataset_info(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = shutil.copytree(digits, tmp_path / "run")
    of_another = b'{"spec": {"kind": "numbers"}, "classes": []}'
    for damage, message in (
        (b"{", "dataset.json"),
        (b"{}", "dataset.json: damaged"),
        (of_another, "dataset.json has data of kind 'numbers', must be 'image'"),
        (None, "dataset.json: missing; resume the run"),
    ):
        if damage is None:
            (run / "dataset.json").unlink()
        else:
            (run / "dataset.json").write_bytes(damage)
        status, _, err = run_predict(["--workdir", run, "a.png"], capsys)
        assert status == 2
        assert message in err


def test_no_valid_checkpoint_ends_with_4(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(digits, tmp_path / "run")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    for checkpoint in (run / "checkpoints").iterdir():
        (checkpoint / "manifest.json").write_text("")
    status, _, err = run_predict(["--workdir", run, tmp_path / "a.png"], capsys)
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
    status, _, err = run_predict(arguments, capsys)
    assert status == 2
    for word in words:
        assert word in err
