"""Measured sequences of one's own, of any length: a class is to be told from each, or real numbers.

    python -m rnn_jax.main --config configs/sequences.py --config.dataset.file=FILE.npz
    python -m rnn_jax.main --config configs/sequences.py:regression --config.dataset.file=FILE.npz

The file has x, float [examples, steps, features] with lengths [examples] where some are shorter, or float
[steps, features], those of one sequence after another, with their lengths; and y [examples], labels, or real
numbers. Without files of their own (dataset.validation_file, dataset.test_file) a tenth of the sequences
validates and a tenth tests, by a fixed seed, each class in its proportion.

Expected: it depends on the sequences; a thousand of a hundred steps take a minute.
"""

from collections.abc import Callable

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """Labels, and a small network: a start."""
    return create(
        dataset=dict(
            name="sequences",
            batch_size=32,
            data_dir=None,
            file="sequences.npz",
            validation_file=None,
            test_file=None,
            max_length=None,
            truncate="keep_first",
        ),
        task=dict(name="sequence_classification", buckets=4, label_smoothing=None),
        model=dict(
            cell="lstm",
            implementation="auto",
            remat_steps=None,
            hidden_size=64,
            layers=1,
            bidirectional=True,
            residual=False,
            dropout=None,
            output_dropout=0.2,
            variational_dropout=None,
            recurrent_dropout=None,
            weight_drop=None,
            input_projection_size=None,
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
            learning_rate=3e-3,
            schedule="cosine",
            warmup_epochs=None,
            warmup_steps=20,
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
            duration_epochs=50.0,
            duration_steps=None,
            evaluate_every_epochs=2.0,
            evaluate_every_steps=None,
            early_stopping_patience=None,
            report_test=True,
            divergence="stop",
        ),
        checkpoint=dict(every_steps=None, every_seconds=300.0, keep_latest=2, keep_best=1),
        log=dict(every_steps=20, batch_accuracy_every_steps=None, tensorboard=True),
        runtime=dict(
            devices=None,
            matmul_precision="float32",
            allow_device_change=False,
            process_count=None,
            process_index=None,
            coordinator=None,
        ),
    )


def regression(config: ConfigDict) -> None:
    """Real numbers instead of labels."""
    config.update(
        task=dict(name="sequence_regression", label_smoothing=None), log=dict(batch_accuracy_every_steps=None)
    )
    if config.to_dict()["dataset"]["name"] == "synthetic":
        config.update(dataset=dict(template="measurements"))


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on synthetic waves."""
    template = "measurements" if config.to_dict()["task"]["name"] == "sequence_regression" else "sequences"
    of_files = ("file", "validation_file", "test_file", "max_length", "truncate")
    config.update(
        dataset=dict(template=template, name="synthetic", examples=256, batch_size=16)
        | dict.fromkeys(of_files),
        task=dict(buckets=1),
        model=dict(hidden_size=32),
        train=dict(
            duration_epochs=None,
            duration_steps=40,
            evaluate_every_epochs=None,
            evaluate_every_steps=20,
        ),
        log=dict(every_steps=5),
    )


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {"regression": regression, "smoke": smoke}
