"""Serves a page to draw on, and shows how a network reads it."""

import sys
from collections.abc import Sequence

from rnn_jax.config.draw_command import Command, parse
from rnn_jax.config.run_folder import read_config
from rnn_jax.config.schema import Config
from rnn_jax.drawing.server import ADDRESS, Server
from rnn_jax.runtime.closed_output import go_on_unheard
from rnn_jax.runtime.errors import UserError, as_user_error
from rnn_jax.runtime.signals import Interrupted, Stop, end_by_default, exit_status

TASK = "classification"


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit status."""
    try:
        command = parse(arguments)
        config = read_config(command.workdir)
        if config.task.name != TASK:
            raise UserError(
                f"{command.workdir}: a run of the task {config.task.name}; a drawing is read by a run that "
                f"names the class of an image, {TASK}"
            )
        with Server(command.port) as server:
            return _serve(server, config, command)
    except Exception as error:
        expected = as_user_error(error)
        if expected is None:
            raise
        print(f"error: {expected}", file=sys.stderr)
        return expected.exit_status


def _serve(server: Server, config: Config, command: Command) -> int:
    """Serves until a signal asks to stop; the exit status."""
    # JAX is imported here, after everything that can be mistyped, and before a signal could interrupt it.
    from rnn_jax.drawing.loading import load

    with Stop() as stop:
        try:
            with stop.at_once():
                answers = load(config, command.workdir, command.checkpoint)
                print(f"http://{ADDRESS}:{server.port}/  ready; Ctrl-C stops it", flush=True)
                server.serve(answers)
        except Interrupted as interrupted:
            server.finish()
            print(file=sys.stderr)  # after the terminal's ^C
            return exit_status(interrupted.signal)
    return 0


if __name__ == "__main__":
    end_by_default()
    go_on_unheard()
    sys.exit(main(sys.argv[1:]))
