"""What the command line of `rnn_jax.predict` says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from rnn_jax.config.arguments import Parser

DESCRIPTION = "Answers to new inputs with a trained model: pictures, texts or sequences."
EPILOG = """\
inputs:
  of a run on images     PNG or JPEG files, of any size
  of a run on texts      a text, or a file of texts, one in a line; '-' or nothing: standard input
  of a run on sequences  .npz files, with x and, where needed, lengths

examples:
  python -m rnn_jax.predict --workdir runs/mnist/first seven.png nine.jpg
  python -m rnn_jax.predict --workdir runs/imdb/first "A film I will not forget."
  python -m rnn_jax.predict --workdir runs/imdb/first --json < reviews.txt

exit status: 0 finished, 1 a bug, or some inputs could not be read, 2 wrong input, 4 no valid checkpoint,
130 stopped by Ctrl-C
"""


class Command(NamedTuple):
    """Which model is to answer, and to what."""

    workdir: Path
    checkpoint: Literal["best", "latest"]
    inputs: list[str]
    json: bool
    """Whether answers are JSON, one object a line."""


def parse(arguments: Sequence[str]) -> Command:
    """Reads a command line (`sys.argv[1:]`).

    Raises:
        UserError: a flag or its value is wrong.
        SystemExit: with status 0, after `--help` was printed.
    """
    parser = Parser("predict", DESCRIPTION, EPILOG)
    parser.add_run("the folder of a run that answers once to an image, a text or a sequence")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help="what is to be answered to: see below")
    return Command(**vars(parser.parse(arguments)))
