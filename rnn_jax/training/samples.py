"""Text that a language model generates at every evaluation, for `samples.txt`."""

from typing import Any

import jax

from rnn_jax.models.decoding import Sampling, TextGenerator
from rnn_jax.training.build import Job


def sample(job: Job, parameters: Any, seed: int, step: int, count: int) -> str:
    """Generate `count` tokens: the same for the same parameters, seed and step."""
    vocabulary = job.data.vocabulary
    assert vocabulary is not None
    key = jax.random.fold_in(jax.random.key(seed), step)
    generator = TextGenerator(job.network, parameters)
    return vocabulary.decode(generator.sample(vocabulary.start, key, count, Sampling()))
