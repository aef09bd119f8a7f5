"""MNIST pixel by pixel: 784 steps of one number, the field's test of memory on real data.

    python -m rnn_jax.main --config configs/mnist_pixels.py
    python -m rnn_jax.main --config configs/mnist_pixels.py --config.model.cell=mingru

Expected: not trained to its end yet; a step takes 0.3 s on two CPU cores, an epoch two minutes. Chance is
10 %. Without a network: --config.dataset.manual_dir=DIR.
"""

from collections.abc import Callable

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """In their own order, with chrono initialization for memories of the whole image."""
    return create(
        dataset=dict(name="mnist", batch_size=128, data_dir=None, manual_dir=None),
        task=dict(
            name="classification",
            reading="pixels",
            permutation_seed=None,
            shift_pixels=0,
            label_smoothing=None,
        ),
        model=dict(
            cell="lstm",
            implementation="auto",
            checkpoint_steps=None,
            hidden_size=128,
            layers=1,
            bidirectional=False,
            residual=False,
            dropout=None,
            recurrent_dropout=None,
            input_layer=None,
            pool="last",
            forget_bias=None,
            chrono_steps=784.0,
            kernel_init="lecun_normal",
            recurrent_init="orthogonal",
            dense_init="lecun_normal",
            dense_bias=None,
            init_scale=None,
        ),
        optimizer=dict(
            name="adamw",
            learning_rate=1e-3,
            schedule="cosine",
            warmup_epochs=1.0,
            warmup_steps=None,
            final_fraction=0.0,
            weight_decay=0.01,
            clip=1.0,
            beta1=0.9,
            beta2=0.999,
            epsilon=1e-8,
            average_decay=None,
        ),
        train=dict(
            seed=0,
            duration_epochs=10.0,
            duration_steps=None,
            evaluate_every_epochs=1.0,
            evaluate_every_steps=None,
            stop_after_evaluations=None,
            report_test=True,
        ),
        checkpoint=dict(save_every_steps=None, save_every_seconds=None, keep=2),
        log=dict(every_steps=50, batch_accuracy_every_steps=None, tensorboard=True),
        runtime=dict(devices=None, matmul_precision="float32", allow_device_change=False),
    )


def permuted(config: ConfigDict) -> None:
    """In one fixed random order: what belongs together is far apart."""
    config.update(task=dict(permutation_seed=0))


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on synthetic images of 8×8 pixels."""
    config.update(
        dataset=dict(like="digits", name="synthetic", examples=256, batch_size=32),
        model=dict(hidden_size=32, chrono_steps=64.0),
        train=dict(
            duration_epochs=None,
            duration_steps=40,
            evaluate_every_epochs=None,
            evaluate_every_steps=20,
        ),
        log=dict(every_steps=5),
    )


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {"permuted": permuted, "smoke": smoke}
