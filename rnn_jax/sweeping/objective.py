"""The objective of a sweep."""

from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import UserError
from rnn_jax.training.build import Job


def with_objective(job: Job, metric: str | None) -> Job:
    """Return the job with one of its task's metrics as the objective; None keeps the task's own.

    Raises:
        UserError: the task has no such metric.
    """
    task = job.task
    if metric is None or metric == task.objective.metric:
        return job
    if metric not in task.metrics:
        raise UserError(
            f"objective = {metric!r}: validation has no such metric; there are {', '.join(task.metrics)}"
        )
    return job._replace(task=task._replace(objective=Objective.of(metric, task.metrics[metric])))
