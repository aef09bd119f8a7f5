"""Penn Treebank, a word language model: the models of TensorFlow's tutorial, and a better recipe.

    python -m rnn_jax.main --config configs/ptb.py:small
    python -m rnn_jax.main --config configs/ptb.py:tied

The default is `small`. The three files, with Mikolov's preprocessing, are downloaded, or read from the folder
--config.dataset.manual_dir=DIR.

Expected: `small` has a test perplexity of 114 after 13 epochs (30,212 steps), 48 minutes on one CPU core;
`tied` has 87 after 15 epochs (12,450 steps), two hours on one core.
"""

from typing import Any

from ml_collections import ConfigDict

from . import base


def get_config() -> ConfigDict:
    """Return the small model of Zaremba et al. 2014 (arXiv 1409.2329) as in TensorFlow's tutorial.

    It differs from the tutorial in four details. The last window of an epoch, which is shorter, is used too.
    The biases of the output layer are initialized with 0, in the tutorial randomly. Validation is one stream,
    like test, in the tutorial twenty streams. The test split is evaluated with the parameters that were best
    on validation, in the tutorial with the last ones.
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
    """Return the tutorial's optimizer: SGD whose learning rate decays each epoch, from the fourth on."""
    steps = dict(schedule="step", decay_from_epochs=4.0, decay_every_epochs=1.0, decay_factor=0.5)
    sgd = dict(name="sgd", learning_rate=1.0, weight_decay=None, clip_norm=5.0)
    return base.get_config().optimizer.to_dict() | steps | sgd | changes


def small(config: ConfigDict) -> None:
    """Use the default: 2 × 200 units, no dropout. Perplexity of the tutorial: 115.91."""
    del config


def medium(config: ConfigDict) -> None:
    """Use the medium model: 2 × 650 units, dropout 0.5, 39 epochs. Perplexity of the tutorial: 82.07."""
    config.update(
        task=dict(bptt_steps=35),
        model=dict(hidden_size=650, dropout=0.5, input_dropout=0.5, output_dropout=0.5, init_scale=0.05),
        optimizer=_sgd(decay_from_epochs=6.0, decay_factor=0.8),
        train=dict(duration_epochs=39.0, duration_steps=None),
    )


def large(config: ConfigDict) -> None:
    """Use the large model: 2 × 1,500 units, dropout 0.65, 55 epochs. Perplexity of the tutorial: 78.29."""
    config.update(
        task=dict(bptt_steps=35),
        model=dict(hidden_size=1_500, dropout=0.65, input_dropout=0.65, output_dropout=0.65, init_scale=0.04),
        optimizer=_sgd(decay_from_epochs=14.0, decay_factor=1 / 1.15, clip_norm=10.0),
        train=dict(duration_epochs=55.0, duration_steps=None),
    )


def tied(config: ConfigDict) -> None:
    """Use tied embeddings, variational dropout, weight drop and AdamW: our best perplexity in two hours."""
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
    """Train a small network on a synthetic text with the same vocabulary size in seconds."""
    base.smoke(config, template="ptb", batch_size=4)
    config.update(task=dict(bptt_steps=8), log=dict(sample_tokens=10))


VARIANTS = {"small": small, "medium": medium, "large": large, "tied": tied, "smoke": smoke}
