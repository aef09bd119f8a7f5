"""Texts of one's own, each with a label, from a table: the label is to be told from the text.

    python -m rnn_jax.main --config configs/labelled_text.py --config.dataset.file=FILE.tsv

A table has a line for each text: .csv with commas (or semicolons) and double quotes, .tsv, .tab and .txt with
tabs and no quotes. Its first line names the columns; without one, --config.dataset.has_header=False, and
columns have numbers: --config.dataset.label_column=1 --config.dataset.text_column=2. What is not UTF-8 is
told by --config.dataset.encoding=latin-1. Without files of their own (dataset.validation_file,
dataset.test_file) a tenth of the texts validates and a tenth tests, by a fixed seed, each class in its
proportion.

By characters, for scripts that have no spaces: configs/labelled_text.py:characters.

Expected: it depends on the texts; 22,500 of 260 words take as long as with configs/imdb.py.
"""

from collections.abc import Callable

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """Words, and a small network: a start."""
    return create(
        dataset=dict(
            name="labelled_text",
            batch_size=32,
            data_dir=None,
            file="texts.tsv",
            validation_file=None,
            test_file=None,
            label_column="label",
            text_column="text",
            has_header=True,
            encoding="utf-8",
            tokenizer="words",
            vocabulary_size=20_000,
            max_length=800,
            truncate="keep_first",
        ),
        task=dict(name="text_classification", buckets=4, label_smoothing=None),
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
            duration_epochs=10.0,
            duration_steps=None,
            evaluate_every_epochs=1.0,
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


def characters(config: ConfigDict) -> None:
    """Character by character."""
    if config.to_dict()["dataset"]["name"] == "labelled_text":
        config.update(dataset=dict(tokenizer="characters", vocabulary_size=None, max_length=1_000))


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on synthetic texts."""
    of_tables = (
        "file",
        "validation_file",
        "test_file",
        "label_column",
        "text_column",
        "has_header",
        "encoding",
    )
    of_texts = ("tokenizer", "vocabulary_size", "max_length", "truncate")
    config.update(
        dataset=dict(template="imdb", name="synthetic", examples=256, batch_size=16)
        | dict.fromkeys(of_tables + of_texts),
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


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {"characters": characters, "smoke": smoke}
