"""What no single key can say: which keys belong to which kind, and which say the same in two units.

The rules work on plain sections, `{section: {key: value}}`, beside pydantic's checks of the single keys.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypeVar

from annotated_types import Le, Lt
from pydantic.fields import FieldInfo

from rnn_jax.config.messages import Mistake, choices_of, expected, is_choice, kind_of, shown
from rnn_jax.runtime.processes import place_of

Sections = dict[str, dict[str, Any]]
Fields = Mapping[str, FieldInfo]  # `section.key` -> what pydantic knows of it

# Two keys that say the same in different units; at most one is given, and where the bool says so, exactly one
# (for a key that belongs to some kinds: only there).
PAIRS = (
    ("train.duration_epochs", "train.duration_steps", True),
    ("train.evaluate_every_epochs", "train.evaluate_every_steps", True),
    ("optimizer.warmup_epochs", "optimizer.warmup_steps", False),
    ("optimizer.decay_every_epochs", "optimizer.decay_every_steps", True),
    ("optimizer.decay_from_epochs", "optimizer.decay_from_steps", False),
    ("optimizer.average_from_epochs", "optimizer.average_from_steps", False),
)

MOST = 2**31
"""Sizes, counts and steps are less: arrays and their places have numbers of 31 bits. Seeds have 32."""

Mark = TypeVar("Mark")


class Only(NamedTuple):
    """Marks a key that applies where another key, of its section or any, has one of these values."""

    key: str
    kinds: tuple[str, ...]
    required: bool


EVERY_KIND = Only("", (), required=False)


def only(*, required: bool = False, **condition: str | tuple[str, ...]) -> Only:
    """`only(name=("adam", "adamw"))`: the key belongs to these kinds; required: it must be given there.

    A key of another section is written with two underscores: `only(task__name="copying")`.
    """
    ((key, kinds),) = condition.items()
    return Only(key.replace("__", "."), (kinds,) if isinstance(kinds, str) else kinds, required)


class Kinds(NamedTuple):
    """Marks the names of data sets, or of tasks, with the kind of data that each has, or needs."""

    by_name: Mapping[str, str]

    def of(self, name: Any) -> str | None:
        """The kind of `name`, which may go on after a colon; None for one that is not known."""
        return self.by_name.get(str(name).partition(":")[0])


def pass_over(
    sections: Sections, said: Collection[str], fields: Fields, defaults: Sections
) -> tuple[list[str], list[Mistake]]:
    """Sets to None, in place, the keys of the file that do not apply; refuses those that were typed (`said`).

    A key that has its default is ignored without a note: every config has it from `configs/base.py`.

    Returns:
        The notes, one line for each reason, and the mistakes.
    """
    passed: dict[str, list[str]] = {}
    mistakes = []
    for key, field in fields.items():
        value, reason = _get(sections, key), _foreign(sections, key, fields)
        if value is None or reason is None:
            continue
        if key in said:
            kinds = " or ".join(_only(field).kinds)
            mistakes.append(Mistake(key, f"only for {kinds}, and {reason}", shown(value)))
        else:
            passed.setdefault(reason, []).append(key)
    silent = {key for keys in passed.values() for key in keys if _get(sections, key) == _get(defaults, key)}
    for first, second, _ in PAIRS:
        for typed, other in ((first, second), (second, first)):
            both = _get(sections, typed) is not None and _get(sections, other) is not None
            if both and typed in said and other not in said:
                passed.setdefault(f"{typed} is given", []).append(other)
    for key in (key for keys in passed.values() for key in keys):
        section, _, name = key.partition(".")
        sections[section][name] = None
    noted = {reason: [key for key in keys if key not in silent] for reason, keys in passed.items()}
    return [f"{', '.join(keys)} passed over: {reason}" for reason, keys in noted.items() if keys], mistakes


def missing_for_kind(sections: Sections, fields: Fields) -> list[Mistake]:
    """The keys that the chosen kind requires and that are not given."""
    mistakes = []
    for key, field in fields.items():
        if _only(field).required and _get(sections, key) is None and belongs(sections, key, fields):
            decider = _decider(key, field)
            words = expected(field).removesuffix(", or None")
            what = f"must be given where {decider} is {_get(sections, decider)}: {words}"
            mistakes.append(Mistake(key, what, cause=decider))
    return mistakes


def unpaired(sections: Sections, fields: Fields) -> list[Mistake]:
    """The pairs of which both are given, or none where one must be."""
    mistakes = []
    for first, second, required in PAIRS:
        values = {key: _get(sections, key) for key in (first, second) if _get(sections, key) is not None}
        if len(values) == 2:
            what = f"give it or {second} (= {shown(values[second])}), not both"
            mistakes.append(Mistake(first, what, shown(values[first])))
        elif not values and required and belongs(sections, first, fields):
            cause = second if _only(fields[first]) is EVERY_KIND else _decider(first, fields[first])
            mistakes.append(Mistake(first, f"neither it nor {second} is given, and one must be", cause=cause))
    return mistakes


def misfits(sections: Sections, fields: Fields) -> list[Mistake]:
    """A task on data that it cannot be asked of."""
    task, name = _get(sections, "task.name"), _get(sections, "dataset.name")
    key = "dataset.template" if name == "synthetic" else "dataset.name"
    data = _get(sections, key)
    kinds = {field: _mark(fields[field], Kinds) for field in ("dataset.name", "task.name")}
    found, needed = kinds["dataset.name"].of(data), kinds["task.name"].of(task)
    if None in (found, needed) or found == needed:
        return []
    choices = choices_of(fields[key].annotation)
    fitting = ", ".join(other for other in choices if kinds["dataset.name"].of(other) == needed)
    return [Mistake(key, f"the task {task} needs {needed}: {fitting}", shown(data), cause="task.name")]


def both_ways(sections: Sections, fields: Fields) -> list[Mistake]:
    """A language model that would read the token it is to tell."""
    del fields
    if _get(sections, "task.name") == "language_modelling" and _get(sections, "model.bidirectional") is True:
        what = "a language model cannot read backwards, where the token it is to tell stands"
        return [Mistake("model.bidirectional", what, "True", cause="task.name")]
    return []


def text_files(sections: Sections, fields: Fields) -> list[Mistake]:
    """Half of the files of a text; byte-pair encoding without their number."""
    del fields
    found = []
    is_text = _get(sections, "dataset.name") == "text"  # labelled texts are divided example by example
    given = {name: _get(sections, f"dataset.{name}") for name in ("validation_file", "test_file")}
    if is_text and None in given.values() and any(given.values()):
        missing = next(name for name, file in given.items() if file is None)
        other = next(name for name, file in given.items() if file is not None)
        found.append(
            Mistake(
                f"dataset.{missing}",
                f"must be given as well where dataset.{other} is",
                cause=f"dataset.{other}",
            )
        )
    if _get(sections, "dataset.tokenizer") == "bpe" and _get(sections, "dataset.vocabulary_size") is None:
        what = "must be given where dataset.tokenizer is bpe: a whole number from 256 on"
        found.append(Mistake("dataset.vocabulary_size", what, cause="dataset.tokenizer"))
    return found


def averages(sections: Sections, fields: Fields) -> list[Mistake]:
    """Two averages of the parameters at once."""
    del fields
    decay = _get(sections, "optimizer.average_decay")
    for key in ("optimizer.average_from_epochs", "optimizer.average_from_steps"):
        if decay is not None and _get(sections, key) is not None:
            what = f"give it or optimizer.average_decay (= {shown(decay)}), not both"
            return [Mistake(key, what, shown(_get(sections, key)), cause="optimizer.average_decay")]
    return []


def too_large(sections: Sections, fields: Fields) -> list[Mistake]:
    """Whole numbers that no array, and no count of steps, can have."""
    found = []
    for key, field in fields.items():
        value = _get(sections, key)
        bounded = any(isinstance(mark, Lt | Le) for mark in field.metadata)
        if kind_of(field.annotation)[0] is int and not bounded and isinstance(value, int) and value >= MOST:
            found.append(Mistake(key, f"must be less than {MOST}", shown(value)))
    return found


def processes(sections: Sections, fields: Fields) -> list[Mistake]:
    """A process that is none of them, or a place where nobody can meet."""
    del fields
    found = []
    count, process, place = (
        _get(sections, f"runtime.{key}") for key in ("process_count", "process_index", "coordinator")
    )
    for key, value in (("runtime.process_index", process), ("runtime.coordinator", place)):
        if value is not None and count in (None, 1):
            what = "only with runtime.process_count, how many there are: at least 2"
            found.append(Mistake(key, what, shown(value), cause="runtime.process_count"))
    if isinstance(count, int) and isinstance(process, int) and 1 < count <= process:
        what = f"must be less than runtime.process_count = {count}; the first is 0"
        found.append(Mistake("runtime.process_index", what, shown(process), cause="runtime.process_count"))
    if isinstance(place, str) and place_of(place) is None:
        what = "must be HOST:PORT, a name or an address and a number from 1 to 65535"
        found.append(Mistake("runtime.coordinator", what, shown(place)))
    return found


RULES = (too_large, missing_for_kind, unpaired, misfits, both_ways, text_files, averages, processes)


def _get(sections: Sections, key: str) -> Any:
    section, _, name = key.partition(".")
    return sections.get(section, {}).get(name)


def _only(field: FieldInfo) -> Only:
    return _mark(field, Only, EVERY_KIND)


def _mark(field: FieldInfo, kind: type[Mark], otherwise: Mark | None = None) -> Mark:
    """The mark of that kind on a key."""
    found = next((mark for mark in field.metadata if isinstance(mark, kind)), otherwise)
    assert found is not None
    return found


def _decider(key: str, field: FieldInfo) -> str:
    """The key whose value decides whether `key` applies."""
    decider = _only(field).key
    return decider if "." in decider else f"{key.partition('.')[0]}.{decider}"


def belongs(sections: Sections, key: str, fields: Fields) -> bool:
    """Whether `key` applies to what is chosen."""
    mark = _only(fields[key])
    return mark is EVERY_KIND or _get(sections, _decider(key, fields[key])) in mark.kinds


def _foreign(sections: Sections, key: str, fields: Fields) -> str | None:
    """Why `key` does not apply to what is chosen; None where it does, or the choice itself is a mistake."""
    if _only(fields[key]) is EVERY_KIND:
        return None
    decider = _decider(key, fields[key])
    if reason := _foreign(sections, decider, fields):  # what decides does not apply itself
        return reason
    if belongs(sections, key, fields):
        return None
    kind = _get(sections, decider)
    return f"{decider} is {kind}" if is_choice(fields[decider], kind) else None
