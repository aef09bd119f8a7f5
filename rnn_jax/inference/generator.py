"""Load the text generator of a run folder."""

from collections.abc import Sequence
from pathlib import Path

from rnn_jax.checkpoints import store
from rnn_jax.checkpoints.store import Which
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.models import build_network
from rnn_jax.models.decoding import TextGenerator
from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import CheckpointError, UserError
from rnn_jax.tasks import language_modelling
from rnn_jax.training.state import evaluated_parameters


def load_generator(
    config: Config, vocabulary: Vocabulary, workdir: Path, which: Which
) -> tuple[TextGenerator, int, Sequence[str]]:
    """Load the language model of a run folder; its dataset is not needed.

    Returns:
        The generator, the step of its checkpoint, and a line for each damaged checkpoint that was skipped.

    Raises:
        CheckpointError: there is no valid checkpoint of that kind.
    """
    sections, _ = split_hyper(config)
    checkpoints = RunFolder(workdir).checkpoints
    if not store.steps(checkpoints):
        raise CheckpointError(f"{workdir}: holds no checkpoint yet; train it with --workdir {workdir}")
    spec = language_modelling.model_spec(len(vocabulary), config.task.bptt_steps or 1)
    network = build_network(config.model, spec)
    devices.build_devices(1, **devices.single_process({**sections["runtime"], "devices": 1}))
    found = store.find(checkpoints, which)
    parameters = evaluated_parameters(found)
    known = len(parameters["params"]["embedding"]["embedding"])
    if known != len(vocabulary):
        raise UserError(
            f"{RunFolder(workdir).vocabulary}: has {len(vocabulary):,} tokens, and the model knows {known:,}"
        )
    return TextGenerator(network, parameters), found.step, found.warnings
