"""What runs are about, a task on some data: by which figure they are compared, and with which others."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.pages.reading import Run

Subject = tuple[str, str]
"""A task and the name of its data; '' for what a run does not say. Figures of two subjects do not compare."""

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


def objectives(runs: Sequence[Run], subjects: Sequence[Subject]) -> dict[Subject, Objective]:
    """The objective of the runs of each subject, in the order in which the subjects come."""
    found = {}
    for subject in dict.fromkeys(subjects):
        found[subject] = objective_of([run for run, of in zip(runs, subjects, strict=True) if of == subject])
    return found


def objective_of(runs: Sequence[Run]) -> Objective:
    """The objective that most runs have recorded; where none has one, the loss, which training minimizes."""
    recorded = Counter(run.objective for run in runs if run.objective is not None)
    return recorded.most_common(1)[0][0] if recorded else Objective.of("loss", "min")


def units(subjects: Mapping[Subject, Objective]) -> dict[str, str]:
    """The unit of a figure, by its name, where it has one that is the same for all."""
    in_nats = all(task and task not in SQUARED_ERROR for task, _ in subjects)
    return {"loss": "nats"} if subjects and in_nats else {}
