"""The figure that a sweep decides by."""

from rnn_jax.runtime.errors import UserError
from rnn_jax.training.build import Job


def deciding_by(figure: str | None, job: Job) -> Job:
    """The job, with the validation figure that a sweep names as its objective; None: the task's own.

    Raises:
        UserError: validation never has such a figure.
    """
    figures = job.task.metrics
    if figure is None or figure == job.task.objective[0]:
        return job
    if figure not in figures:
        raise UserError(
            f"objective = {figure!r}: validation has no such figure; there are {', '.join(figures)}"
        )
    direction = "max" if figure.endswith("accuracy") else "min"
    return job._replace(task=job.task._replace(objective=(figure, direction)))
