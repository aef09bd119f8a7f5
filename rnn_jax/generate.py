"""Generate text with a trained language model, or score a text."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnn_jax.config.arguments import Parser
from rnn_jax.config.run_folder import read_config_for
from rnn_jax.config.schema import Config
from rnn_jax.datasets import dataset_info, text_encodings
from rnn_jax.datasets import vocabulary as vocabularies
from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.reporting.console import build_console
from rnn_jax.reporting.formatting import printable
from rnn_jax.reporting.terminal import print_tokens
from rnn_jax.runtime.command import run_command
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import user_path

if TYPE_CHECKING:
    from rnn_jax.models.decoding import TextGenerator

EPILOG = """\
examples:
  python -m rnn_jax.generate --workdir runs/shakespeare/first --prime "ROMEO:" --temperature 0.8
  python -m rnn_jax.generate --workdir runs/shakespeare/first --score my.txt

exit status: 0 finished, 1 a bug, 2 wrong input, 4 no valid checkpoint, 130 stopped by Ctrl-C
"""
LENGTH = 500
SAMPLING = {"prime": "", "length": None, "temperature": 1.0, "top_k": None, "top_p": None, "seed": 0}
"""The options that --score excludes, and their defaults."""
RANGES = {
    "length": ("at least 1", lambda value: value >= 1),
    "temperature": ("a finite number, at least 0", lambda value: 0 <= value < float("inf")),
    "top_k": ("at least 1", lambda value: value >= 1),
    "top_p": ("more than 0 and at most 1", lambda value: 0 < value <= 1),
    "seed": ("from 0 to 4,294,967,295", lambda value: 0 <= value < 2**32),
}
"""All of them are False for NaN."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    with run_command(arguments) as command:
        options = parse(command.arguments)
        config = read_config_for("generate", options.workdir, lambda task: task.language_model)
        info = dataset_info.load(options.workdir)
        vocabulary = info.vocabulary
        assert vocabulary is not None
        # A text that cannot be encoded is found before JAX starts.
        if options.score is None:
            tokens = _encode(vocabulary, options.prime, "--prime")
        else:
            tokens = _encode(vocabulary, _read_text(options.score, config), options.score)
            if len(tokens) == 0:
                raise UserError(f"{options.score}: empty, there is nothing to score")
        from rnn_jax.inference.loading import load_trained
        from rnn_jax.models.decoding import TextGenerator

        with load_trained(config, info, options.workdir, options.checkpoint) as trained:
            generator = TextGenerator(trained.network, trained.parameters)
            if options.score is None:
                _generate(generator, vocabulary, tokens, options)
            else:
                _score(
                    generator, vocabulary, tokens, f"{options.checkpoint} checkpoint, step {trained.step:,}"
                )
    return command.exit_status


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; raise UserError if an option or its value is wrong."""
    parser = Parser("generate", str(__doc__), EPILOG)
    parser.add_run("the run folder of a language model")
    parser.set_defaults(**SAMPLING)
    add = parser.add_argument
    add("--prime", metavar="TEXT", help="the beginning of the text, which the model continues")
    add("--length", type=int, metavar="N", help=f"number of tokens to generate (default: {LENGTH})")
    add("--temperature", type=float, metavar="T", help="divides the logits; 0: greedy (default: 1)")
    add("--top_k", type=int, metavar="K", help="sample from the K most probable tokens only")
    add("--top_p", type=float, metavar="P", help="sample from the most probable tokens that sum to P only")
    add("--seed", type=int, metavar="S", help="seed of the sampling (default: 0)")
    add("--score", metavar="FILE", help="report the perplexity of this text instead; '-': standard input")
    options = parser.parse(arguments)
    changed = [name for name, default in SAMPLING.items() if getattr(options, name) != default]
    if options.score is not None and changed:
        raise UserError(f"--{changed[0]}: not with --score")
    for name, (allowed, is_allowed) in RANGES.items():
        value = getattr(options, name)
        if value is not None and not is_allowed(value):
            raise UserError(f"--{name} {value}: must be {allowed}")
    return options


def _read_text(name: str, config: Config) -> str:
    """Read a text, in UTF-8 or in the encoding of the training text."""
    if name == "-" and sys.stdin is None:
        raise UserError("--score -: there is no standard input")
    try:
        data = sys.stdin.buffer.read() if name == "-" else user_path(name).read_bytes()
    except OSError as error:
        raise UserError(f"{name}: cannot be read: {error.strerror}") from error
    if config.dataset.tokenizer == "bytes":
        return data.decode("utf-8", "surrogateescape")
    encodings = text_encodings.candidates(data[: text_encodings.START_BYTES], config.dataset.encoding)
    text, _ = text_encodings.decode(data, name, encodings, text_encodings.CONVERT)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encode(vocabulary: Vocabulary, text: str, name: str) -> np.ndarray:
    try:
        if vocabulary.unit != "byte":
            text.encode()
        return vocabulary.encode(text)
    except UnicodeEncodeError as error:
        raise UserError(f"{name}: not in the terminal's encoding") from error
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def _generate(
    generator: "TextGenerator", vocabulary: Vocabulary, prime: np.ndarray, options: argparse.Namespace
) -> None:
    """Print the prime and the generated tokens, each block as soon as it is generated."""
    import jax

    from rnn_jax.models.decoding import Sampling

    show = printable if sys.stdout.isatty() else str
    decode, left = vocabulary.decoder(), options.length or LENGTH

    def write(tokens: np.ndarray) -> None:
        print(show("".join(decode(int(token)) for token in tokens)), end="", flush=True)

    write(prime)
    state = generator.advance(generator.start(vocabulary.start), prime)
    sampling = Sampling(options.temperature, options.top_k, options.top_p)
    for block in generator.generate(state, jax.random.key(options.seed), sampling):
        write(block[:left])
        left -= len(block)
        if left <= 0:
            break
    print(flush=True)


def _score(generator: "TextGenerator", vocabulary: Vocabulary, tokens: np.ndarray, checkpoint: str) -> None:
    """Print the perplexity of a text; on a terminal, colour each token by its negative log-likelihood."""
    from rnn_jax.tasks.language_modelling import metrics_of_loss

    losses, _ = generator.score(generator.start(vocabulary.start), tokens)
    if sys.stdout.isatty():
        decode = vocabulary.decoder()
        print_tokens([decode(int(token)) for token in tokens], losses)
    notes = [f"{len(tokens):,} tokens, {checkpoint}"]
    unknown = 0 if vocabulary.unknown is None else int((tokens == vocabulary.unknown).sum())
    if unknown:
        notes.append(f"{unknown:,} of them are {vocabularies.UNKNOWN}, not in the vocabulary")
    mean = float(losses.mean(dtype=np.float64))
    metrics = metrics_of_loss(vocabulary.unit, mean) | metrics_of_loss(
        "word", mean
    )  # perplexity of any token
    build_console().results([("score", metrics)], notes)


if __name__ == "__main__":
    sys.exit(main())
