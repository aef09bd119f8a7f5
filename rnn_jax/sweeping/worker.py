"""A worker of a study, `python -m rnn_jax.sweeping.worker`, with the arguments of a sweep."""

import sys

from rnn_jax.runtime.closed_output import go_on_unheard
from rnn_jax.runtime.errors import as_user_error
from rnn_jax.runtime.signals import Interrupted, exit_status


def main() -> int:
    """Runs the worker and returns its exit status."""
    from rnn_jax.sweeping.study_run import take_part

    try:
        return take_part(sys.argv[1:])
    except Interrupted as interrupted:
        return exit_status(interrupted.signal)
    except Exception as error:
        expected = as_user_error(error)
        if expected is None:
            raise
        print(f"error: {expected}", file=sys.stderr)
        return expected.exit_status


if __name__ == "__main__":
    go_on_unheard()
    sys.exit(main())
