"""Predict new images, texts or sequences with a trained model."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.catalogue import TASKS
from rnn_jax.catalogue.tasks import TaskEntry
from rnn_jax.config.arguments import Parser
from rnn_jax.config.run_folder import read_config_for
from rnn_jax.config.sections.dataset import Dataset
from rnn_jax.datasets import dataset_info
from rnn_jax.datasets.dataset_info import DatasetInfo
from rnn_jax.datasets.user_files import inputs, text_inputs
from rnn_jax.datasets.user_files.inputs import Input
from rnn_jax.datasets.user_files.tables import Columns
from rnn_jax.reporting.formatting import printable
from rnn_jax.runtime.command import run_command
from rnn_jax.runtime.errors import shorten

if TYPE_CHECKING:
    from rnn_jax.inference.loading import Trained

EPILOG = """\
inputs:
  of a run on images     PNG or JPEG files, of any size
  of a run on texts      texts, files with one text per line, or tables (.csv, .tsv) with the run's columns;
                         '-' or nothing: standard input, one text per line
  of a run on sequences  .npz files, with x and, where needed, lengths

examples:
  python -m rnn_jax.predict --workdir runs/mnist/first seven.png nine.jpg
  python -m rnn_jax.predict --workdir runs/imdb/first "A film I will not forget."
  python -m rnn_jax.predict --workdir runs/imdb/first --json < reviews.txt

exit status: 0 finished, 1 a bug, or some inputs could not be read, 2 wrong input, 4 no valid checkpoint,
130 stopped by Ctrl-C
"""
FILES = {"image": "images", "sequences": "sequences"}
"""The kinds of data that are read from files; texts may also be given themselves, or on standard input."""
TOP_CLASSES = 3
MAX_WIDTH = 60
"""The most characters of a text that are printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    with run_command(arguments) as command:
        options = parser().parse(command.arguments)
        config = read_config_for("predict", options.workdir, _is_predicted)
        kind = TASKS[config.task.name].data
        options.inputs = [_expanded(name) for name in options.inputs]
        # Before JAX starts.
        if kind in FILES:
            inputs.check_files(options.inputs, FILES[kind])
        else:
            inputs.check_texts(options.inputs)
        info = dataset_info.load(options.workdir)
        from rnn_jax.inference.loading import load_trained

        with load_trained(config, info, options.workdir, options.checkpoint) as trained:
            blocks = _read(kind, options.inputs, info, config.dataset)
            return _predict(blocks, kind, trained, as_json=options.json)
    return command.exit_status


def _expanded(name: str) -> str:
    """Return the path of an existing file below the home folder `~`; any other input, or text, as it is."""
    path = os.path.expanduser(name)
    return path if name.startswith("~") and os.path.exists(path) else name


def _is_predicted(task: TaskEntry) -> bool:
    return task.predicts == "sequence" and (task.data in FILES or task.data == "labelled_text")


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser("predict", str(__doc__), EPILOG)
    parser.add_run("the run folder of a model with one prediction per image, text or sequence")
    parser.add_argument("--json", action="store_true", help="print one JSON object per input")
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help="what to predict: see below")
    return parser


def _read(kind: str, names: Sequence[str], info: DatasetInfo, dataset: Dataset) -> Iterator[list[Input]]:
    if kind == "image":
        # Pictures of a user's folder are read as for training; other data sets are not made of picture files.
        inverts = dataset.name != "image_folder" or dataset.background is not None
        return inputs.read_input_images(names, info.spec, info.common_background, inverts=inverts)
    if kind == "sequences":
        return inputs.read_input_sequences(names, info.spec)
    assert info.vocabulary is not None
    return text_inputs.read_input_texts(names, info.vocabulary, Columns.of_config(dataset), info.classes)


def _predict(blocks: Iterator[list[Input]], kind: str, trained: "Trained", *, as_json: bool) -> int:
    """Print the predictions of each block as soon as it is computed; return the exit status."""
    from rnn_jax.inference.predictor import Predictor

    predictor, status = Predictor(trained), 0
    for block in blocks:
        values = [each.value for each in block if each.value is not None]
        predictions = iter(())
        if values and kind == "image":
            predictions = iter(predictor.predict_images(np.stack(values)))
        elif values:
            predictions = iter(predictor.predict_sequences(values))
        for each in block:
            row: dict[str, Any] = {"input": each.name, "error": each.error}
            if each.value is not None:
                row = {"input": each.name, **_row(next(predictions), trained.info.classes)}
                row |= {"note": each.note} if each.note else {}
            status = max(status, int("error" in row))
            if "error" in row and not as_json:
                sys.stdout.flush()  # so that the error appears where its input would
                print(f"error: {each.error}", file=sys.stderr)
            else:
                print(json.dumps(row) if as_json else _line(row, is_text=kind not in FILES))
        sys.stdout.flush()
    return status


def _row(prediction: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """The most probable classes, or the values of a regression."""
    if not classes:
        return {"values": [float(_digits(value)) for value in prediction]}
    best = np.argsort(-prediction, kind="stable")[:TOP_CLASSES]
    pairs = [(classes[index], round(float(prediction[index]), 6)) for index in best]
    return {"predictions": [{"class": name, "probability": probability} for name, probability in pairs]}


def _digits(value: np.floating[Any]) -> str:
    """A value in the digits that it has; those of float64 are of a target with an offset."""
    return f"{value:.15g}" if value.dtype == np.float64 else f"{value:.7g}"


def _shorten(value: float) -> str:
    """A value in six digits, or in all where it has more than the seven of float32."""
    return str(value) if float(f"{value:.7g}") != value else f"{value:.6g}"


def _line(row: dict[str, Any], *, is_text: bool) -> str:
    """A row for people; a text is its own name, shortened."""
    name = row["input"]
    if is_text:
        name = shorten(name, MAX_WIDTH)
    if "values" in row:
        columns = [_shorten(value) for value in row["values"]]
    else:
        columns = [f"{each['class']} {100 * each['probability']:5.1f} %" for each in row["predictions"]]
    note = f"\t({row['note']})" if "note" in row else ""
    return f"{printable(name)}\t{printable('  '.join(columns))}{note}"


if __name__ == "__main__":
    sys.exit(main())
