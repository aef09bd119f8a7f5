"""The jobs of a sweep: one a program."""

from collections.abc import Sequence

from rnn_jax.sweeping.members import Member
from rnn_jax.training.build import Job, build


def of_groups(groups: Sequence[Sequence[Member]]) -> list[Job]:
    """The job of each program, built by its first member's config; the same data are read once.

    Args:
        groups: the members of each program.

    Raises:
        UserError: one of them cannot be trained.
    """
    jobs: list[Job] = []
    for number, group in enumerate(groups):
        config = group[0].config
        before = zip(jobs, groups[:number], strict=True)
        data = next((job.data for job, other in before if other[0].config.dataset == config.dataset), None)
        jobs.append(build(config, data))
    return jobs
