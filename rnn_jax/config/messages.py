"""How a mistake reads: what a key may be, and which of the known names a mistyped one was meant to be."""

import difflib
import types
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

KINDS = {int: "a whole number", float: "a finite number", bool: "True or False", str: "text"}
BOUNDS = {
    Ge: ("ge", "at least", ">="),
    Gt: ("gt", "more than", ">"),
    Le: ("le", "at most", "<="),
    Lt: ("lt", "less than", "<"),
}
# How much alike two names must be, by difflib, for one to be taken for the other, and what a key has on top
# where the section is right.
LIKENESS = 0.6
SAME_SECTION = 0.1
MOST_TOLD = 6

FORMER_NAMES = {
    "bpe": "pieces",
    "bptt_steps": "window_steps",
    "clip_norm": "clip",
    "early_stopping_patience": "stop_after_evaluations",
    "eval_batch_size": "evaluation_rows",
    "input_projection_size": "input_layer",
    "interval_evaluations": "every_evaluations",
    "keep_first": "first",
    "keep_last": "last",
    "max_length": "maximum_steps",
    "min_evaluations": "from_evaluation",
    "min_resource_fraction": "first_share",
    "num_trials": "draws",
    "percentile": "keep",
    "process_count": "processes",
    "process_index": "process",
    "pruner": "pruning",
    "reduction_factor": "keep",
    "remat_steps": "checkpoint_steps",
    "resource_factor": "growth",
    "rms_decay": "decay",
    "sampler_seed": "draw_seed",
    "template": "like",
    "tokenizer": "tokens",
    "truncate": "kept_end",
}
"""Names of keys and of their values, and what each was called before: who types that is pointed to this."""


class Mistake(NamedTuple):
    """A key (`section.key`) and what is wrong with it."""

    key: str
    what: str
    value: str | None = None  # as it is shown, if there is one
    cause: str | None = None  # the other key that makes it wrong

    def line(self, said: Collection[str], origin: str | None) -> str:
        """One line for people; what was typed on the command line reads as it was typed."""
        typed = self.key in said or self.cause in said
        place = "--config." if typed else f"{origin}: " if origin else ""
        value = "" if self.value is None else f" = {self.value}"
        return f"{place}{self.key}{value}: {self.what}"


class Prefix(NamedTuple):
    """Marks a choice between names that also has names with this prefix, `tfds:NAME`."""

    prefix: str


def kind_of(annotation: Any) -> tuple[Any, bool]:
    """The type of a key without its None, and whether it may be None."""
    if get_origin(annotation) not in (types.UnionType, Union):
        return annotation, False
    kinds = get_args(annotation)
    return next(kind for kind in kinds if kind is not types.NoneType), types.NoneType in kinds


def choices_of(annotation: Any) -> list[str]:
    """The names that a key may take, none if it is not a choice between names."""
    kind, _ = kind_of(annotation)
    return list(get_args(kind)) if get_origin(kind) is Literal else []


def is_choice(field: FieldInfo, value: Any) -> bool:
    """Whether a key that is a choice between names may be this one."""
    prefixes = tuple(mark.prefix for mark in field.metadata if isinstance(mark, Prefix))
    return value in choices_of(field.annotation) or (isinstance(value, str) and value.startswith(prefixes))


def _names(field: FieldInfo) -> list[str]:
    """The names that a key may take, as they are shown."""
    prefixed = [f"{mark.prefix}NAME" for mark in field.metadata if isinstance(mark, Prefix)]
    return [*choices_of(field.annotation), *prefixed]


def expected(field: FieldInfo) -> str:
    """What a key may be, in words: `a whole number, at least 1, or None`."""
    kind, optional = kind_of(field.annotation)
    if choices := _names(field):
        words = [f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]]
    else:
        words = [KINDS[kind]]
    if bounds := in_bounds(field):
        words.append(bounds)
    return ", ".join([*words, *(["or None"] if optional else [])])


def allowed(field: FieldInfo) -> str:
    """What a key may be, in signs: `int >= 1 | None`."""
    kind, optional = kind_of(field.annotation)
    bounds = " ".join(f"{sign} {getattr(bound, name):,}" for bound, name, _, sign in _limits(field))
    words = _names(field) or [f"{kind.__name__} {bounds}".strip()]
    return " | ".join([*words, *(["None"] if optional else [])])


def in_bounds(field: FieldInfo) -> str:
    """The range of a number, in words: `at least 0 and less than 1`."""
    return " and ".join(f"{phrase} {getattr(bound, name)}" for bound, name, phrase, _ in _limits(field))


def _limits(field: FieldInfo) -> list[tuple[Any, str, str, str]]:
    return [(bound, *BOUNDS[type(bound)]) for bound in field.metadata if type(bound) in BOUNDS]


def shown(value: Any) -> str:
    """A value as it is shown in a mistake, cut to a line; what cannot be shown, by its type."""
    try:
        text = repr(value)
    except Exception:  # an object's own, or an integer of more digits than Python writes
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."


def wrong_value(key: str, field: FieldInfo, value: Any, *, in_range: bool) -> Mistake:
    """The mistake of a key whose value is of the wrong type, or a number out of range."""
    what = f"must be {expected(field) if in_range else in_bounds(field)}"
    if isinstance(value, str) and (near := nearest(value, choices_of(field.annotation))):
        what += f"; did you mean {near}?"
    return Mistake(key, what, shown(value))


def told(lines: Sequence[str]) -> str:
    """The lines of all mistakes as they are told: of very many, which have one cause, the first ones."""
    if len(lines) <= MOST_TOLD:
        return "\n".join(lines)
    return "\n".join([*lines[: MOST_TOLD - 1], f"and {len(lines) - MOST_TOLD + 1} more mistakes"])


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like the given one, if any is alike."""
    names = list(known)
    former = [other for other in names if FORMER_NAMES.get(other) == name]
    return next(iter(former or difflib.get_close_matches(name, names, n=1, cutoff=LIKENESS)), None)


def nearest_key(key: str, known: Collection[str]) -> str | None:
    """The known key (`section.key`) that a mistyped one was most likely meant to be, if any is alike.

    A mistyped section is put right first. Keys of that section come before others that are as much alike;
    initials (`lr`) count as the name.
    """
    section, _, name = key.rpartition(".")
    sections = {other.partition(".")[0] for other in known}
    section = section if section in sections else nearest(section, sections)

    def likeness(other: str) -> float:
        there, _, full = other.partition(".")
        initials = "".join(word[0] for word in full.split("_"))
        is_meant = name == FORMER_NAMES.get(full) or name == initials != name[:1]
        alike = 1.0 if is_meant else difflib.SequenceMatcher(None, name, full).ratio()
        return alike + (SAME_SECTION if there == section else 0.0)

    best = max(known, key=likeness)
    return best if likeness(best) >= LIKENESS else None
