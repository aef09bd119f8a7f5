"""A text of one's own: any UTF-8 file, in any script, character by character, or by bytes, words or pieces.

    python -m rnn_jax.main --config configs/text.py --config.dataset.file=my.txt
    python -m rnn_jax.main --config configs/text.py:words --config.dataset.file=my.txt
    python -m rnn_jax.generate --workdir DIR --prime "It was"

The last two tenths of the file validate and test, unless there are files of their own for that:
--config.dataset.validation_file=FILE --config.dataset.test_file=FILE. What is read is kept in
--config.dataset.data_dir, by the SHA-256 of its contents.

Expected: it depends on the text; a million characters take as long as with configs/shakespeare.py.
"""

from collections.abc import Callable

from ml_collections.config_dict import ConfigDict, create

from configs import shakespeare


def get_config() -> ConfigDict:
    """The recipe of `configs/shakespeare.py`, for characters."""
    sections = shakespeare.get_config().to_dict()
    sections["dataset"] = dict(
        name="text",
        batch_size=32,
        data_dir=None,
        file="text.txt",
        validation_file=None,
        test_file=None,
        tokenizer="characters",
        vocabulary_size=None,
        encoding="utf-8",
    )
    return create(**sections)


def words(config: ConfigDict) -> None:
    """Words, which stand between spaces: the 10,000 most frequent ones."""
    _read_as(config, "words", 10_000)
    config.update(
        task=dict(bptt_steps=35),
        log=dict(sample_tokens=60),
    )


def bpe(config: ConfigDict) -> None:
    """Pieces of words, learned from the file by byte-pair encoding: pip install -e '.[bpe]'."""
    _read_as(config, "bpe", 2_000)
    config.update(
        task=dict(bptt_steps=64),
        log=dict(sample_tokens=120),
    )


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on a synthetic text."""
    shakespeare.smoke(config)
    of_words = config.to_dict()["dataset"]["tokenizer"] in ("words", "bpe")
    of_files = ("file", "validation_file", "test_file", "tokenizer", "vocabulary_size", "encoding")
    config.update(dataset=dict(template="ptb" if of_words else "tiny_shakespeare") | dict.fromkeys(of_files))


def _read_as(config: ConfigDict, tokenizer: str, vocabulary_size: int) -> None:
    dataset = config.to_dict()["dataset"]
    if dataset["name"] == "text":
        config.update(dataset=dict(tokenizer=tokenizer, vocabulary_size=vocabulary_size))


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {"words": words, "bpe": bpe, "smoke": smoke}
