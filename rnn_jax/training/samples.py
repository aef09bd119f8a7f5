"""Text samples of a language model during training, for `samples.txt`."""

import jax

from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.models.decoding import Sampling, TextGenerator
from rnn_jax.training.program import Program
from rnn_jax.training.state import State


def sample(program: Program, state: State, vocabulary: Vocabulary, count: int) -> str:
    """Generate `count` tokens with the evaluated parameters: a function of the seed and the step alone."""
    key = jax.random.fold_in(jax.random.key(program.job.plan.seed), int(state.step))
    generator = TextGenerator(program.job.network, state.evaluated)
    return vocabulary.decode(generator.sample(vocabulary.start, key, count, Sampling()))
