"""Tiny Shakespeare, a character language model: a million characters, 65 distinct ones.

    python -m rnn_jax.main --config configs/shakespeare.py
    python -m rnn_jax.generate --workdir DIR --prime "ROMEO:"

One file is downloaded, or read from the folder --config.dataset.manual_dir=DIR. The metric `last_tenth`, over
validation and test together, is comparable with results of others who validate on the last tenth of the text.

Expected: 1.43 nats per character on the last tenth after 20 epochs (2,460 steps), 40 minutes on one CPU core;
`small` has 1.73 after two minutes.
"""

from ml_collections import ConfigDict

from . import base


def get_config() -> ConfigDict:
    """Return the recommended recipe."""
    config = base.get_config()
    config.update(
        dataset=dict(name="tiny_shakespeare", batch_size=64),
        task=dict(name="language_modelling", bptt_steps=128, eval_batch_size=4, loss_per="token"),
        model=dict(hidden_size=512, output_dropout=0.5, embedding_dropout=0.1, variational_dropout=False),
        optimizer=dict(learning_rate=4e-3, warmup_steps=200, weight_decay=0.1, beta2=0.99),
        train=dict(duration_epochs=20.0),
        log=dict(every_steps=20, sample_tokens=400),
    )
    return config


def small(config: ConfigDict) -> None:
    """Use 0.8 million parameters, as nanoGPT's CPU example, which has 1.88 nats after three minutes."""
    config.update(
        dataset=dict(batch_size=32),
        task=dict(bptt_steps=64),
        model=dict(hidden_size=400, embedding_size=80, output_dropout=None, embedding_dropout=None),
        train=dict(duration_epochs=1.5, duration_steps=None),
    )


def smoke(config: ConfigDict) -> None:
    """Train a small network on a synthetic text in seconds."""
    base.smoke(config, template="tiny_shakespeare", batch_size=4)
    config.update(
        task=dict(bptt_steps=8),
        model=dict(embedding_size=None),
        optimizer=dict(warmup_steps=5),
        log=dict(sample_tokens=20),
    )


VARIANTS = {"small": small, "smoke": smoke}
