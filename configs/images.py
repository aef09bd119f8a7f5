"""Images of one's own, read by rows, each with a label: a folder of pictures a class, or four IDX files.

    python -m rnn_jax.main --config configs/images.py --config.dataset.folder=DIR
    python -m rnn_jax.main --config configs/images.py:idx --config.dataset.folder=DIR

A folder of pictures, PNG or JPEG, all of one size, has a folder for each class, or `train`, `test` and, if
need be, `validation` that have them (or `training`, `testing` and `val`). What is not divided there is
divided by a fixed seed, each class in its proportion: a tenth validates, a tenth tests. Colours are read as
greys.

IDX files are named as MNIST's, gzipped or not; the first twelfth of the training images validates, as 5,000
of MNIST's 60,000 do. In both, dataset.validation_examples=N takes the first N training images, in the order
of their files' names; so these give the figures of configs/mnist.py, digit for digit:

    python -m rnn_jax.main --config configs/images.py:idx --config.dataset.folder=MNIST

Expected: what configs/mnist.py has, whose recipe this is.
"""

from collections.abc import Callable

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """A folder of pictures; the recipe of configs/mnist.py."""
    return create(
        dataset=dict(
            name="image_folder", batch_size=128, data_dir=None, folder="images", validation_examples=None
        ),
        task=dict(name="classification", reading="rows", shift_pixels=0, label_smoothing=None),
        model=dict(
            cell="lstm",
            implementation="auto",
            remat_steps=None,
            hidden_size=128,
            layers=1,
            bidirectional=False,
            residual=False,
            dropout=None,
            output_dropout=None,
            recurrent_dropout=None,
            weight_drop=None,
            variational_dropout=None,
            input_projection_size=None,
            pool="last",
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
            warmup_epochs=1.0,
            warmup_steps=None,
            final_fraction=0.0,
            weight_decay=0.1,
            clip_norm=1.0,
            beta1=0.9,
            beta2=0.999,
            epsilon=1e-8,
            average_decay=None,
            average_from_epochs=None,
            average_from_steps=None,
        ),
        train=dict(
            seed=0,
            duration_epochs=15.0,
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


def idx(config: ConfigDict) -> None:
    """Four IDX files, named as MNIST's."""
    if config.to_dict()["dataset"]["name"] == "image_folder":
        config.update(dataset=dict(name="idx"))


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on synthetic images."""
    of_folders = ("folder", "validation_examples")
    config.update(
        dataset=dict(template="mnist", name="synthetic", examples=256, batch_size=32)
        | dict.fromkeys(of_folders),
        model=dict(hidden_size=32),
        train=dict(
            duration_epochs=None,
            duration_steps=40,
            evaluate_every_epochs=None,
            evaluate_every_steps=20,
        ),
        log=dict(every_steps=5),
    )


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {"idx": idx, "smoke": smoke}
