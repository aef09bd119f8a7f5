"""Serve a page to draw on, which shows how a trained network reads the drawing row by row."""

import argparse
import sys
from collections.abc import Sequence

from rnn_jax.config.arguments import Parser
from rnn_jax.config.run_folder import read_config_for
from rnn_jax.drawing.server import ADDRESS, Server
from rnn_jax.runtime.command import exit_now, run_command
from rnn_jax.runtime.signals import Interrupted, StopSignal

EPILOG = """\
Only this machine can reach the page; Ctrl-C stops the server.

examples:
  python -m rnn_jax.draw --workdir runs/mnist/first
  python -m rnn_jax.draw --workdir runs/digits/first --checkpoint latest --port 8000

exit status: 1 a bug, 2 wrong input, 4 no valid checkpoint, 128 + the signal's number if stopped by SIGINT
(130, Ctrl-C), SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 or SIGXCPU
"""
MAX_PORT = 65_535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    with run_command(arguments, long_running=True) as command:
        parser = Parser("draw", str(__doc__), EPILOG)
        parser.add_run("the run folder of an image classifier")
        parser.add_argument(
            "--port", type=_port, default=0, metavar="N", help="its port (default: a free one)"
        )
        options = parser.parse(command.arguments)
        config = read_config_for(
            "draw", options.workdir, lambda task: task.data == "image" and task.names_classes
        )
        with Server(options.port) as server:
            # JAX is imported after all checks of the command line, and before a signal could interrupt it.
            from rnn_jax.drawing.predictor import load

            with StopSignal() as stop:
                try:
                    with stop.raising():
                        predictor = load(config, options.workdir, options.checkpoint)
                        print(f"http://{ADDRESS}:{server.port}/  ready; Ctrl-C stops it", flush=True)
                        server.serve(predictor)
                except Interrupted:
                    server.finish()
                    raise
    if arguments is None:
        # A thread of an open connection may be in C++ code, which exiting aborts.
        exit_now(command.exit_status)
    return command.exit_status


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= MAX_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number from 0 to {MAX_PORT:,}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
