"""Your own labelled texts, from a table: predict the label from the text.

    python -m rnn_jax.main --config configs/labelled_text.py --config.dataset.file=FILE.tsv

A table has a row for each text, with columns for its label and the text. Encoding, line ends, delimiter and
double quotes are found in the file, and the command prints them: .csv files usually have commas or
semicolons, .tsv, .tab and .txt files tabs. dataset.delimiter, quoting, newline and encoding set them; a file
that is not in Unicode needs its encoding, for instance --config.dataset.encoding=windows-1252.

The first line names the columns. If it does not, give them by number: --config.dataset.label_column=1
--config.dataset.text_column=2; dataset.has_header sets whether the first line is a header where that cannot
be found. Unless validation and test have files of their own (dataset.validation_file, dataset.test_file), the
data gets a stratified 80/10/10 split with a fixed seed.
With few texts, cross-validate: --config.dataset.validation_folds=5.

For scripts without spaces between words (Thai, Chinese, Japanese), configs/labelled_text.py:characters reads
texts by characters.

Expected: the accuracy depends on the texts; 22,500 texts of 260 words take the time of configs/imdb.py.
"""

from ml_collections import ConfigDict

from . import imdb


def get_config() -> ConfigDict:
    """Return a recipe to start from: words, and the small network of configs/imdb.py."""
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
    """Read texts by characters."""
    if config.dataset.name == "labelled_text":
        config.dataset.update(tokenizer="characters", vocabulary_size=None, max_length=1_000)


def smoke(config: ConfigDict) -> None:
    """Train a small network on synthetic texts in seconds."""
    imdb.smoke(config)


VARIANTS = {"characters": characters, "smoke": smoke}
