"""IMDB: an LSTM reads a review of a film, word by word, and says whether it is a good one.

    python -m rnn_jax.main --config configs/imdb.py

Without a network: --config.dataset.manual_dir=DIR, a folder with the authors' archive aclImdb_v1.tar.gz, or
with the folder aclImdb, or with any archive of that.

Expected: a test accuracy of 88.6 % after 4 epochs (704 steps), in three minutes on two CPU cores.
"""

from collections.abc import Callable

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """The recipe we recommend."""
    return create(
        dataset=dict(
            name="imdb",
            batch_size=128,
            data_dir=None,
            manual_dir=None,
            tokenizer="words",
            vocabulary_size=20_000,
            max_length=800,
            truncate="keep_last",
        ),
        task=dict(name="text_classification", buckets=6, label_smoothing=None),
        model=dict(
            cell="lstm",
            implementation="auto",
            remat_steps=None,
            hidden_size=64,
            layers=1,
            bidirectional=True,
            residual=False,
            dropout=None,
            input_dropout=0.3,
            output_dropout=0.5,
            embedding_dropout=0.1,
            variational_dropout=True,
            recurrent_dropout=None,
            weight_drop=None,
            embedding_size=64,
            embedding_scale=None,
            pool="max",
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
            warmup_steps=100,
            final_fraction=0.0,
            weight_decay=0.01,
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
            duration_epochs=4.0,
            duration_steps=None,
            evaluate_every_epochs=1.0,
            evaluate_every_steps=None,
            early_stopping_patience=None,
            report_test=True,
            divergence="stop",
        ),
        checkpoint=dict(every_steps=None, every_seconds=300.0, keep_latest=2, keep_best=1),
        log=dict(every_steps=50, batch_accuracy_every_steps=None, tensorboard=True),
        runtime=dict(
            devices=None,
            matmul_precision="float32",
            allow_device_change=False,
            process_count=None,
            process_index=None,
            coordinator=None,
        ),
    )


def padded(config: ConfigDict) -> None:
    """Every batch filled up to the longest review, to see what buckets are worth."""
    config.update(task=dict(buckets=1))


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on synthetic texts."""
    of_texts = ("tokenizer", "vocabulary_size", "max_length", "truncate")
    config.update(
        dataset=dict(template="imdb", name="synthetic", examples=256, batch_size=16)
        | dict.fromkeys(of_texts),
        task=dict(buckets=1),
        model=dict(hidden_size=32, embedding_size=16),
        train=dict(
            duration_epochs=None,
            duration_steps=40,
            evaluate_every_epochs=None,
            evaluate_every_steps=20,
        ),
        log=dict(every_steps=5),
    )


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {"padded": padded, "smoke": smoke}
