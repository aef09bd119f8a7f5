"""What runs are about, a task on some data: by which figure they are compared, and with which others."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rnn_jax.reporting.pages.reading import Run

Subject = tuple[str, str]
"""A task and the name of its data; '' for what a run does not say. Figures of two subjects do not compare."""
Objective = tuple[str, str]
"""A validation figure and its better direction, 'max' or 'min'."""

DECIDING = ("accuracy", "perplexity", "bits_per_character", "bits_per_byte", "loss")
"""Figures that decide, the first one that there is."""
DECIDED_BY_LOSS = ("copying", "adding", "sequence_regression")
"""Tasks that are decided by the loss, whichever other figures they have."""
SQUARED_ERROR = ("adding", "sequence_regression")
"""Tasks whose loss is the mean squared error; that of all others is the cross-entropy, in nats."""


def of_runs(runs: Sequence[Run]) -> list[Subject]:
    """The subject of each run.

    A member of a sweep of which nothing but its figures is left is taken to be of the one subject that the
    others have, if there is one.
    """
    known = [_said_by(run) for run in runs]
    whole = {subject for subject in known if "" not in subject}
    if len(whole) != 1:
        return known
    (only,) = whole
    return [
        only if all(own in ("", said) for own, said in zip(subject, only, strict=True)) else subject
        for subject in known
    ]


def _said_by(run: Run) -> Subject:
    data = run.summary.get("dataset")
    name = data.get("name") if isinstance(data, dict) else None
    return str(run.config.get("task.name") or ""), str(name or run.config.get("dataset.name") or "")


def objectives(
    runs: Sequence[Run], subjects: Sequence[Subject], said: Sequence[str]
) -> dict[Subject, Objective]:
    """By which figure the runs of each subject are compared, in the order in which the subjects come."""
    found = {}
    for subject in dict.fromkeys(subjects):
        own = [run for run, of in zip(runs, subjects, strict=True) if of == subject]
        found[subject] = objective_of(own, said)
    return found


def objective_of(runs: Sequence[Run], said: Sequence[str]) -> Objective:
    """The figure that decides: what a sweep says, or else what most runs' task is decided by."""
    names = Counter(name for run in runs for name in run.figures["validation"])
    tasks = Counter(run.config.get("task.name") for run in runs).most_common(1)
    by_loss = bool(tasks) and tasks[0][0] in DECIDED_BY_LOSS
    wanted = [*said, *(["loss"] if by_loss else []), *DECIDING]
    # What half of the runs do not have says little of all of them.
    usual = [name for name in wanted if 2 * names[name] >= max(names.values(), default=0)]
    chosen = next((name for name in usual if names[name]), DECIDING[0])
    return chosen, "max" if chosen.endswith("accuracy") else "min"


def units(subjects: Mapping[Subject, Objective]) -> dict[str, str]:
    """The unit of a figure, by its name, where it has one that is the same for all."""
    in_nats = all(task and task not in SQUARED_ERROR for task, _ in subjects)
    return {"loss": "nats"} if subjects and in_nats else {}
