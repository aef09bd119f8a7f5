"""Writes with a trained language model, or scores a text."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnn_jax.catalogue import TASKS
from rnn_jax.config.generate_command import Command, parse
from rnn_jax.config.run_folder import RunFolder, read_config
from rnn_jax.config.schema import Config
from rnn_jax.datasets import specs
from rnn_jax.datasets import vocabulary as vocabularies
from rnn_jax.datasets.safe_reading import read_json
from rnn_jax.datasets.user_files import encodings
from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.reporting.console import Console, build_console
from rnn_jax.reporting.formatting import printable
from rnn_jax.reporting.terminal import print_tokens
from rnn_jax.runtime.command import run_command, warn
from rnn_jax.runtime.errors import UserError

if TYPE_CHECKING:
    from rnn_jax.models.decoding import TextGenerator


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_run, arguments)


def _run(arguments: Sequence[str]) -> int:
    command, console = parse(arguments), build_console()
    config, known = _read_run(command.workdir)
    # What is wrong with a text is found before JAX starts.
    text = command.prime if command.score is None else _read_text(command.score, config)
    tokens = _encode(known, text, "--prime" if command.score is None else command.score)
    if command.score is not None and len(tokens) == 0:
        raise UserError(f"{command.score}: empty, there is nothing to score")
    import jax

    from rnn_jax.inference.generator import load_generator

    with jax.default_matmul_precision(config.runtime.matmul_precision):
        generator, step, damaged = load_generator(config, known, command.workdir, command.checkpoint)
        for line in damaged:
            warn(line)
        if command.score is not None:
            _score(generator, known, tokens, console, f"{command.checkpoint} checkpoint, step {step:,}")
        else:
            _write(generator, known, tokens, command)
    return 0


def _read_run(workdir: Path) -> tuple[Config, Vocabulary]:
    config, folder = read_config(workdir), RunFolder(workdir)
    if not TASKS[config.task.name].language_model:
        raise UserError(f"{workdir}: a run of the task {config.task.name}; a language model's is needed")
    known = Vocabulary.load(folder.vocabulary)
    if folder.dataset.exists():
        specs.check_text_spec(read_json(folder.dataset).get("spec"), known, str(folder.dataset))
    return config, known


def _read_text(name: str, config: Config) -> str:
    """The text to be scored, read as the text was that the model was trained on."""
    tokens, encoding = config.dataset.tokenizer or "", config.dataset.encoding or "utf-8"
    try:
        if name == "-" and sys.stdin is None:
            raise UserError("--score -: there is no standard input")
        data = sys.stdin.buffer.read() if name == "-" else Path(name).expanduser().read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: of nobody's home
        raise UserError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        return encodings.open_text(io.BytesIO(data), tokens, encoding).read()
    except UnicodeError as error:
        raise UserError(f"{name}: {encodings.decoding_problem(data, encoding, error)}") from error


def _encode(known: Vocabulary, text: str, name: str) -> np.ndarray:
    try:
        if known.unit != "byte":
            text.encode()
        return known.encode(text)
    except UnicodeEncodeError as error:
        raise UserError(f"{name}: not in the terminal's encoding") from error
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def _write(generator: "TextGenerator", known: Vocabulary, prime: np.ndarray, command: Command) -> None:
    """Writes to standard output, block by block as it is made."""
    import jax

    from rnn_jax.models.decoding import Sampling

    show = printable if sys.stdout.isatty() else str
    sampling = Sampling(command.temperature, command.top_k, command.top_p)
    decode, left = known.decoder(), command.length
    _say(show("".join(decode(int(token)) for token in prime)))
    state = generator.advance(generator.start(known.start), prime)
    for block in generator.generate(state, jax.random.key(command.seed), sampling):
        _say(show("".join(decode(int(token)) for token in block[:left])))
        left -= len(block)
        if left <= 0:
            break
    _say("\n")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _score(
    generator: "TextGenerator", known: Vocabulary, tokens: np.ndarray, console: Console, checkpoint: str
) -> None:
    """Print the perplexity of a text; on a terminal, colour each token by its negative log-likelihood."""
    from rnn_jax.tasks.language_modelling import metrics_of_loss

    losses, _ = generator.score(generator.start(known.start), tokens)
    decode = known.decoder()
    if sys.stdout.isatty():
        print_tokens([decode(int(token)) for token in tokens], losses)
    notes = [f"{len(tokens):,} tokens, {checkpoint}"]
    if known.unknown is not None and (unknown := int((tokens == known.unknown).sum())):
        notes.append(f"{unknown:,} of them are {vocabularies.UNKNOWN}, not in the vocabulary")
    mean = float(losses.mean(dtype=np.float64))
    metrics = metrics_of_loss(known.unit, mean) | {"perplexity": metrics_of_loss("word", mean)["perplexity"]}
    console.results([("score", metrics)], notes)


if __name__ == "__main__":
    sys.exit(main())
