"""The base config: every key with its default. The other configs derive from it:

    from . import base

    def get_config():
        config = base.get_config()
        config.update(dataset=dict(name="digits"), task=dict(name="classification"))
        return config

`python -m rnn_jax.main --help` describes the keys. None means "not set": either the mechanism is off, or the
key has no default and a config must set it. A default is ignored if the key does not apply, for instance
`forget_bias` with a GRU.
"""

from typing import Any

from ml_collections import ConfigDict

DATASET = dict(
    name=None,
    batch_size=64,
    data_dir=None,
    manual_dir=None,
    # Your own files.
    file=None,
    validation_file=None,
    test_file=None,
    folder=None,
    validation_examples=None,
    follow_links=False,
    background=None,
    validation_folds=None,
    validation_fold=None,
    label_column="label",
    text_column="text",
    has_header=None,
    encoding=None,
    delimiter=None,
    quoting=None,
    newline=None,
    # Texts and sequences.
    tokenizer="words",
    vocabulary_size=None,
    max_length=None,
    truncate="keep_first",
    # Synthetic and generated data.
    template=None,
    examples=None,
)

TASK = dict(
    name=None,
    label_smoothing=None,
    class_weights=None,
    # Images.
    reading="rows",
    permutation_seed=None,
    shift_pixels=0,
    # Sequences of different lengths.
    buckets=4,
    # The adding problem, and copying.
    time_steps=200,
    delay_steps=100,
    copied_symbols=10,
    alphabet_size=8,
    # Language modelling.
    bptt_steps=128,
    eval_batch_size=4,
    loss_per="token",
)

MODEL = dict(
    cell="lstm",
    implementation="auto",
    remat_steps=None,
    hidden_size=128,
    layers=1,
    bidirectional=False,
    residual=False,
    pool="last",
    # Inputs of features, and of tokens.
    input_projection_size=None,
    embedding_size=None,
    tied_embedding=False,
    # Regularization.
    dropout=None,
    variational_dropout=None,
    recurrent_dropout=None,
    weight_drop=None,
    input_dropout=None,
    output_dropout=None,
    embedding_dropout=None,
    # Initialization.
    kernel_init="lecun_normal",
    recurrent_init="orthogonal",
    dense_init="lecun_normal",
    dense_bias=None,
    forget_bias=1.0,
    chrono_steps=None,
    init_scale=None,
    embedding_scale=None,
)

OPTIMIZER = dict(
    name="adamw",
    learning_rate=4e-3,
    schedule="cosine",
    warmup_epochs=None,
    warmup_steps=None,
    final_fraction=0.0,
    decay_from_epochs=None,
    decay_from_steps=None,
    decay_every_epochs=None,
    decay_every_steps=None,
    decay_factor=None,
    weight_decay=0.01,
    decay_parameters="kernels,embeddings",
    clip_norm=1.0,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
    momentum=None,
    rms_decay=0.9,
    average_decay=None,
    average_from_epochs=None,
    average_from_steps=None,
)

TRAIN = dict(
    seed=0,
    duration_epochs=10.0,
    duration_steps=None,
    evaluate_every_epochs=1.0,
    evaluate_every_steps=None,
    objective=None,
    early_stopping_patience=None,
    report_test=True,
    divergence="stop",
    divergence_limit=None,
    divergence_rate_factor=None,
)

CHECKPOINT = dict(every_steps=None, every_seconds=300.0, keep_latest=2, keep_best=1)

LOG = dict(every_steps=50, batch_accuracy_every_steps=None, sample_tokens=None, tensorboard=True)

RUNTIME = dict(
    devices=None,
    matmul_precision="float32",
    allow_device_change=False,
    process_count=None,
    process_index=None,
    coordinator=None,
)


def get_config() -> ConfigDict:
    """Return a config with a small LSTM, AdamW and a cosine schedule, but no data set and no task."""
    sections = dict(
        dataset=DATASET,
        task=TASK,
        model=MODEL,
        optimizer=OPTIMIZER,
        train=TRAIN,
        checkpoint=CHECKPOINT,
        log=LOG,
        runtime=RUNTIME,
    )
    return ConfigDict(sections, type_safe=False)  # the types are checked with everything else


def smoke(config: ConfigDict, **dataset: Any) -> None:
    """Reduce a config to seconds: 32 units and 40 steps on synthetic data with the spec of `template`."""
    config.dataset = get_config().dataset
    config.update(
        dataset=dict(name="synthetic", examples=256, batch_size=32) | dataset,
        model=dict(hidden_size=32),
        train=dict(
            duration_epochs=None, duration_steps=40, evaluate_every_epochs=None, evaluate_every_steps=20
        ),
        log=dict(every_steps=5),
    )
