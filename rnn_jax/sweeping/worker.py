"""A worker of a study, `python -m rnn_jax.sweeping.worker`, with the arguments of a sweep."""

import sys
from collections.abc import Sequence

from rnn_jax.runtime.command import run_command


def _run(arguments: Sequence[str]) -> int:
    from rnn_jax.sweeping.study_run import take_part

    return take_part(arguments)


if __name__ == "__main__":
    sys.exit(run_command(_run, long_running=True))
