"""The Penn Treebank, the Wall Street Journal word by word: TensorFlow's tutorial, and a better recipe.

    python -m rnn_jax.main --config configs/ptb.py:small
    python -m rnn_jax.main --config configs/ptb.py:tied

Without a variant it is `small`. Three files of Mikolov's preprocessing are downloaded, or found in a folder:
--config.dataset.manual_dir=DIR.

Expected: `small`, a test perplexity of 114 after 13 epochs (30,212 steps), 48 minutes on one CPU core;
`tied` 87 after 15 epochs (12,450 steps), two hours on that core.
"""

from collections.abc import Callable

from ml_collections.config_dict import ConfigDict, create

TUTORIAL = dict(
    name="sgd",
    learning_rate=1.0,
    schedule="step",
    warmup_epochs=None,
    warmup_steps=None,
    decay_from_epochs=4.0,
    decay_from_steps=None,
    decay_every_epochs=1.0,
    decay_every_steps=None,
    decay_factor=0.5,
    weight_decay=None,
    clip_norm=5.0,
    momentum=None,
    average_decay=None,
    average_from_epochs=None,
    average_from_steps=None,
)

# Of `tied`, where another variant comes after it.
WITHOUT_ADAM = dict(final_fraction=None, beta1=None, beta2=None, epsilon=None)


def get_config() -> ConfigDict:
    """The small model of Zaremba et al. 2014 (arXiv 1409.2329) as TensorFlow's tutorial had it.

    What differs from there: the last window of an epoch, which is shorter, is trained on too; the biases of
    the last layer begin with 0, there they were drawn; validation is read in one stream, as test is, there
    in twenty; and test is looked at with the parameters that were best on validation, there with the last.
    """
    return create(
        dataset=dict(name="ptb", batch_size=20, data_dir=None, manual_dir=None),
        task=dict(name="language_modelling", bptt_steps=20, eval_batch_size=1, loss_per="row"),
        model=dict(
            cell="lstm",
            implementation="auto",
            remat_steps=None,
            hidden_size=200,
            layers=2,
            bidirectional=False,
            residual=False,
            dropout=None,
            input_dropout=None,
            output_dropout=None,
            embedding_dropout=None,
            variational_dropout=False,
            recurrent_dropout=None,
            weight_drop=None,
            tied_embedding=False,
            embedding_size=None,
            embedding_scale=None,
            forget_bias=0.0,
            chrono_steps=None,
            kernel_init="uniform",
            recurrent_init="uniform",
            dense_init="uniform",
            dense_bias=None,
            init_scale=0.1,
        ),
        optimizer=dict(TUTORIAL),
        train=dict(
            seed=0,
            duration_epochs=13.0,
            duration_steps=None,
            evaluate_every_epochs=1.0,
            evaluate_every_steps=None,
            early_stopping_patience=None,
            report_test=True,
            divergence="stop",
        ),
        checkpoint=dict(every_steps=None, every_seconds=300.0, keep_latest=2, keep_best=1),
        log=dict(every_steps=100, sample_tokens=60, tensorboard=True),
        runtime=dict(
            devices=None,
            matmul_precision="float32",
            allow_device_change=False,
            process_count=None,
            process_index=None,
            coordinator=None,
        ),
    )


def small(config: ConfigDict) -> None:
    """As it stands: 2 × 200 units, no dropout. The tutorial's test perplexity: 115.91."""
    del config


def medium(config: ConfigDict) -> None:
    """The tutorial's medium model: 2 × 650 units, dropout 0.5, 39 epochs. Its test perplexity: 82.07."""
    config.update(
        task=dict(bptt_steps=35),
        model=dict(hidden_size=650, dropout=0.5, input_dropout=0.5, output_dropout=0.5, init_scale=0.05),
        optimizer=dict(TUTORIAL, **WITHOUT_ADAM, decay_from_epochs=6.0, decay_factor=0.8),
        train=dict(duration_epochs=39.0, duration_steps=None),
    )


def large(config: ConfigDict) -> None:
    """The tutorial's large model: 2 × 1,500 units, dropout 0.65, 55 epochs. Its test perplexity: 78.29."""
    config.update(
        task=dict(bptt_steps=35),
        model=dict(hidden_size=1_500, dropout=0.65, input_dropout=0.65, output_dropout=0.65, init_scale=0.04),
        optimizer=dict(
            TUTORIAL, **WITHOUT_ADAM, decay_from_epochs=14.0, decay_factor=1 / 1.15, clip_norm=10.0
        ),
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
        optimizer=dict(
            name="adamw",
            learning_rate=3e-3,
            schedule="cosine",
            warmup_steps=200,
            decay_from_epochs=None,
            decay_every_epochs=None,
            decay_factor=None,
            final_fraction=0.0,
            weight_decay=0.02,
            clip_norm=1.0,
            beta1=0.9,
            beta2=0.99,
            epsilon=1e-8,
        ),
        train=dict(duration_epochs=15.0, duration_steps=None),
    )


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on a synthetic text of as many words."""
    config.update(
        dataset=dict(template="ptb", name="synthetic", examples=256, batch_size=4),
        task=dict(bptt_steps=8),
        model=dict(hidden_size=32),
        train=dict(
            duration_epochs=None,
            duration_steps=40,
            evaluate_every_epochs=None,
            evaluate_every_steps=20,
        ),
        log=dict(every_steps=5, sample_tokens=10),
    )


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {
    "small": small,
    "medium": medium,
    "large": large,
    "tied": tied,
    "smoke": smoke,
}
