"""Rules between keys: which keys belong to which choice, which exclude each other, and which need each other.

They work on plain values by `section.key`, beside pydantic's checks of the single keys.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from annotated_types import Le, Lt
from pydantic.fields import FieldInfo

from rnn_jax.catalogue import DATA, DATASETS, TASKS, DatasetEntry
from rnn_jax.config.messages import Problem, choices_of, expected, format_value, is_choice, kind_of
from rnn_jax.runtime.processes import parse_address

Values = dict[str, Any]
Fields = Mapping[str, FieldInfo]
"""The keys of the schema: `section.key` and what pydantic has of it."""

PAIRS = (
    ("train.duration_epochs", "train.duration_steps", True),
    ("train.evaluate_every_epochs", "train.evaluate_every_steps", True),
    ("optimizer.warmup_epochs", "optimizer.warmup_steps", False),
    ("optimizer.decay_every_epochs", "optimizer.decay_every_steps", True),
    ("optimizer.decay_from_epochs", "optimizer.decay_from_steps", False),
    ("optimizer.average_from_epochs", "optimizer.average_from_steps", False),
)
"""Two keys for one duration in different units, and whether one of them must be given, where they apply."""

LIMIT = 2**31
"""Sizes, counts and steps are less: arrays are indexed by 31 bits. Seeds have 32."""


class Only(NamedTuple):
    """Marks a key that applies where another key, of its section or any, has one of these values."""

    key: str
    kinds: tuple[str, ...] | Callable[[Any], object]
    """The values, or a predicate of the catalogue's entries that they name; `composition.py` replaces it."""
    required: bool
    default: Any = None
    """The value where the key applies and is not given."""


ALWAYS = Only("", (), required=False)


def only(*, required: bool = False, **condition: str | tuple[str, ...] | Callable[[Any], object]) -> Only:
    """Mark a key that applies to some choices alone; `required`: it must be given there.

    `only(name=("adam", "adamw"))` refers to the section's own `name`, `only(task__name=...)` to another
    section's. Where the other key names an entry of the catalogue, the condition is a predicate of the entry:
    `only(cell=lambda cell: cell.forget_bias)`.
    """
    ((key, kinds),) = condition.items()
    return Only(key.replace("__", "."), (kinds,) if isinstance(kinds, str) else kinds, required)


def drop_inapplicable(
    values: Values, typed: Collection[str], fields: Fields, defaults: Values
) -> tuple[list[str], list[Problem]]:
    """Set the keys that do not apply to what is chosen to None, in place; those that were typed are problems.

    A key that has its default is dropped without a note: every config has it from `configs/base.py`.

    Returns:
        The notes, one line for each reason, and the problems.
    """
    dropped: dict[str, list[str]] = {}
    problems = []
    for key, field in fields.items():
        value, reason = values.get(key), _why_inapplicable(values, key, fields)
        if value is None or reason is None:
            continue
        if key in typed:
            problems.append(Problem(key, f"only for {' or '.join(kinds_of(field))}, and {reason}", value))
            continue
        values[key] = None
        if value != defaults.get(key):
            dropped.setdefault(reason, []).append(key)
    for first, second, _ in PAIRS:
        for given, other in ((first, second), (second, first)):
            both = values.get(given) is not None and values.get(other) is not None
            if both and given in typed and other not in typed:
                values[other] = None
                dropped.setdefault(f"{given} is given", []).append(other)
    return [f"{', '.join(keys)} ignored: {reason}" for reason, keys in dropped.items()], problems


def fill_defaults(values: Values, fields: Fields) -> None:
    """Set, in place, the options that apply, are not given and have a default."""
    for key, field in fields.items():
        mark = only_of(field)
        is_given = values.get(key) is not None or (key in values and not mark.required)
        if mark.default is not None and not is_given and applies(values, key, fields):
            values[key] = mark.default


def missing_for_kind(values: Values, fields: Fields) -> Iterator[Problem]:
    """The keys that the choice requires and that are not given."""
    for key, field in fields.items():
        if only_of(field).required and values.get(key) is None and applies(values, key, fields):
            decider = _decider(key, field)
            words = expected(field).removesuffix(", or None")
            message = f"must be given where {decider} is {values.get(decider)}: {words}"
            yield Problem(key, message, cause=decider)


def unpaired(values: Values, fields: Fields) -> Iterator[Problem]:
    """The pairs of which both keys are given, or neither where one must be."""
    for first, second, required in PAIRS:
        given = [key for key in (first, second) if values.get(key) is not None]
        if len(given) == 2:
            message = f"give it or {second} (= {format_value(values[second])}), not both"
            yield Problem(first, message, values[first])
        elif not given and required and applies(values, first, fields):
            cause = second if only_of(fields[first]) is ALWAYS else _decider(first, fields[first])
            yield Problem(first, f"neither it nor {second} is given, and one must be", cause=cause)


def wrong_data(values: Values, fields: Fields) -> Iterator[Problem]:
    """A data set of another kind than the task needs."""
    task, key = TASKS.get(str(values.get("task.name"))), "dataset.name"
    dataset = _dataset(values, key)
    if dataset is not None and dataset.data is None:
        key = "dataset.template"
        dataset = _dataset(values, key)
    if task is not None and dataset is not None and dataset.data != task.data:
        fitting = [name for name in choices_of(fields[key].annotation) if DATASETS[name].data == task.data]
        message = f"the task {values.get('task.name')} needs {DATA[task.data]}: {', '.join(fitting)}"
        yield Problem(key, message, values.get(key), cause="task.name")


def _dataset(values: Values, key: str) -> DatasetEntry | None:
    return DATASETS.get(str(values.get(key)).partition(":")[0])


def bidirectional_language_model(values: Values, fields: Fields) -> Iterator[Problem]:
    """A language model that reads the token it must predict."""
    del fields
    task = TASKS.get(str(values.get("task.name")))
    if task is not None and task.language_model and values.get("model.bidirectional") is True:
        message = "a language model cannot be bidirectional: it would see the token it must predict"
        yield Problem("model.bidirectional", message, True, cause="task.name")


def text_files(values: Values, fields: Fields) -> Iterator[Problem]:
    """One of the held-out files of a text without the other; byte-pair encoding without a vocabulary size."""
    del fields
    is_text = values.get("dataset.name") == "text"  # tables of labelled texts are split by example
    given = {key: values.get(key) for key in ("dataset.validation_file", "dataset.test_file")}
    if is_text and None in given.values() and any(given.values()):
        missing, other = sorted(given, key=lambda key: given[key] is not None)
        yield Problem(missing, f"must be given as well where {other} is", cause=other)
    if values.get("dataset.tokenizer") == "bpe" and values.get("dataset.vocabulary_size") is None:
        message = "must be given where dataset.tokenizer is bpe: a whole number from 256 on"
        yield Problem("dataset.vocabulary_size", message, cause="dataset.tokenizer")


def two_averages(values: Values, fields: Fields) -> Iterator[Problem]:
    """Both averages of the parameters at once."""
    del fields
    decay = values.get("optimizer.average_decay")
    for key in ("optimizer.average_from_epochs", "optimizer.average_from_steps"):
        if decay is not None and values.get(key) is not None:
            message = f"give it or optimizer.average_decay (= {format_value(decay)}), not both"
            yield Problem(key, message, values[key], cause="optimizer.average_decay")


def too_large(values: Values, fields: Fields) -> Iterator[Problem]:
    """Whole numbers beyond what an array's size, or a count of steps, can be."""
    for key, field in fields.items():
        value = values.get(key)
        bounded = any(isinstance(mark, Lt | Le) for mark in field.metadata)
        if kind_of(field.annotation)[0] is int and not bounded and isinstance(value, int) and value >= LIMIT:
            yield Problem(key, f"must be less than {LIMIT}", value)


def processes(values: Values, fields: Fields) -> Iterator[Problem]:
    """A process index out of range, or a coordinator that is not an address."""
    del fields
    count, index, coordinator = (
        values.get(f"runtime.{key}") for key in ("process_count", "process_index", "coordinator")
    )
    for key, value in (("runtime.process_index", index), ("runtime.coordinator", coordinator)):
        if value is not None and count in (None, 1):
            message = "only with runtime.process_count, the number of processes: at least 2"
            yield Problem(key, message, value, cause="runtime.process_count")
    if isinstance(count, int) and isinstance(index, int) and 1 < count <= index:
        message = f"must be less than runtime.process_count = {count}; the first is 0"
        yield Problem("runtime.process_index", message, index, cause="runtime.process_count")
    if isinstance(coordinator, str) and parse_address(coordinator) is None:
        message = "must be HOST:PORT, a name or an address and a number from 1 to 65535"
        yield Problem("runtime.coordinator", message, coordinator)


RULES = (
    too_large,
    missing_for_kind,
    unpaired,
    wrong_data,
    bidirectional_language_model,
    text_files,
    two_averages,
    processes,
)


def applies(values: Values, key: str, fields: Fields) -> bool:
    """Whether `key` applies to what is chosen."""
    if only_of(fields[key]) is ALWAYS:
        return True
    return str(values.get(_decider(key, fields[key]))).partition(":")[0] in kinds_of(fields[key])


def only_of(field: FieldInfo) -> Only:
    """The condition under which a key applies."""
    return next((mark for mark in field.metadata if isinstance(mark, Only)), ALWAYS)


def kinds_of(field: FieldInfo) -> tuple[str, ...]:
    """The values of the deciding key where a key applies."""
    kinds = only_of(field).kinds
    assert isinstance(kinds, tuple)  # the sections are composed
    return kinds


def _decider(key: str, field: FieldInfo) -> str:
    """The key whose value decides whether `key` applies."""
    decider = only_of(field).key
    return decider if "." in decider else f"{key.partition('.')[0]}.{decider}"


def _why_inapplicable(values: Values, key: str, fields: Fields) -> str | None:
    """Why `key` does not apply to what is chosen; None where it does, or where the choice itself is wrong."""
    if only_of(fields[key]) is ALWAYS:
        return None
    decider = _decider(key, fields[key])
    if reason := _why_inapplicable(values, decider, fields):
        return reason
    if applies(values, key, fields):
        return None
    kind = values.get(decider)
    return f"{decider} is {kind}" if is_choice(fields[decider], kind) else None
