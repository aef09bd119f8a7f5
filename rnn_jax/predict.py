"""Answers to new inputs with a trained model."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rnn_jax.datasets import pictures, sequences
from rnn_jax.reporting.formatting import printable
from rnn_jax.runtime.errors import UserError, as_user_error
from rnn_jax.runtime.predict_command import Command, parse
from rnn_jax.runtime.run_folder import read_config

if TYPE_CHECKING:
    from rnn_jax.training.answering import Answerer
    from rnn_jax.training.known_data import KnownData

TOP = 3
"""Classes that are named, the likeliest first."""
AT_ONCE = 512
"""Inputs that are read before they are answered to, at most: sequences of like lengths share a batch."""


class Asked(NamedTuple):
    """An input, or why it cannot be read."""

    name: str
    value: np.ndarray | None
    error: str | None = None


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit status."""
    try:
        command = parse(arguments)
        config = read_config(command.workdir)
        kind = KINDS.get(config.task.name)
        if kind is None:
            raise UserError(
                f"{command.workdir}: a run of the task {config.task.name}; predict answers once to an input, "
                f"with a run of {', '.join(KINDS)}"
            )
        kind.check(command)  # what is mistyped is found before JAX starts
        import jax

        from rnn_jax.training import known_data
        from rnn_jax.training.answering import load_answerer

        known = known_data.read(command.workdir)
        with jax.default_matmul_precision(config.runtime.matmul_precision):
            answerer, _, damaged = load_answerer(config, known, command.workdir, command.checkpoint)
            for line in damaged:
                print(f"warning: {line}", file=sys.stderr)
            encoding = config.dataset.encoding or "utf-8"
            return _answer(kind, Source(command.inputs, encoding, known), answerer, command.json)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever was reading has seen enough; the interpreter's own flush must not tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        expected = as_user_error(error)
        if expected is None:
            raise
        print(f"error: {expected}", file=sys.stderr)
        return expected.exit_status


class Source(NamedTuple):
    """Where inputs come from, and how they are read."""

    inputs: list[str]
    encoding: str
    """Of texts that are not UTF-8."""
    known: "KnownData"


def _answer(kind: "Kind", source: Source, answerer: "Answerer", as_json: bool) -> int:
    """Answers to the inputs in their order, as they come; the exit status."""
    failed = False
    for block in kind.read(source):
        sound = [asked.value for asked in block if asked.value is not None]
        answers = iter(kind.answer(answerer, sound) if sound else ())
        for asked in block:
            answer = None if asked.value is None else next(answers)
            failed = failed or answer is None
            _say(asked, answer, source.known.classes, as_json)
        sys.stdout.flush()
    return 1 if failed else 0


def _say(asked: Asked, answer: np.ndarray | None, classes: tuple[str, ...], as_json: bool) -> None:
    told = {} if answer is None else _told(answer, classes)
    if as_json:
        said = {"input": asked.name, **({"error": asked.error} if answer is None else told)}
        print(json.dumps(said, ensure_ascii=False))
    elif answer is None:
        sys.stdout.flush()  # so that the error stands where its input does
        print(f"error: {asked.error}", file=sys.stderr)
    elif classes:
        shares = [f"{row['class']} {100 * row['probability']:5.1f} %" for row in told["answers"]]
        print(f"{printable(_short(asked.name))}\t{printable('  '.join(shares))}")
    else:
        print(f"{printable(_short(asked.name))}\t{'  '.join(f'{number:.6g}' for number in told['numbers'])}")


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


def _check_files(command: Command, endings: Sequence[str], what: str) -> None:
    if not command.inputs:
        raise UserError(
            f"INPUT: none is given; {command.workdir} is a run on {what}, and answers to such files"
        )
    for name in command.inputs:
        if not name.lower().endswith(tuple(endings)) and not Path(name).exists():
            raise UserError(f"{name}: no such file; {command.workdir} is a run on {what}")


def _read_pictures(source: Source) -> Iterator[list[Asked]]:
    height, width, maximum = (int(source.known.spec[key]) for key in ("height", "width", "maximum"))
    for block in _blocks(source.inputs):
        asked = []
        for name in block:
            try:
                picture = pictures.read(Path(name))
                image = pictures.fit(picture, height, width, maximum, source.known.background)
                asked.append(Asked(name, image))
            except UserError as error:
                asked.append(Asked(name, None, str(error)))
        yield asked


def _read_sequences(source: Source) -> Iterator[list[Asked]]:
    features = int(source.known.spec["features"])
    for name in source.inputs:
        try:
            found = sequences.read(Path(name), needs_answers=False)
            if found.steps.shape[1] != features:
                raise UserError(f"{name}: has {found.steps.shape[1]} features, the model reads {features}")
        except UserError as error:
            yield [Asked(name, None, str(error))]
            continue
        ends = np.cumsum(found.lengths)
        rows = [
            Asked(f"{name}:{row}", found.steps[end - length : end])
            for row, end, length in zip(found.rows.tolist(), ends, found.lengths, strict=True)
        ]
        yield from _blocks(rows)


def _check_texts(command: Command) -> None:
    for name in command.inputs:
        looks_like_a_file = " " not in name and name.lower().endswith((".txt", ".tsv", ".csv", ".text"))
        if looks_like_a_file and not Path(name).is_file():
            raise UserError(f"{name}: no such file")


def _read_texts(source: Source) -> Iterator[list[Asked]]:
    known = source.known.vocabulary
    if known is None:
        raise UserError("the run folder has no vocabulary.json")
    for lines in _lines(source.inputs or ["-"], source.encoding):
        asked = []
        for text in lines:
            tokens = known.encode(text)
            if len(tokens):
                asked.append(Asked(text, tokens.astype(np.int32)))
            else:
                asked.append(Asked(text, None, f"{text!r}: has nothing to read"))
        yield asked


def _lines(inputs: list[str], encoding: str) -> Iterator[list[str]]:
    """The texts themselves and those of files, a line each; as many at a time as there are."""
    given: list[str] = []
    for name in inputs:
        if name != "-" and not _is_file(name):
            given.append(name)
            continue
        if given:
            yield from _blocks(given)
            given = []
        if name == "-":
            yield from _arriving(sys.stdin.fileno(), encoding, "standard input")
        else:
            with open(name, "rb") as file:
                yield from _arriving(file.fileno(), encoding, name)
    yield from _blocks(given)


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long for a name
        return False


def _arriving(descriptor: int, encoding: str, name: str) -> Iterator[list[str]]:
    """The lines of a file, each read as soon as it is there: whoever writes them may wait for an answer."""
    rest = b""
    while block := os.read(descriptor, 1 << 18):
        *whole, rest = (rest + block).split(b"\n")
        lines = [_decoded(line, encoding, name).strip() for line in whole]
        yield from _blocks([line for line in lines if line])
    if last := _decoded(rest, encoding, name).strip():
        yield [last]


def _decoded(line: bytes, encoding: str, name: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        pass
    try:
        return line.decode(encoding)
    except UnicodeError as error:
        raise UserError(f"{name}: neither UTF-8 nor {encoding}: {line[:40]!r}") from error


def _blocks(items: Iterable[Any]) -> Iterator[list[Any]]:
    block: list[Any] = []
    for item in items:
        block.append(item)
        if len(block) == AT_ONCE:
            yield block
            block = []
    if block:
        yield block


class Kind(NamedTuple):
    """How the inputs of a task are checked, read and answered to."""

    check: Callable[[Command], None]
    read: Callable[[Source], Iterator[list[Asked]]]
    answer: Callable[["Answerer", list[np.ndarray]], np.ndarray]


def _kind_of_sequences(check: Any, read: Any) -> Kind:
    return Kind(check, read, lambda answerer, values: answerer.to_sequences(values))


KINDS = {
    "classification": Kind(
        lambda command: _check_files(command, pictures.ENDINGS, "images"),
        _read_pictures,
        lambda answerer, values: answerer.to_images(np.stack(values)),
    ),
    "text_classification": _kind_of_sequences(_check_texts, _read_texts),
    "sequence_classification": _kind_of_sequences(
        lambda command: _check_files(command, (".npz",), "sequences"), _read_sequences
    ),
    "sequence_regression": _kind_of_sequences(
        lambda command: _check_files(command, (".npz",), "sequences"), _read_sequences
    ),
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
