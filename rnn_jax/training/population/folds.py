"""The models of the folds of a cross-validation as one population.

Unlike the members of a sweep, they have different examples. The arrays of all folds are on every device, one
fold after another, with features standardized by the statistics of the fold; the indices of a member's batch
lead to the examples of its fold.
"""

import math
from collections.abc import Sequence

import numpy as np

from rnn_jax.catalogue import TASKS
from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.datasets.dataset import Arrays, Dataset
from rnn_jax.tasks import build_task
from rnn_jax.training.build import Job
from rnn_jax.training.population.steps import Members

SPLITS = ("train", "validation")


def join(jobs: Sequence[Job], config: Config) -> tuple[Job, Members] | None:
    """Return the job and the members of a population with the model of each fold.

    `config` is that of a fold, and `jobs` are those of all folds. None: the models must be trained one after
    another, because the shapes of their batches differ, or the loss or the targets are scaled by the fold.
    """
    first, count, seed = jobs[0], len(jobs), config.train.seed
    if not _is_joinable(jobs, config):
        return None
    sections, hyper = split_hyper(config)
    spec, splits = first.data.spec, first.data.splits
    if "means" in spec:  # `_standardized` has applied them
        size = spec["features"]
        spec = {**spec, "means": [0.0] * size, "deviations": [1.0] * size}
    task = build_task(spec, splits, first.data.batch_size, **sections["task"])
    parts = {split: [_standardized(job.data, split) for job in jobs] for split in SPLITS}
    arrays = {
        split: {name: np.concatenate([each[name] for each in own]) for name in own[0]}
        for split, own in parts.items()
    }

    def select(split: str, member: int, step: int) -> np.ndarray:
        found = jobs[member].task.select(split, seed, step)
        before = parts[split][:member]
        offsets = np.full(found.shape, sum(len(each["targets"]) for each in before), np.int32)
        if found.ndim == 2:  # an example number, and then places in `steps`
            offsets[:, 1:] = sum(len(each["steps"]) for each in before)
        return np.where(found < 0, found, found + offsets)

    values = {name: np.full(count, value, np.float32) for name, value in hyper.items()}
    return first._replace(task=task), Members(values, np.full(count, seed), select, arrays)


def _is_joinable(jobs: Sequence[Job], config: Config) -> bool:
    first = jobs[0]
    shapes = {
        (split, job.task.select(split, 0, step).shape)
        for job in jobs
        for split in SPLITS
        for step in range(math.ceil(job.task.batches[split]))
    }
    return (
        TASKS[config.task.name].origin is None  # others may select something else than examples and places
        and "classes" in first.data.spec
        and config.task.class_weights != "balanced"
        and config.train.divergence != "restore"
        and config.log.batch_accuracy_every_steps is None
        and not first.task.reads_on_host
        and len(shapes) == len(SPLITS)
        and all(job.data.version == first.data.version for job in jobs)  # of texts, the vocabularies differ
    )


def _standardized(data: Dataset, split: str) -> Arrays:
    arrays = data.splits[split]
    if "means" not in data.spec:
        return arrays
    means, deviations = (np.array(data.spec[name], np.float32) for name in ("means", "deviations"))
    return {**arrays, "steps": (arrays["steps"] - means) / deviations}
