"""A language model of your own text, in UTF-8 or UTF-16: characters, bytes, words or byte-pair encoding.

    python -m rnn_jax.main --config configs/text.py --config.dataset.file=my.txt
    python -m rnn_jax.main --config configs/text.py:words --config.dataset.file=my.txt
    python -m rnn_jax.generate --workdir DIR --prime "It was"

The last two tenths of the file are the validation and the test split, unless these have files of their own:
--config.dataset.validation_file=FILE --config.dataset.test_file=FILE. The tokens are stored in
--config.dataset.data_dir, under the SHA-256 of the file's contents.

Expected: the loss depends on the text; a million characters take the time of configs/shakespeare.py.
"""

from ml_collections import ConfigDict

from . import shakespeare


def get_config() -> ConfigDict:
    """Return the recipe of configs/shakespeare.py for characters."""
    config = shakespeare.get_config()
    config.dataset.update(name="text", file="text.txt", batch_size=32, tokenizer="characters")
    return config


def words(config: ConfigDict) -> None:
    """Use the 10,000 most frequent words, separated by spaces."""
    if config.dataset.name == "text":
        config.dataset.update(tokenizer="words", vocabulary_size=10_000)
    config.update(task=dict(bptt_steps=35), log=dict(sample_tokens=60))


def bpe(config: ConfigDict) -> None:
    """Use byte-pair encoding with 2,000 tokens learned from the file; needs pip install -e '.[bpe]'."""
    if config.dataset.name == "text":
        config.dataset.update(tokenizer="bpe", vocabulary_size=2_000)
    config.update(task=dict(bptt_steps=64), log=dict(sample_tokens=120))


def smoke(config: ConfigDict) -> None:
    """Train a small network on a synthetic text in seconds."""
    of_words = config.dataset.tokenizer in ("words", "bpe")
    shakespeare.smoke(config)
    config.dataset.template = "ptb" if of_words else "tiny_shakespeare"


VARIANTS = {"words": words, "bpe": bpe, "smoke": smoke}
