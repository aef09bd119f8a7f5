"""The jobs of a sweep: one per program."""

from collections.abc import Sequence

from rnn_jax.config.objective import Objective
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping.members import Member
from rnn_jax.training.build import Job, build


def build_jobs(groups: Sequence[Sequence[Member]]) -> list[Job]:
    """Build the job of each program from the config of its first member; equal data are read once."""
    jobs, data = list[Job](), dict[str, Dataset]()
    for config in (group[0].config for group in groups):
        dataset = config.dataset.model_dump_json()
        jobs.append(build(config, data.get(dataset)))
        data[dataset] = jobs[-1].data
    return jobs


def with_objective(job: Job, metric: str | None) -> Job:
    """Return the job with one of its task's metrics as the objective; None keeps the task's own."""
    task = job.task
    if metric is None or metric == task.objective.metric:
        return job
    if metric not in task.metrics:
        raise UserError(
            f"objective = {metric!r}: validation has no such metric; it has {', '.join(task.metrics)}"
        )
    return job._replace(task=task._replace(objective=Objective.of(metric, task.metrics[metric])))
