"""Writing with a trained language model, and scoring a text: the state runs, nothing is computed again.

author = Author(network, parameters)
surprises, memory = author.score(author.begin(start), tokens)
for block in author.write(memory, key, Sampling(temperature=0.8)): ...
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnn_jax import models
from rnn_jax.checkpoints import checkpoint
from rnn_jax.checkpoints.checkpoint import Which
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.models.network import Network
from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import CheckpointError, UserError
from rnn_jax.tasks import language_modelling
from rnn_jax.training.program import Program
from rnn_jax.training.state import State

READ_AT_ONCE = 256
"""Tokens that are read at a time: always so many, the last ones filled up, so that one program does."""
WRITTEN_AT_ONCE = 16
"""Tokens that are written at a time, and then shown."""


class Sampling(NamedTuple):
    """How the next token is drawn from its probabilities."""

    temperature: float = 1.0
    """What logits are divided by: below 1 the likely becomes likelier; 0 takes the likeliest."""
    top_k: int | None = None
    """Only so many of the likeliest tokens; None: all."""
    top_p: float | None = None
    """Only the likeliest tokens that together have this probability (Holtzman et al. 2020); None: all."""


class Memory(NamedTuple):
    """What a text has come to."""

    carry: Any
    """The network's, of one row, after every token but the last."""
    token: jax.Array
    """The last token, which is not read yet: int32 []."""
    written: int = 0
    """Tokens that were drawn so far: what the next one's key is folded with."""


def sample(program: Program, state: State, vocabulary: Vocabulary, count: int) -> str:
    """The text of so many tokens that a model writes after some steps: the same in the same run."""
    key = jax.random.fold_in(jax.random.key(program.job.plan.seed), int(state.step))
    author = Author(program.job.network, state.evaluated)
    return vocabulary.decode(author.sample(vocabulary.start, key, count, Sampling()))


def load_author(
    config: Config, vocabulary: Vocabulary, workdir: Path, which: Which
) -> tuple["Author", int, list[str]]:
    """The author that a run folder holds: its data is not needed.

    Returns:
        The author, the step of its checkpoint, and a line for every damaged checkpoint that was passed over.

    Raises:
        CheckpointError: there is no valid checkpoint of that kind.
    """
    sections, _ = split_hyper(config)
    checkpoints = RunFolder(workdir).checkpoints
    if not checkpoint.steps(checkpoints):
        raise CheckpointError(f"{workdir}: holds no checkpoint yet; train it with --workdir {workdir}")
    spec = language_modelling.spec_of(len(vocabulary), config.task.bptt_steps or 1)
    network = models.build(spec, **sections["model"])
    devices.build(1, **devices.alone({**sections["runtime"], "devices": 1}))
    parameters, step, damaged = checkpoint.restore_evaluated(checkpoints, which)
    known = len(parameters["params"]["embedding"]["embedding"])
    if known != len(vocabulary):
        raise UserError(
            f"{RunFolder(workdir).vocabulary}: has {len(vocabulary):,} tokens, and the model knows {known:,}"
        )
    return Author(network, parameters), step, damaged


class Author:
    """A network that reads, scores and writes one text."""

    def __init__(self, network: Network, parameters: Any) -> None:
        """Compiles nothing yet; `parameters` are the network's, wherever they lie."""
        self._network = network
        self._read, self._write = _compiled(network)
        # Whatever devices it was trained on, one writes.
        self._parameters = jax.device_put(jax.device_get(parameters), jax.local_devices()[0])

    def begin(self, token: int) -> Memory:
        """The memory of a text of which nothing but its first token is there."""
        return Memory(self._network.initial_carry(1), jnp.int32(token))

    def read(self, memory: Memory, tokens: np.ndarray) -> Memory:
        """The memory after some more tokens [tokens]."""
        return self.score(memory, tokens)[1]

    def score(self, memory: Memory, tokens: np.ndarray) -> tuple[np.ndarray, Memory]:
        """The surprise of each of some more tokens [tokens], in nats, and the memory after them."""
        parts = []
        for first in range(0, len(tokens), READ_AT_ONCE):
            window = np.asarray(tokens[first : first + READ_AT_ONCE], np.int32)
            filled = np.pad(window, (0, READ_AT_ONCE - len(window)))
            surprises, carry, token = self._read(
                self._parameters, memory.carry, memory.token, filled, np.int32(len(window))
            )
            parts.append(np.asarray(surprises)[: len(window)])
            memory = Memory(carry, token, memory.written)
        return np.concatenate(parts) if parts else np.zeros(0, np.float32), memory

    def write(self, memory: Memory, key: jax.Array, sampling: Sampling) -> Iterator[np.ndarray]:
        """Goes on with a text for ever: blocks of new tokens [tokens], each as soon as it is there."""
        while True:
            tokens, carry = self._write(
                self._parameters, memory.carry, memory.token, key, np.int32(memory.written), sampling=sampling
            )
            memory = Memory(carry, tokens[-1], memory.written + len(tokens))
            yield np.asarray(tokens)

    def sample(self, start: int, key: jax.Array, count: int, sampling: Sampling) -> np.ndarray:
        """The first `count` tokens that are written after a first one."""
        blocks = self.write(self.begin(start), key, sampling)
        return np.concatenate([next(blocks) for _ in range(-(-count // WRITTEN_AT_ONCE))])[:count]


@functools.lru_cache(maxsize=8)  # one compilation, however many authors a network has while it is trained
def _compiled(network: Network) -> tuple[Any, Any]:
    write = jax.jit(functools.partial(_write, network), static_argnames=("sampling",))
    return jax.jit(functools.partial(_read, network)), write


def draw(logits: jax.Array, key: jax.Array, sampling: Sampling) -> jax.Array:
    """Draws a token, int32 [], from logits [vocabulary]."""
    if sampling.temperature == 0:
        return jnp.argmax(logits).astype(jnp.int32)
    logits = (logits - logits.max()) / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < len(logits):
        likeliest = jax.lax.top_k(logits, sampling.top_k)[1]
        logits = jnp.full_like(logits, -jnp.inf).at[likeliest].set(logits[likeliest])
    if sampling.top_p is not None:
        ordered = jnp.sort(logits, descending=True)
        before = jnp.cumsum(jax.nn.softmax(ordered)) - jax.nn.softmax(ordered)
        # A token stays as long as those that are likelier do not have the probability together: one always.
        least = jnp.min(jnp.where(before < sampling.top_p, ordered, jnp.inf))
        logits = jnp.where(logits < least, -jnp.inf, logits)
    return jax.random.categorical(key, logits).astype(jnp.int32)


def _read(
    network: Network, parameters: Any, carry: Any, token: jax.Array, tokens: jax.Array, count: jax.Array
) -> tuple[jax.Array, Any, jax.Array]:
    """Of the first `count` of tokens [time] the surprises [time], the carry before the last, and the last."""
    inputs = jnp.concatenate([token[None], tokens[:-1]])[None]
    logits, carry = network.apply(parameters, inputs, count[None], carry, {}, None)
    surprises = optax.softmax_cross_entropy_with_integer_labels(logits[0], tokens)
    return surprises, carry, tokens[count - 1]


def _write(
    network: Network,
    parameters: Any,
    carry: Any,
    token: jax.Array,
    key: jax.Array,
    written: jax.Array,
    *,
    sampling: Sampling,
) -> tuple[jax.Array, Any]:
    """The next tokens, and the carry before the last of them."""

    def step(state: tuple[Any, jax.Array], number: jax.Array) -> tuple[tuple[Any, jax.Array], jax.Array]:
        carry, token = state
        logits, carry = network.apply(parameters, token[None, None], None, carry, {}, None)
        token = draw(logits[0, 0], jax.random.fold_in(key, number), sampling)
        return (carry, token), token

    (carry, _), tokens = jax.lax.scan(step, (carry, token), written + jnp.arange(WRITTEN_AT_ONCE))
    return tokens, carry
