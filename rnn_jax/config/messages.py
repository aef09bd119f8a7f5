"""Error messages of a config: what a key may be, and the known name that a mistyped one most resembles."""

import difflib
import types
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a finite number",
    bool: "True or False",
    str: "text",
    list[float]: "a list of finite numbers",
}
BOUNDS = {Ge: ("at least", ">="), Gt: ("more than", ">"), Le: ("at most", "<="), Lt: ("less than", "<")}
MIN_SIMILARITY = 0.6
"""Of two names, by difflib, for one to be suggested for the other."""
SAME_SECTION_BONUS = 0.1
MAX_LINES = 6
NO_VALUE: Any = object()

FORMER_NAMES = (
    dict(tokenizer="tokens", bpe="pieces", max_length="maximum_steps", truncate="kept_end", template="like")
    | dict(keep_first="first", keep_last="last", bptt_steps="window_steps", eval_batch_size="evaluation_rows")
    | dict(remat_steps="checkpoint_steps", input_projection_size="input_layer")
    | dict(clip_norm="clip", rms_decay="decay", early_stopping_patience="stop_after_evaluations")
    | dict(process_count="processes", process_index="process")
    # Of sweeps.
    | dict(num_trials="draws", sampler_seed="draw_seed", pruner="pruning", percentile="keep")
    | dict(min_evaluations="from_evaluation", interval_evaluations="every_evaluations")
    | dict(min_resource_fraction="first_share", reduction_factor="keep", resource_factor="growth")
)
"""Names of keys and values, and their names in version 0.1, which suggest the new ones."""


class Problem(NamedTuple):
    """What is wrong with a key."""

    key: str  # `section.key`
    message: str
    value: Any = NO_VALUE
    cause: str | None = None  # the other key that makes it wrong

    def line(self, typed: Collection[str], origin: str | None, *, flag: str = "--config.") -> str:
        """The message in one line, `optimizer.learning_rate = -1: must be at least 0`.

        The keys in `typed` are shown as typed on the command line, after `flag`; `origin` is the file of the
        others.
        """
        is_typed = self.key in typed or self.cause in typed
        place = flag if is_typed else f"{origin}: " if origin else ""
        value = "" if self.value is NO_VALUE else f" = {format_value(self.value)}"
        return f"{place}{self.key}{value}: {self.message}"


class Prefix(NamedTuple):
    """Marks a choice between names that also has names with this prefix, `tfds:NAME`."""

    prefix: str


def kind_of(annotation: Any) -> tuple[Any, bool]:
    """The type of a key without None, and whether it may be None."""
    if get_origin(annotation) not in (types.UnionType, Union):
        return annotation, False
    kinds = get_args(annotation)
    return next(kind for kind in kinds if kind is not types.NoneType), types.NoneType in kinds


def choices_of(annotation: Any) -> list[str]:
    """The names that a key may take; none if it is not a choice between names."""
    kind, _ = kind_of(annotation)
    return list(get_args(kind)) if get_origin(kind) is Literal else []


def names_beside(annotation: Any) -> list[str]:
    """The names that a key may take instead of a value of its kind."""
    members = get_args(annotation)[1:] if get_origin(annotation) in (types.UnionType, Union) else ()
    return [name for member in members if get_origin(member) is Literal for name in get_args(member)]


def is_choice(field: FieldInfo, value: Any) -> bool:
    """Whether a key that is a choice between names may have this value."""
    prefixes = tuple(mark.prefix for mark in field.metadata if isinstance(mark, Prefix))
    return value in choices_of(field.annotation) or (isinstance(value, str) and value.startswith(prefixes))


def expected(field: FieldInfo) -> str:
    """What a key may be, in words: `a whole number, at least 1, or None`."""
    kind, optional = kind_of(field.annotation)
    names = _names(field)
    words = [f"one of {', '.join(names)}" if names[1:] else names[0] if names else KINDS[kind]]
    words = [" or ".join([*words, *names_beside(field.annotation)])]
    return ", ".join([*words, *filter(None, [in_bounds(field)]), *(["or None"] if optional else [])])


def in_bounds(field: FieldInfo) -> str:
    """The range of a number, in words: `at least 0 and less than 1`."""
    return " and ".join(f"{phrase} {bound}" for bound, phrase, _ in _limits(field))


def allowed(field: FieldInfo) -> str:
    """What a key may be, in symbols: `int >= 1 | None`."""
    kind, optional = kind_of(field.annotation)
    bounds = "".join(f" {sign} {bound:,}" for bound, _, sign in _limits(field))
    names = [*(_names(field) or [f"{kind.__name__}{bounds}"]), *names_beside(field.annotation)]
    return " | ".join([*names, *(["None"] if optional else [])])


def _names(field: FieldInfo) -> list[str]:
    prefixed = [f"{mark.prefix}NAME" for mark in field.metadata if isinstance(mark, Prefix)]
    return [*choices_of(field.annotation), *prefixed]


def _limits(field: FieldInfo) -> list[tuple[Any, str, str]]:
    """The bounds of a number, each with its words and its sign."""
    found = [(mark, type(mark)) for mark in field.metadata if type(mark) in BOUNDS]
    return [(getattr(mark, kind.__name__.lower()), *BOUNDS[kind]) for mark, kind in found]


def format_value(value: Any) -> str:
    """A value in at most 60 characters; its type where it has no `repr`."""
    try:
        text = repr(value)
    except Exception:  # raised by the value's own __repr__, or an integer with too many digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."


def join_lines(lines: Sequence[str]) -> str:
    """The lines of all problems; the first ones where there are many, which have one cause."""
    if (more := len(lines) - MAX_LINES + 1) > 1:
        lines = [*lines[: MAX_LINES - 1], f"and {more} more errors"]
    return "\n".join(lines)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that most resembles a mistyped one, or has replaced it; None if none does."""
    names = list(known)
    renamed = [other for other in names if FORMER_NAMES.get(other) == name]
    return next(iter(renamed or difflib.get_close_matches(name, names, n=1, cutoff=MIN_SIMILARITY)), None)


def nearest_key(key: str, known: Collection[str]) -> str | None:
    """The known key (`section.key`) that most resembles a mistyped one, or replaces it; None if none does.

    A mistyped section is corrected first, and its keys are preferred. Initials (`lr`) stand for the name.
    """
    section, _, name = key.rpartition(".")
    sections = {other.partition(".")[0] for other in known}
    section = section if section in sections else nearest(section, sections)

    def similarity(other: str) -> float:
        other_section, _, other_name = other.partition(".")
        initials = "".join(word[0] for word in other_name.split("_"))
        is_meant = name == FORMER_NAMES.get(other_name) or name == initials != name[:1]
        ratio = 1.0 if is_meant else difflib.SequenceMatcher(None, name, other_name).ratio()
        return ratio + (SAME_SECTION_BONUS if other_section == section else 0.0)

    best = max(known, key=similarity)
    return best if similarity(best) >= MIN_SIMILARITY else None
