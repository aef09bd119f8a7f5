"""Fashion-MNIST by rows: an LSTM reads an image as 28 rows of 28 pixels, and names the article of clothing.

    python -m rnn_jax.main --config configs/fashion_mnist.py

Without a network: --config.dataset.manual_dir=DIR, a folder with the four original files.

Expected: a test accuracy of 90.7 % after 15 epochs (6,446 steps), in as long as configs/mnist.py.
"""

from collections.abc import Callable

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """The recipe of configs/mnist.py."""
    return create(
        dataset=dict(name="fashion_mnist", batch_size=128, data_dir=None, manual_dir=None),
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


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on synthetic images."""
    config.update(
        dataset=dict(template="fashion_mnist", name="synthetic", examples=256, batch_size=32),
        model=dict(hidden_size=32),
        train=dict(
            duration_epochs=None,
            duration_steps=40,
            evaluate_every_epochs=None,
            evaluate_every_steps=20,
        ),
        log=dict(every_steps=5),
    )


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {"smoke": smoke}
