"""Rules between keys: which keys belong to which choice, which exclude each other, and which need each other.

They work on plain sections, `{section: {key: value}}`, after pydantic's checks of the single keys.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from annotated_types import Le, Lt
from pydantic.fields import FieldInfo

from rnn_jax.catalogue import DATA, DATASETS, TASKS, DatasetEntry
from rnn_jax.config.messages import Problem, choices_of, expected, format_value, is_choice, kind_of
from rnn_jax.runtime.processes import parse_address

Sections = dict[str, dict[str, Any]]
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
    sections: Sections, typed: Collection[str], fields: Fields, defaults: Sections
) -> tuple[list[str], list[Problem]]:
    """Set the keys that do not apply to what is chosen to None, in place; those that were typed are problems.

    A key that has its default is dropped without a note: every config has it from `configs/base.py`.

    Returns:
        The notes, one line for each reason, and the problems.
    """
    dropped: dict[str, list[str]] = {}
    problems = []
    for key, field in fields.items():
        value, reason = _get(sections, key), _why_inapplicable(sections, key, fields)
        if value is None or reason is None:
            continue
        if key in typed:
            kinds = " or ".join(kinds_of(field))
            problems.append(Problem(key, f"only for {kinds}, and {reason}", value))
        else:
            dropped.setdefault(reason, []).append(key)
    silent = {key for keys in dropped.values() for key in keys if _get(sections, key) == _get(defaults, key)}
    for first, second, _ in PAIRS:
        for given, other in ((first, second), (second, first)):
            both = _get(sections, given) is not None and _get(sections, other) is not None
            if both and given in typed and other not in typed:
                dropped.setdefault(f"{given} is given", []).append(other)
    for key in (key for keys in dropped.values() for key in keys):
        section, _, name = key.partition(".")
        sections[section][name] = None
    noted = {reason: [key for key in keys if key not in silent] for reason, keys in dropped.items()}
    return [f"{', '.join(keys)} ignored: {reason}" for reason, keys in noted.items() if keys], problems


def fill_defaults(sections: Sections, fields: Fields) -> None:
    """Set, in place, the options that apply, are not given and have a default."""
    for key, field in fields.items():
        section, _, name = key.partition(".")
        mark, values = only_of(field), sections.get(section, {})
        is_given = values.get(name) is not None or (name in values and not mark.required)
        if mark.default is not None and not is_given and applies(sections, key, fields):
            values[name] = mark.default


def missing_for_kind(sections: Sections, fields: Fields) -> list[Problem]:
    """The keys that the choice requires and that are not given."""
    problems = []
    for key, field in fields.items():
        if only_of(field).required and _get(sections, key) is None and applies(sections, key, fields):
            decider = _decider(key, field)
            words = expected(field).removesuffix(", or None")
            message = f"must be given where {decider} is {_get(sections, decider)}: {words}"
            problems.append(Problem(key, message, cause=decider))
    return problems


def unpaired(sections: Sections, fields: Fields) -> list[Problem]:
    """The pairs of which both keys are given, or neither where one must be."""
    problems = []
    for first, second, required in PAIRS:
        values = {key: _get(sections, key) for key in (first, second) if _get(sections, key) is not None}
        if len(values) == 2:
            message = f"give it or {second} (= {format_value(values[second])}), not both"
            problems.append(Problem(first, message, values[first]))
        elif not values and required and applies(sections, first, fields):
            cause = second if only_of(fields[first]) is ALWAYS else _decider(first, fields[first])
            problems.append(Problem(first, f"neither it nor {second} is given, and one must be", cause=cause))
    return problems


def wrong_data(sections: Sections, fields: Fields) -> list[Problem]:
    """A data set of another kind than the task needs."""
    task, key = TASKS.get(_get(sections, "task.name")), "dataset.name"
    dataset = _dataset(sections, key)
    if dataset is not None and dataset.data is None:
        key = "dataset.template"
        dataset = _dataset(sections, key)
    if task is None or dataset is None or dataset.data == task.data:
        return []
    fitting = [name for name in choices_of(fields[key].annotation) if DATASETS[name].data == task.data]
    message = f"the task {_get(sections, 'task.name')} needs {DATA[task.data]}: {', '.join(fitting)}"
    return [Problem(key, message, _get(sections, key), cause="task.name")]


def _dataset(sections: Sections, key: str) -> DatasetEntry | None:
    return DATASETS.get(str(_get(sections, key)).partition(":")[0])


def bidirectional_language_model(sections: Sections, fields: Fields) -> list[Problem]:
    """A language model that reads the token it must predict."""
    del fields
    task = TASKS.get(_get(sections, "task.name"))
    if task is None or not task.language_model or _get(sections, "model.bidirectional") is not True:
        return []
    message = "a language model cannot be bidirectional: it would see the token it must predict"
    return [Problem("model.bidirectional", message, True, cause="task.name")]


def text_files(sections: Sections, fields: Fields) -> list[Problem]:
    """One of the held-out files of a text without the other; byte-pair encoding without a vocabulary size."""
    del fields
    found = []
    is_text = _get(sections, "dataset.name") == "text"  # tables of labelled texts are split by example
    given = {name: _get(sections, f"dataset.{name}") for name in ("validation_file", "test_file")}
    if is_text and None in given.values() and any(given.values()):
        missing, other = sorted(given, key=lambda name: given[name] is not None)
        message = f"must be given as well where dataset.{other} is"
        found.append(Problem(f"dataset.{missing}", message, cause=f"dataset.{other}"))
    if _get(sections, "dataset.tokenizer") == "bpe" and _get(sections, "dataset.vocabulary_size") is None:
        message = "must be given where dataset.tokenizer is bpe: a whole number from 256 on"
        found.append(Problem("dataset.vocabulary_size", message, cause="dataset.tokenizer"))
    return found


def two_averages(sections: Sections, fields: Fields) -> list[Problem]:
    """Both averages of the parameters at once."""
    del fields
    decay = _get(sections, "optimizer.average_decay")
    for key in ("optimizer.average_from_epochs", "optimizer.average_from_steps"):
        if decay is not None and _get(sections, key) is not None:
            message = f"give it or optimizer.average_decay (= {format_value(decay)}), not both"
            return [Problem(key, message, _get(sections, key), cause="optimizer.average_decay")]
    return []


def too_large(sections: Sections, fields: Fields) -> list[Problem]:
    """Whole numbers beyond what an array's size, or a count of steps, can be."""
    found = []
    for key, field in fields.items():
        value = _get(sections, key)
        bounded = any(isinstance(mark, Lt | Le) for mark in field.metadata)
        if kind_of(field.annotation)[0] is int and not bounded and isinstance(value, int) and value >= LIMIT:
            found.append(Problem(key, f"must be less than {LIMIT}", value))
    return found


def processes(sections: Sections, fields: Fields) -> list[Problem]:
    """A process index out of range, or a coordinator that is no address."""
    del fields
    found = []
    count, index, coordinator = (
        _get(sections, f"runtime.{key}") for key in ("process_count", "process_index", "coordinator")
    )
    for key, value in (("runtime.process_index", index), ("runtime.coordinator", coordinator)):
        if value is not None and count in (None, 1):
            message = "only with runtime.process_count, the number of processes: at least 2"
            found.append(Problem(key, message, value, cause="runtime.process_count"))
    if isinstance(count, int) and isinstance(index, int) and 1 < count <= index:
        message = f"must be less than runtime.process_count = {count}; the first is 0"
        found.append(Problem("runtime.process_index", message, index, cause="runtime.process_count"))
    if isinstance(coordinator, str) and parse_address(coordinator) is None:
        message = "must be HOST:PORT, a name or an address and a number from 1 to 65535"
        found.append(Problem("runtime.coordinator", message, coordinator))
    return found


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


def applies(sections: Sections, key: str, fields: Fields) -> bool:
    """Whether `key` applies to what is chosen."""
    if only_of(fields[key]) is ALWAYS:
        return True
    return str(_get(sections, _decider(key, fields[key]))).partition(":")[0] in kinds_of(fields[key])


def _get(sections: Sections, key: str) -> Any:
    section, _, name = key.partition(".")
    return sections.get(section, {}).get(name)


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


def _why_inapplicable(sections: Sections, key: str, fields: Fields) -> str | None:
    """Why `key` does not apply to what is chosen; None where it does, or where the choice itself is wrong."""
    if only_of(fields[key]) is ALWAYS:
        return None
    decider = _decider(key, fields[key])
    if reason := _why_inapplicable(sections, decider, fields):
        return reason
    if applies(sections, key, fields):
        return None
    kind = _get(sections, decider)
    return f"{decider} is {kind}" if is_choice(fields[decider], kind) else None
