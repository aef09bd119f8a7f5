"""Decoding with a carried state equals reading the whole text again; sampling follows its options."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import build_language_model

from rnn_jax.models.decoding import BLOCK_TOKENS, CHUNK_TOKENS, Sampling, TextGenerator, sample_token
from rnn_jax.models.network import Network

VOCABULARY = 65
LOGITS = jnp.log(jnp.array([0.1, 0.4, 0.05, 0.3, 0.15]))


@pytest.fixture(scope="module")
def network() -> Network:
    return build_language_model(VOCABULARY)


@pytest.fixture(scope="module")
def generator(network: Network) -> TextGenerator:
    return TextGenerator(network, network.init(jax.random.key(0), {"init_scale": jnp.float32(3)}))


def take(generator: TextGenerator, count: int, seed: int = 0, sampling: Sampling | None = None) -> list[int]:
    blocks = generator.generate(generator.start(3), jax.random.key(seed), sampling or Sampling())
    return list(itertools.islice((int(token) for block in blocks for token in block), count))


def random_tokens(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, VOCABULARY, count)


def test_greedy_decoding_gives_the_most_probable_token_after_the_whole_text(
    generator: TextGenerator, network: Network
) -> None:
    found = take(generator, 3 * BLOCK_TOKENS, sampling=Sampling(temperature=0))
    logits, _ = network.apply(generator._parameters, jnp.array([[3, *found[:-1]]]), None, None, {}, None)
    assert found == np.asarray(logits[0]).argmax(axis=-1).tolist()
    assert len(set(found)) > 3


def test_a_seed_decides_the_text(generator: TextGenerator) -> None:
    first = take(generator, 40, seed=1)
    assert first == take(generator, 40, seed=1)
    assert first != take(generator, 40, seed=2)
    assert first == generator.sample(3, jax.random.key(1), 40, Sampling()).tolist()


def test_each_token_is_sampled_with_its_own_key(network: Network) -> None:
    """With zero parameters every token is equally probable, and no block repeats another."""
    parameters = jax.tree.map(jnp.zeros_like, network.init(jax.random.key(0), {}))
    tokens = np.array(take(TextGenerator(network, parameters), 64 * BLOCK_TOKENS)).reshape(64, BLOCK_TOKENS)
    assert len({tuple(block) for block in tokens}) == 64
    assert (tokens[0] == tokens[1:]).mean() < 0.1
    assert np.bincount(tokens.ravel(), minlength=VOCABULARY).min() > 0


def test_losses_are_the_cross_entropy_however_the_text_is_divided(
    generator: TextGenerator, network: Network
) -> None:
    text = random_tokens(2 * CHUNK_TOKENS + 50)
    whole, _ = generator.score(generator.start(3), text)
    state, parts = generator.start(3), []
    for piece in np.split(text, [1, 7, CHUNK_TOKENS, CHUNK_TOKENS + 100]):
        part, state = generator.score(state, piece)
        parts.append(part)
    assert np.concatenate(parts).mean(dtype=float) == pytest.approx(whole.mean(dtype=float), abs=1e-6)
    logits, _ = network.apply(generator._parameters, np.array([[3, *text[:-1]]]), None, None, {}, None)
    expected = -np.asarray(jax.nn.log_softmax(logits[0]))[np.arange(len(text)), text]
    np.testing.assert_allclose(whole, expected, atol=1e-4)


def test_generation_continues_a_prompt(generator: TextGenerator, network: Network) -> None:
    prompt = random_tokens(CHUNK_TOKENS + 3)
    state = generator.advance(generator.start(3), prompt)
    tokens = next(generator.generate(state, jax.random.key(0), Sampling(temperature=0)))
    logits, _ = network.apply(generator._parameters, np.array([[3, *prompt]]), None, None, {}, None)
    assert int(tokens[0]) == int(logits[0, -1].argmax())
    losses, same = generator.score(state, np.zeros(0, int))
    assert losses.shape == (0,)
    assert same is state


def frequencies(sampling: Sampling) -> np.ndarray:
    tokens = jax.vmap(lambda key: sample_token(LOGITS, key, sampling))(
        jax.random.split(jax.random.key(0), 4_000)
    )
    return np.bincount(np.asarray(tokens), minlength=5) / 4_000


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), [0.1, 0.4, 0.05, 0.3, 0.15]),
        (Sampling(temperature=0.5), np.array([0.01, 0.16, 0.0025, 0.09, 0.0225]) / 0.285),
        (Sampling(temperature=0), [0, 1, 0, 0, 0]),
        (Sampling(top_k=2), [0, 4 / 7, 0, 3 / 7, 0]),
        (Sampling(top_k=9), [0.1, 0.4, 0.05, 0.3, 0.15]),
        (Sampling(top_p=0.8), [0, 0.4 / 0.85, 0, 0.3 / 0.85, 0.15 / 0.85]),
        (Sampling(top_p=1e-6), [0, 1, 0, 0, 0]),
        (Sampling(top_p=1.0), [0.1, 0.4, 0.05, 0.3, 0.15]),
        (Sampling(top_k=3, top_p=0.6), [0, 4 / 7, 0, 3 / 7, 0]),
    ],
)
def test_sampling_follows_its_options(sampling: Sampling, expected: list[float]) -> None:
    found = frequencies(sampling)
    np.testing.assert_allclose(found, expected, atol=0.03)
    assert ((found == 0) == (np.asarray(expected) == 0)).all()
