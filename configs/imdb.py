"""IMDB: an LSTM reads a film review word by word and predicts whether it is positive.

    python -m rnn_jax.main --config configs/imdb.py

Without a network connection, use --config.dataset.manual_dir=DIR, a folder that contains the authors' archive
aclImdb_v1.tar.gz, the folder aclImdb, or any archive of that folder.

Expected: a test accuracy of 88.6 % after 4 epochs (704 steps), three minutes on two CPU cores.
"""

from ml_collections import ConfigDict

from . import base


def get_config() -> ConfigDict:
    """Return the recommended recipe."""
    config = base.get_config()
    config.update(
        dataset=dict(name="imdb", batch_size=128),
        task=dict(name="text_classification", buckets=6),
        model=dict(hidden_size=64, embedding_size=64, bidirectional=True, pool="max"),
        optimizer=dict(learning_rate=4e-3, warmup_steps=100, beta2=0.99),
        train=dict(duration_epochs=4.0),
    )
    config.dataset.update(tokenizer="words", vocabulary_size=20_000, max_length=800, truncate="keep_last")
    config.model.update(
        variational_dropout=True, input_dropout=0.3, output_dropout=0.5, embedding_dropout=0.1
    )
    return config


def padded(config: ConfigDict) -> None:
    """Pad every batch to the longest review, to measure the gain of buckets."""
    config.task.buckets = 1


def smoke(config: ConfigDict) -> None:
    """Train a small network on synthetic texts in seconds."""
    base.smoke(config, template="imdb", batch_size=16)
    config.update(task=dict(buckets=1), model=dict(embedding_size=16))


VARIANTS = {"padded": padded, "smoke": smoke}
