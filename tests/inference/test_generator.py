"""Writing and scoring: the state runs, and gives what reading everything again would give."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import build_tiny_language_model

from rnn_jax.inference.generator import READ_AT_ONCE, WRITTEN_AT_ONCE, Author, Sampling, draw
from rnn_jax.models.network import Network
from rnn_jax.training.build import build

VOCABULARY = 65
LOGITS = jnp.log(jnp.array([0.1, 0.4, 0.05, 0.3, 0.15]))


@pytest.fixture(scope="module")
def network() -> Network:
    return build(build_tiny_language_model({"model.layers": 2})).network


@pytest.fixture(scope="module")
def author(network: Network) -> Author:
    return Author(network, network.init(jax.random.key(0), {"init_scale": jnp.float32(3)}))


def take(author: Author, count: int, seed: int = 0, sampling: Sampling | None = None) -> list[int]:
    blocks = author.write(author.begin(3), jax.random.key(seed), sampling or Sampling())
    return list(itertools.islice((int(token) for block in blocks for token in block), count))


def tokens(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, VOCABULARY, count)


def test_what_is_written_is_the_likeliest_after_all_of_it(author: Author, network: Network) -> None:
    """Greedy: reading the whole text again from its beginning would give each of its tokens."""
    found = take(author, 3 * WRITTEN_AT_ONCE, sampling=Sampling(temperature=0))
    read = jnp.array([[3, *found[:-1]]])
    logits, _ = network.apply(author._parameters, read, None, None, {}, None)
    assert found == np.asarray(logits[0]).argmax(axis=-1).tolist()
    assert len(set(found)) > 3


def test_a_seed_writes_one_text(author: Author) -> None:
    assert take(author, 40, seed=1) == take(author, 40, seed=1)
    assert take(author, 40, seed=1) != take(author, 40, seed=2)
    assert take(author, 40, seed=1) == author.sample(3, jax.random.key(1), 40, Sampling()).tolist()


def test_each_token_is_drawn_anew(network: Network) -> None:
    """Of a network that has learned nothing every token is as likely: one block does not repeat another."""
    parameters = jax.tree.map(jnp.zeros_like, network.init(jax.random.key(0), {}))
    found = np.array(take(Author(network, parameters), 64 * WRITTEN_AT_ONCE)).reshape(64, WRITTEN_AT_ONCE)
    assert len({tuple(block) for block in found}) == 64
    assert (found[0] == found[1:]).mean() < 0.1
    assert np.bincount(found.ravel(), minlength=VOCABULARY).min() > 0


def test_scored_whole_and_in_pieces_is_the_same(author: Author, network: Network) -> None:
    text = tokens(2 * READ_AT_ONCE + 50)
    whole, _ = author.score(author.begin(3), text)
    memory, parts = author.begin(3), []
    for piece in np.split(text, [1, 7, READ_AT_ONCE, READ_AT_ONCE + 100]):
        part, memory = author.score(memory, piece)
        parts.append(part)
    assert np.concatenate(parts).mean(dtype=float) == pytest.approx(whole.mean(dtype=float), abs=1e-6)
    # And it is the cross-entropy.
    logits, _ = network.apply(author._parameters, np.array([[3, *text[:-1]]]), None, None, {}, None)
    expected = -np.asarray(jax.nn.log_softmax(logits[0]))[np.arange(len(text)), text]
    np.testing.assert_allclose(whole, expected, atol=1e-4)


def test_writing_goes_on_from_what_was_read(author: Author, network: Network) -> None:
    text = tokens(READ_AT_ONCE + 3)
    memory = author.read(author.begin(3), text)
    written = next(author.write(memory, jax.random.key(0), Sampling(temperature=0)))
    logits, _ = network.apply(author._parameters, np.array([[3, *text]]), None, None, {}, None)
    assert int(written[0]) == int(logits[0, -1].argmax())
    nothing, same = author.score(memory, np.zeros(0, int))
    assert nothing.shape == (0,)
    assert same is memory


def frequencies(sampling: Sampling) -> np.ndarray:
    drawn = jax.vmap(lambda key: draw(LOGITS, key, sampling))(jax.random.split(jax.random.key(0), 4_000))
    return np.bincount(np.asarray(drawn), minlength=5) / 4_000


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
def test_tokens_are_drawn_as_asked(sampling: Sampling, expected: list[float]) -> None:
    found = frequencies(sampling)
    np.testing.assert_allclose(found, expected, atol=0.03)
    assert ((found == 0) == (np.asarray(expected) == 0)).all()
