"""Texts of your own, each with a label, from a table: predict the label from the text.

    python -m rnn_jax.main --config configs/labelled_text.py --config.dataset.file=FILE.tsv

A table has a line for each text: .csv with commas (or semicolons) and double quotes, .tsv, .tab and .txt with
tabs and no quotes. Its first line names the columns; without one, --config.dataset.has_header=False, and
columns have numbers: --config.dataset.label_column=1 --config.dataset.text_column=2. For files that are not
UTF-8: --config.dataset.encoding=latin-1. Without files of their own for validation and test
(dataset.validation_file, dataset.test_file), the data gets a stratified 80/10/10 split with a fixed seed.

By characters, for scripts without spaces: configs/labelled_text.py:characters.

Expected: it depends on the texts; 22,500 of 260 words take as long as with configs/imdb.py.
"""

from ml_collections import ConfigDict

from . import imdb


def get_config() -> ConfigDict:
    """Words, and the small network of configs/imdb.py: a start."""
    config = imdb.get_config()
    config.update(
        dataset=dict(name="labelled_text", file="texts.tsv", batch_size=32, truncate="keep_first"),
        task=dict(buckets=4),
        optimizer=dict(learning_rate=3e-3, warmup_steps=20),
        train=dict(duration_epochs=10.0),
        log=dict(every_steps=20),
    )
    return config


def characters(config: ConfigDict) -> None:
    """Character by character."""
    if config.dataset.name == "labelled_text":
        config.dataset.update(tokenizer="characters", vocabulary_size=None, max_length=1_000)


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on synthetic texts."""
    imdb.smoke(config)


VARIANTS = {"characters": characters, "smoke": smoke}
