"""Serves a page to draw on, and shows how a network reads it."""

import sys
from collections.abc import Sequence

from rnn_jax.catalogue import TASKS, TaskEntry
from rnn_jax.config.draw_command import Command, parse
from rnn_jax.config.run_folder import read_config
from rnn_jax.config.schema import Config
from rnn_jax.drawing.server import ADDRESS, Server
from rnn_jax.runtime.command import run_command
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.signals import Interrupted, StopSignal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_run, arguments, long_running=True)


def _run(arguments: Sequence[str]) -> int:
    command = parse(arguments)
    config = read_config(command.workdir)
    if not _classifies_images(TASKS[config.task.name]):
        fitting = [name for name, entry in TASKS.items() if _classifies_images(entry)]
        raise UserError(
            f"{command.workdir}: a run of the task {config.task.name}; a drawing is read by a run that "
            f"names the class of an image: {', '.join(fitting)}"
        )
    with Server(command.port) as server:
        return _serve(server, config, command)


def _classifies_images(task: TaskEntry) -> bool:
    return task.data == "image" and task.names_classes


def _serve(server: Server, config: Config, command: Command) -> int:
    """Serves until a signal asks to stop; the exit status."""
    # JAX is imported here, after everything that can be mistyped, and before a signal could interrupt it.
    from rnn_jax.drawing.predictor import load

    with StopSignal() as stop:
        try:
            with stop.raising():
                predictor = load(config, command.workdir, command.checkpoint)
                print(f"http://{ADDRESS}:{server.port}/  ready; Ctrl-C stops it", flush=True)
                server.serve(predictor)
        except Interrupted:
            server.finish()
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
