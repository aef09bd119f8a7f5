"""The Penn Treebank, the Wall Street Journal word by word: TensorFlow's tutorial, and a better recipe.

    python -m rnn_jax.main --config configs/ptb.py:small
    python -m rnn_jax.main --config configs/ptb.py:tied

Without a variant it is `small`. Three files of Mikolov's preprocessing are downloaded, or found in a folder:
--config.dataset.manual_dir=DIR.

Expected: `small`, a test perplexity of 114 after 13 epochs (30,212 steps), 48 minutes on one CPU core;
`tied` 87 after 15 epochs (12,450 steps), two hours on that core.
"""

from typing import Any

from ml_collections import ConfigDict

from . import base


def get_config() -> ConfigDict:
    """The small model of Zaremba et al. 2014 (arXiv 1409.2329) as TensorFlow's tutorial had it.

    It differs from there: the last window of an epoch, which is shorter, is trained on too; the biases of
    the output layer are 0 at first, there random; validation is read in one stream, as test is, there in
    twenty; and the test split is evaluated with the parameters that were best on validation, there with the
    last.
    """
    config = base.get_config()
    init = dict(kernel_init="uniform", recurrent_init="uniform", dense_init="uniform", init_scale=0.1)
    config.update(
        dataset=dict(name="ptb", batch_size=20),
        task=dict(name="language_modelling", bptt_steps=20, eval_batch_size=1, loss_per="row"),
        model=dict(hidden_size=200, layers=2, variational_dropout=False, forget_bias=0.0, **init),
        optimizer=_sgd(),
        train=dict(duration_epochs=13.0),
        log=dict(every_steps=100, sample_tokens=60),
    )
    return config


def _sgd(**changes: Any) -> dict[str, Any]:
    """The tutorial's optimizer: SGD whose rate falls by a factor each epoch, from the fourth on."""
    steps = dict(schedule="step", decay_from_epochs=4.0, decay_every_epochs=1.0, decay_factor=0.5)
    sgd = dict(name="sgd", learning_rate=1.0, weight_decay=None, clip_norm=5.0)
    return base.get_config().optimizer.to_dict() | steps | sgd | changes


def small(config: ConfigDict) -> None:
    """The config without a variant: 2 × 200 units, no dropout. The tutorial's test perplexity: 115.91."""
    del config


def medium(config: ConfigDict) -> None:
    """The tutorial's medium model: 2 × 650 units, dropout 0.5, 39 epochs. Its test perplexity: 82.07."""
    config.update(
        task=dict(bptt_steps=35),
        model=dict(hidden_size=650, dropout=0.5, input_dropout=0.5, output_dropout=0.5, init_scale=0.05),
        optimizer=_sgd(decay_from_epochs=6.0, decay_factor=0.8),
        train=dict(duration_epochs=39.0, duration_steps=None),
    )


def large(config: ConfigDict) -> None:
    """The tutorial's large model: 2 × 1,500 units, dropout 0.65, 55 epochs. Its test perplexity: 78.29."""
    config.update(
        task=dict(bptt_steps=35),
        model=dict(hidden_size=1_500, dropout=0.65, input_dropout=0.65, output_dropout=0.65, init_scale=0.04),
        optimizer=_sgd(decay_from_epochs=14.0, decay_factor=1 / 1.15, clip_norm=10.0),
        train=dict(duration_epochs=55.0, duration_steps=None),
    )


def tied(config: ConfigDict) -> None:
    """Tied embeddings, the same dropout at every step, dropped weights, AdamW: our best in two hours."""
    config.update(
        dataset=dict(batch_size=32),
        task=dict(bptt_steps=35, loss_per="token"),
        model=dict(
            hidden_size=400,
            dropout=0.25,
            input_dropout=0.3,
            output_dropout=0.35,
            embedding_dropout=0.05,
            variational_dropout=True,
            weight_drop=0.15,
            tied_embedding=True,
            embedding_scale=0.1,
            forget_bias=1.0,
            kernel_init="lecun_normal",
            recurrent_init="orthogonal",
            init_scale=None,
        ),
        optimizer=base.get_config().optimizer,
        train=dict(duration_epochs=15.0, duration_steps=None),
    )
    config.optimizer.update(learning_rate=3e-3, warmup_steps=200, weight_decay=0.02, beta2=0.99)


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on a synthetic text of as many words."""
    base.smoke(config, template="ptb", batch_size=4)
    config.update(task=dict(bptt_steps=8), log=dict(sample_tokens=10))


VARIANTS = {"small": small, "medium": medium, "large": large, "tied": tied, "smoke": smoke}
