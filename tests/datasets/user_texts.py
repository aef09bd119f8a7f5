"""A text of one's own as a data set."""

from pathlib import Path
from typing import Any

from rnn_jax import datasets


def load_text(path: Path, encoding: str, tokenizer: str = "words") -> Any:
    """The data set of a file, prepared beside it."""
    return datasets.build_dataset(
        name="text",
        batch_size=2,
        file=str(path),
        tokenizer=tokenizer,
        encoding=encoding,
        data_dir=str(path.parent / "data"),
    )
