"""Copying: ten symbols are to be remembered through a delay, and said again. Every step is labelled.

    python -m rnn_jax.main --config configs/copying.py
    python -m rnn_jax.main --config configs/copying.py --config.task.delay_steps=500

Nothing is downloaded, every example is drawn from its number. Who remembers nothing reaches a loss (the mean
cross-entropy of a step) of 10 log 8 / 120 = 0.173; accuracy is that of the ten copied symbols, by chance
12.5 %.
Expected: 33 % with the LSTM after 3,000 steps, four and a half minutes on one CPU core; 64 % with a GRU, all
with an LRU.
"""

from collections.abc import Callable

from ml_collections.config_dict import ConfigDict, create

from configs import adding


def get_config() -> ConfigDict:
    """The recipe of `configs/adding.py`; a hundred steps between the symbols and their copy."""
    sections = adding.get_config().to_dict()
    sections["task"] = dict(name="copying", delay_steps=100, copied_symbols=10, alphabet_size=8)
    for key in ("input_projection_size", "pool"):  # of networks that answer once
        del sections["model"][key]
    for key in ("embedding_size", "embedding_scale", "embedding_dropout", "input_dropout", "output_dropout"):
        sections["model"][key] = None
    return create(**sections)


def smoke(config: ConfigDict) -> None:
    """Seconds long: a small network on short sequences."""
    config.update(
        dataset=dict(examples=256, batch_size=32),
        task=dict(delay_steps=10, copied_symbols=3),
        model=dict(hidden_size=32),
        train=dict(duration_steps=40, evaluate_every_steps=20),
        log=dict(every_steps=5),
    )


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {"smoke": smoke}
