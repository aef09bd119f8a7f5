"""Decoding with a language model: advance the network by tokens and sample tokens from its logits.

generator = TextGenerator(network, parameters)
losses, state = generator.score(generator.start(token), tokens)
for block in generator.generate(state, key, Sampling(temperature=0.8)): ...
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnn_jax.models.network import Network

CHUNK_TOKENS = 256
"""Tokens scored per call. The last chunk is padded, so that one compiled program serves every length."""
BLOCK_TOKENS = 16
"""Tokens generated per call."""


class Sampling(NamedTuple):
    """How the next token is sampled from the logits."""

    temperature: float = 1.0
    """Divides the logits: values below 1 sharpen the distribution; 0 is greedy decoding."""
    top_k: int | None = None
    """Sample from the k most probable tokens only; None: from all."""
    top_p: float | None = None
    """Nucleus sampling: sample from the most probable tokens whose probabilities sum to this value only
    (Holtzman et al. 2020, arXiv 1904.09751); None: from all."""


class DecodingState(NamedTuple):
    """The state of one text after some tokens."""

    carry: Any
    """The network's carry, of a batch of one, after every token but the last."""
    token: jax.Array
    """The last token, int32 []: the network's next input."""
    generated: int = 0
    """The number of tokens generated so far, with which the key of the next one is folded."""


class TextGenerator:
    """Scores and generates one text at a time with a trained language model."""

    def __init__(self, network: Network, parameters: Any) -> None:
        """Copy the network's parameters to one device. Nothing is compiled before the first call."""
        self._network = network
        self._score, self._generate = _compiled(network)
        self._parameters = jax.device_put(jax.device_get(parameters), jax.local_devices()[0])

    def start(self, token: int) -> DecodingState:
        """Return the state of a text that consists of one token."""
        return DecodingState(self._network.initial_carry(1), jnp.int32(token))

    def advance(self, state: DecodingState, tokens: np.ndarray) -> DecodingState:
        """Return the state after the given tokens [tokens]."""
        return self.score(state, tokens)[1]

    def score(self, state: DecodingState, tokens: np.ndarray) -> tuple[np.ndarray, DecodingState]:
        """Return the negative log-likelihoods [tokens] of tokens [tokens], in nats, and the next state."""
        parts = []
        for first in range(0, len(tokens), CHUNK_TOKENS):
            chunk = np.asarray(tokens[first : first + CHUNK_TOKENS], np.int32)
            padded = np.pad(chunk, (0, CHUNK_TOKENS - len(chunk)))
            losses, carry, token = self._score(
                self._parameters, state.carry, state.token, padded, np.int32(len(chunk))
            )
            parts.append(np.asarray(losses)[: len(chunk)])
            state = DecodingState(carry, token, state.generated)
        return np.concatenate(parts) if parts else np.zeros(0, np.float32), state

    def generate(self, state: DecodingState, key: jax.Array, sampling: Sampling) -> Iterator[np.ndarray]:
        """Yield blocks [BLOCK_TOKENS] of new tokens, without end."""
        while True:
            start, generated = (state.carry, state.token), np.int32(state.generated)
            carry, tokens = self._generate(sampling, self._parameters, start, key, generated)
            state = DecodingState(carry, tokens[-1], state.generated + len(tokens))
            yield np.asarray(tokens)

    def sample(self, start: int, key: jax.Array, count: int, sampling: Sampling) -> np.ndarray:
        """Return the first `count` tokens generated after the token `start`."""
        blocks = self.generate(self.start(start), key, sampling)
        return np.concatenate([next(blocks) for _ in range(-(-count // BLOCK_TOKENS))])[:count]


def sample_token(logits: jax.Array, key: jax.Array, sampling: Sampling) -> jax.Array:
    """Sample a token, int32 [], from logits [vocabulary]."""
    if sampling.temperature == 0:
        return jnp.argmax(logits).astype(jnp.int32)
    logits = (logits - logits.max()) / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < len(logits):
        likeliest = jax.lax.top_k(logits, sampling.top_k)[1]
        logits = jnp.full_like(logits, -jnp.inf).at[likeliest].set(logits[likeliest])
    if sampling.top_p is not None:
        ordered = jnp.sort(logits, descending=True)
        before = jnp.cumsum(jax.nn.softmax(ordered)) - jax.nn.softmax(ordered)
        # A token stays while the more probable ones sum to less than top_p, so at least one always stays.
        least = jnp.min(jnp.where(before < sampling.top_p, ordered, jnp.inf))
        logits = jnp.where(logits < least, -jnp.inf, logits)
    return jax.random.categorical(key, logits).astype(jnp.int32)


@functools.lru_cache(maxsize=8)  # training makes a new TextGenerator of the same network at each evaluation
def _compiled(network: Network) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the compiled steps of `TextGenerator.score` and `TextGenerator.generate`."""

    @jax.jit
    def score(parameters: Any, carry: Any, token: jax.Array, tokens: jax.Array, count: jax.Array) -> Any:
        """The losses [time] of tokens [time], of which `count` are not padding; the carry, the last token."""
        inputs = jnp.concatenate([token[None], tokens[:-1]])[None]
        logits, carry = network.apply(parameters, inputs, count[None], carry, {}, None)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits[0], tokens)
        return losses, carry, tokens[count - 1]

    @functools.partial(jax.jit, static_argnums=0)
    def generate(
        sampling: Sampling, parameters: Any, start: Any, key: jax.Array, generated: jax.Array
    ) -> Any:
        """The carry before the last new token, and the new tokens [BLOCK_TOKENS]."""

        def step(state: tuple[Any, jax.Array], number: jax.Array) -> Any:
            carry, token = state
            logits, carry = network.apply(parameters, token[None, None], None, carry, {}, None)
            token = sample_token(logits[0, 0], jax.random.fold_in(key, number), sampling)
            return (carry, token), token

        (carry, _), tokens = jax.lax.scan(step, start, generated + jnp.arange(BLOCK_TOKENS, dtype=jnp.int32))
        return carry, tokens

    return score, generate
