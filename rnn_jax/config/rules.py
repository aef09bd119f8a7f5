"""Rules between keys: which keys belong to which choice, which exclude each other, and which need each other.

They work on plain values by `section.key`, beside pydantic's checks of the single keys.
"""

import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple, cast

from annotated_types import Gt, Le, Lt
from pydantic.fields import FieldInfo

from rnn_jax.catalogue import DATASETS, TASKS
from rnn_jax.catalogue.cells import parameter_groups
from rnn_jax.catalogue.datasets import DatasetEntry
from rnn_jax.catalogue.entry import DATA
from rnn_jax.config.messages import Problem, choices_of, expected, format_value, is_choice, kind_of, nearest
from rnn_jax.config.objective import criteria_of, to_text
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
MAX_FLOAT32, MIN_FLOAT32 = (2 - 2**-23) * 2.0**127, 2.0**-126
"""The largest number in float32, and the smallest that processors do not replace by 0."""


class Only(NamedTuple):
    """Marks a key that applies where another key has one of these values."""

    key: str  # `section.key`; before `composition.py` completes it, a key of the same section may stand alone
    kinds: Any  # the values; before that it may be a predicate of the catalogue's entries that they name
    required: bool
    default: Any = None  # where the key applies and is not given


def only(*, required: bool = False, **condition: str | tuple[str, ...] | Callable[[Any], object]) -> Only:
    """Mark a key that applies to some choices alone; `required`: it must be given there.

    `only(name=("adam", "adamw"))` refers to the section's own `name`, `only(task__name=...)` to another
    section's. Where the other key names an entry of the catalogue, the condition is a predicate of the entry:
    `only(cell=lambda cell: cell.forget_bias)`.
    """
    ((key, kinds),) = condition.items()
    return Only(key.replace("__", "."), (kinds,) if isinstance(kinds, str) else kinds, required)


def only_of(field: FieldInfo) -> Only | None:
    """The condition under which a key applies; None: always."""
    return next((mark for mark in field.metadata if isinstance(mark, Only)), None)


def applies(values: Values, field: FieldInfo) -> bool:
    """Whether a key applies to what is chosen."""
    mark = only_of(field)
    return mark is None or str(values.get(mark.key)).partition(":")[0] in mark.kinds


def drop_inapplicable(
    values: Values, typed: Collection[str], fields: Fields, defaults: Values
) -> tuple[list[str], list[Problem]]:
    """Set the keys that do not apply to what is chosen to None, in place; those that were typed are problems.

    Returns the notes, one line for each reason, and the problems. A key that has its default is dropped
    without a note: every config has it from `configs/base.py`.
    """
    dropped: dict[str, list[str]] = {}
    problems = []
    for key, field in fields.items():
        value, mark = values.get(key), only_of(field)
        reason = _why_inapplicable(values, field, fields)
        if value is None or mark is None or reason is None:
            continue
        if key in typed:
            problems.append(Problem(key, f"only for {' or '.join(mark.kinds)}, and {reason}", value))
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


def _why_inapplicable(values: Values, field: FieldInfo, fields: Fields) -> str | None:
    """Why a key does not apply to what is chosen; None where it does, or where the choice itself is wrong."""
    mark = only_of(field)
    if mark is None:
        return None
    if reason := _why_inapplicable(values, fields[mark.key], fields):
        return reason
    kind = values.get(mark.key)
    is_wrong = not is_choice(fields[mark.key], kind)
    return None if is_wrong or applies(values, field) else f"{mark.key} is {kind}"


def fill_defaults(values: Values, fields: Fields) -> None:
    """Set, in place, the options that apply, are not given and have a default."""
    for key, field in fields.items():
        mark = only_of(field)
        if mark is None or mark.default is None or not applies(values, field):
            continue
        if values.get(key) is None and (key not in values or mark.required):
            values[key] = mark.default


def too_large(values: Values, fields: Fields) -> Iterator[Problem]:
    """Whole numbers beyond what an array's size, or a count of steps, can be."""
    for key, field in fields.items():
        value = values.get(key)
        bounded = any(isinstance(mark, Lt | Le) for mark in field.metadata)
        if kind_of(field.annotation)[0] is int and not bounded and isinstance(value, int) and value >= LIMIT:
            yield Problem(key, f"must be less than {LIMIT}", value)


def beyond_float32(values: Values, fields: Fields) -> Iterator[Problem]:
    """Numbers that become infinite in float32, or equal to a bound that they must not reach.

    A decay rate of 0.99999999 is 1 there, and an epsilon of 1e-50 is 0: both would divide by zero.
    """
    for key, field in fields.items():
        value: Any = values.get(key)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if kind_of(field.annotation)[0] is not float or not is_number:
            continue
        if abs(value) > MAX_FLOAT32:
            yield Problem(key, f"must be at most {MAX_FLOAT32:.3g}, the largest number in float32", value)
            continue
        rounded = struct.unpack("f", struct.pack("f", value))[0]
        mark: Any
        for mark in field.metadata:
            if isinstance(mark, Gt) and mark.gt == 0 and 0 < value < MIN_FLOAT32:
                yield Problem(key, f"must be at least {MIN_FLOAT32:.3g}: in float32 it is 0", value)
            if isinstance(mark, Lt) and rounded >= float(cast(float, mark.lt)) > value:
                yield Problem(key, f"must be less than {mark.lt}, and in float32 it is not", value)


def missing_for_kind(values: Values, fields: Fields) -> Iterator[Problem]:
    """The keys that the choice requires and that are not given."""
    for key, field in fields.items():
        mark = only_of(field)
        if mark is not None and mark.required and values.get(key) is None and applies(values, field):
            words = expected(field).removesuffix(", or None")
            message = f"must be given where {mark.key} is {values.get(mark.key)}: {words}"
            yield Problem(key, message, cause=mark.key)


def unpaired(values: Values, fields: Fields) -> Iterator[Problem]:
    """The pairs of which both keys are given, or neither where one must be; both averages at once."""
    for first, second, required in PAIRS:
        given = [key for key in (first, second) if values.get(key) is not None]
        if len(given) == 2:
            yield _exclusive(values, first, second)
        elif not given and required and applies(values, fields[first]):
            mark = only_of(fields[first])
            message = f"neither it nor {second} is given, and one must be"
            yield Problem(first, message, cause=mark.key if mark else second)
    decay = "optimizer.average_decay"
    for key in ("optimizer.average_from_epochs", "optimizer.average_from_steps"):
        if values.get(key) is not None and values.get(decay) is not None:
            yield _exclusive(values, key, decay)._replace(cause=decay)


def _exclusive(values: Values, key: str, other: str) -> Problem:
    return Problem(key, f"give it or {other} (= {format_value(values[other])}), not both", values[key])


def unfit_for_task(values: Values, fields: Fields) -> Iterator[Problem]:
    """A data set of another kind than the task needs; a language model that reads what it must predict."""
    task, key = TASKS.get(str(values.get("task.name"))), "dataset.name"
    dataset = _dataset(values, key)
    if dataset is not None and dataset.data is None:
        key = "dataset.template"
        dataset = _dataset(values, key)
    if task is not None and dataset is not None and dataset.data != task.data:
        fitting = [name for name in choices_of(fields[key].annotation) if DATASETS[name].data == task.data]
        message = f"the task {values['task.name']} needs {DATA[task.data]}: {', '.join(fitting)}"
        yield Problem(key, message, values.get(key), cause="task.name")
    if task is not None and task.language_model and values.get("model.bidirectional") is True:
        message = "a language model cannot be bidirectional: it would see the token it must predict"
        yield Problem("model.bidirectional", message, True, cause="task.name")


def _dataset(values: Values, key: str) -> DatasetEntry | None:
    return DATASETS.get(str(values.get(key)).partition(":")[0])


def text_files(values: Values, fields: Fields) -> Iterator[Problem]:
    """One of the held-out files of a text without the other; byte-pair encoding without a vocabulary size."""
    is_text = values.get("dataset.name") == "text"  # tables of labelled texts are split by example
    given = {key: values.get(key) for key in ("dataset.validation_file", "dataset.test_file")}
    if is_text and None in given.values() and any(given.values()):
        missing, other = sorted(given, key=lambda key: given[key] is not None)
        yield Problem(missing, f"must be given as well where {other} is", cause=other)
    if values.get("dataset.tokenizer") == "bpe" and values.get("dataset.vocabulary_size") is None:
        message = "must be given where dataset.tokenizer is bpe: a whole number from 256 on"
        yield Problem("dataset.vocabulary_size", message, cause="dataset.tokenizer")


def split_names(text: str) -> list[str]:
    """Split names that are separated by commas."""
    return [name.strip() for name in text.split(",")]


def decayed_groups(values: Values, fields: Fields) -> Iterator[Problem]:
    """Groups of parameters that no cell has."""
    key, known = "optimizer.decay_parameters", parameter_groups()
    text = values.get(key)
    wrong = [name for name in split_names(text) if name not in known] if isinstance(text, str) else []
    if wrong:
        near = nearest(wrong[0], known)
        hint = f"; did you mean {near}?" if near else ""
        message = f"must be one or several of {', '.join(known)}, separated by commas; {wrong[0]!r} is not"
        yield Problem(key, message + hint, text)


def objective(values: Values, fields: Fields) -> Iterator[Problem]:
    """A metric without a name, or that occurs twice, and a direction other than max and min."""
    key = "train.objective"
    text = to_text(values.get(key))
    criteria = criteria_of(text) if isinstance(text, str) else []
    names = [name for name, _ in criteria]
    allowed = "must be a metric, or several: `accuracy, loss` or `accuracy:max, loss:min`"
    if "" in names:
        yield Problem(key, allowed, text)
    elif len(set(names)) < len(names):
        yield Problem(key, "a metric occurs twice", text)
    elif wrong := [direction for _, direction in criteria if direction not in (None, "max", "min")]:
        yield Problem(key, f"{allowed}; {wrong[0]!r} is not max or min", text)


def folds(values: Values, fields: Fields) -> Iterator[Problem]:
    """A fold without the number of folds or beyond it; folds beside a fixed validation split."""
    number, one = "dataset.validation_folds", "dataset.validation_fold"
    count, fold = values.get(number), values.get(one)
    if fold is not None and count is None:
        yield Problem(one, f"only with {number}, the number of folds: at least 2", fold, cause=number)
    if isinstance(fold, int) and isinstance(count, int) and fold >= count:
        yield Problem(one, f"must be less than {number} = {count}; the first is 0", fold, cause=number)
    for key in ("dataset.validation_file", "dataset.validation_examples"):
        if count is not None and values.get(key) is not None:
            yield _exclusive(values, number, key)._replace(cause=key)


def processes(values: Values, fields: Fields) -> Iterator[Problem]:
    """A process index out of range, or a coordinator that is not an address."""
    number, process, address = (f"runtime.{key}" for key in ("process_count", "process_index", "coordinator"))
    count, index, coordinator = values.get(number), values.get(process), values.get(address)
    for key in (process, address):
        if values.get(key) is not None and count in (None, 1):
            message = f"only with {number}, the number of processes: at least 2"
            yield Problem(key, message, values[key], cause=number)
    if isinstance(count, int) and isinstance(index, int) and 1 < count <= index:
        yield Problem(process, f"must be less than {number} = {count}; the first is 0", index, cause=number)
    if isinstance(coordinator, str) and parse_address(coordinator) is None:
        message = "must be HOST:PORT, a name or an address and a number from 1 to 65535"
        yield Problem(address, message, coordinator)


RULES = (
    too_large,
    beyond_float32,
    missing_for_kind,
    unpaired,
    unfit_for_task,
    text_files,
    decayed_groups,
    objective,
    folds,
    processes,
)
