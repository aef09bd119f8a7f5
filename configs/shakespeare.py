"""Tiny Shakespeare, character by character: a million of them, 65 different ones.

    python -m rnn_jax.main --config configs/shakespeare.py
    python -m rnn_jax.generate --workdir DIR --prime "ROMEO:"

One file is downloaded, or found in a folder: --config.dataset.manual_dir=DIR. The loss over `last_tenth`,
validation and test together, is what others give who validate on the last tenth of the text.

Expected: 1.43 nats a character over the last tenth after 20 epochs (2,460 steps), 40 minutes on one CPU core.
`small`: 1.73 in two minutes.
"""

from collections.abc import Callable

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """The recipe we recommend."""
    return create(
        dataset=dict(name="tiny_shakespeare", batch_size=64, data_dir=None, manual_dir=None),
        task=dict(name="language_modelling", bptt_steps=128, eval_batch_size=4, loss_per="token"),
        model=dict(
            cell="lstm",
            implementation="auto",
            remat_steps=None,
            hidden_size=512,
            layers=1,
            bidirectional=False,
            residual=False,
            dropout=None,
            input_dropout=None,
            output_dropout=0.5,
            embedding_dropout=0.1,
            variational_dropout=False,
            recurrent_dropout=None,
            weight_drop=None,
            tied_embedding=False,
            embedding_size=None,
            embedding_scale=None,
            forget_bias=1.0,
            chrono_steps=None,
            kernel_init="lecun_normal",
            recurrent_init="orthogonal",
            dense_init="lecun_normal",
            dense_bias=None,
            init_scale=None,
        ),
        optimizer=dict(
            name="adamw",
            learning_rate=4e-3,
            schedule="cosine",
            warmup_epochs=None,
            warmup_steps=200,
            final_fraction=0.0,
            weight_decay=0.1,
            clip_norm=1.0,
            beta1=0.9,
            beta2=0.99,
            epsilon=1e-8,
            average_decay=None,
            average_from_epochs=None,
            average_from_steps=None,
        ),
        train=dict(
            seed=0,
            duration_epochs=20.0,
            duration_steps=None,
            evaluate_every_epochs=1.0,
            evaluate_every_steps=None,
            early_stopping_patience=None,
            report_test=True,
            divergence="stop",
        ),
        checkpoint=dict(every_steps=None, every_seconds=300.0, keep_latest=2, keep_best=1),
        log=dict(every_steps=20, sample_tokens=400, tensorboard=True),
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
    """As large as nanoGPT's example for a CPU: 0.8 million parameters. There: 1.88 in three minutes."""
    config.update(
        dataset=dict(batch_size=32),
        task=dict(bptt_steps=64),
        model=dict(hidden_size=400, embedding_size=80, output_dropout=None, embedding_dropout=None),
        train=dict(duration_epochs=1.5, duration_steps=None),
    )


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on a synthetic text."""
    config.update(
        dataset=dict(template="tiny_shakespeare", name="synthetic", examples=256, batch_size=4),
        task=dict(bptt_steps=8),
        model=dict(hidden_size=32, embedding_size=None),
        optimizer=dict(warmup_steps=5),
        train=dict(
            duration_epochs=None,
            duration_steps=40,
            evaluate_every_epochs=None,
            evaluate_every_steps=20,
        ),
        log=dict(every_steps=5, sample_tokens=20),
    )


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {"small": small, "smoke": smoke}
