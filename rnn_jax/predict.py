"""Answers to new inputs with a trained model."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rnn_jax.catalogue import TASKS, TaskEntry
from rnn_jax.config.predict_command import parse
from rnn_jax.config.run_folder import read_config
from rnn_jax.datasets.user_files import inputs
from rnn_jax.datasets.user_files.inputs import Input
from rnn_jax.reporting.formatting import printable
from rnn_jax.runtime.command import run_command, warn
from rnn_jax.runtime.errors import UserError

if TYPE_CHECKING:
    from rnn_jax.datasets.dataset_info import DatasetInfo
    from rnn_jax.inference.predictor import Answerer

TOP = 3
"""Classes that are named, the likeliest first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_run, arguments)


def _run(arguments: Sequence[str]) -> int:
    command = parse(arguments)
    config = read_config(command.workdir)
    kind = _kind_of(TASKS[config.task.name])
    if kind is None:
        fitting = [name for name, entry in TASKS.items() if _kind_of(entry) is not None]
        raise UserError(
            f"{command.workdir}: a run of the task {config.task.name}; predict answers once to an input, "
            f"with a run of {', '.join(fitting)}"
        )
    kind.check(command.inputs)  # what is mistyped is found before JAX starts
    import jax

    from rnn_jax.datasets import dataset_info
    from rnn_jax.inference.predictor import load_answerer

    known = dataset_info.load(command.workdir)
    if known.spec["kind"] != TASKS[config.task.name].data:
        raise UserError(f"{command.workdir}: its dataset.json is of another run: {known.spec['kind']}")
    with jax.default_matmul_precision(config.runtime.matmul_precision):
        answerer, _, damaged = load_answerer(config, known, command.workdir, command.checkpoint)
        for line in damaged:
            warn(line)
        encoding = config.dataset.encoding or "utf-8"
        return _answer(kind, kind.read(command.inputs, known, encoding), answerer, command.json)


def _answer(kind: "Kind", blocks: Iterator[list[Input]], answerer: "Answerer", as_json: bool) -> int:
    """Answers to the inputs in their order, as they come; the exit status."""
    failed = False
    for block in blocks:
        sound = [asked.value for asked in block if asked.value is not None]
        answers = iter(kind.answer(answerer, sound) if sound else ())
        for asked in block:
            answer = None if asked.value is None else next(answers)
            failed = failed or answer is None
            _say(asked, answer, answerer.classes, None if as_json else kind.show)
        sys.stdout.flush()
    return 1 if failed else 0


def _say(
    asked: Input, answer: np.ndarray | None, classes: tuple[str, ...], show: Callable[[str], str] | None
) -> None:
    """One line for an input: for people, who are shown its name by `show`, or JSON."""
    told = {} if answer is None else _told(answer, classes)
    if show is None:
        said = {"input": asked.name, **({"error": asked.error} if answer is None else told)}
        print(json.dumps(said))
    elif answer is None:
        sys.stdout.flush()  # so that the error stands where its input does
        print(f"error: {asked.error}", file=sys.stderr)
    elif classes:
        shares = [f"{row['class']} {100 * row['probability']:5.1f} %" for row in told["answers"]]
        print(f"{printable(show(asked.name))}\t{printable('  '.join(shares))}")
    else:
        print(f"{printable(show(asked.name))}\t{'  '.join(f'{number:.6g}' for number in told['numbers'])}")


def _told(answer: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """The likeliest classes with their probabilities, or the numbers."""
    if not classes:
        return {"numbers": [float(f"{number:.7g}") for number in answer]}
    best = np.argsort(-answer, kind="stable")[:TOP]
    return {
        "answers": [
            {"class": classes[number], "probability": round(float(answer[number]), 6)} for number in best
        ]
    }


def _short(name: str, width: int = 60) -> str:
    line = " ".join(name.split())
    return line if len(line) <= width else line[: width - 1] + "…"


class Kind(NamedTuple):
    """How the inputs of a task are checked, read and answered to."""

    check: Callable[[Sequence[str]], None]
    read: Callable[[Sequence[str], "DatasetInfo", str], Iterator[list[Input]]]
    answer: Callable[["Answerer", list[np.ndarray]], np.ndarray]
    show: Callable[[str], str] = str
    """How people are shown an input's name."""


def _read_texts(names: Sequence[str], known: "DatasetInfo", encoding: str) -> Iterator[list[Input]]:
    if known.vocabulary is None:
        raise UserError("the run folder has no vocabulary.json")
    return inputs.read_input_texts(names, known.vocabulary, encoding)


_TEXTS = Kind(
    inputs.check_texts,
    _read_texts,
    lambda answerer, values: answerer.to_sequences(values),
    _short,
)
_PICTURES = Kind(
    lambda names: inputs.check_files(names, "images"),
    lambda names, known, encoding: inputs.read_input_images(names, known.spec, known.background),
    lambda answerer, values: answerer.to_images(np.stack(values)),
)
_SEQUENCES = Kind(
    lambda names: inputs.check_files(names, "sequences"),
    lambda names, known, encoding: inputs.read_input_sequences(names, known.spec),
    lambda answerer, values: answerer.to_sequences(values),
)
KINDS = {"image": _PICTURES, "labelled_text": _TEXTS, "sequences": _SEQUENCES}
"""By the kind of data, for tasks with one prediction per sequence."""


def _kind_of(task: TaskEntry) -> Kind | None:
    return KINDS.get(task.data) if task.predicts == "sequence" else None


if __name__ == "__main__":
    sys.exit(main())
