"""The sections of a config: the type, range and description of each key. `configs/base.py` has defaults."""

from rnn_jax.config.sections.dataset import Dataset
from rnn_jax.config.sections.model import Model
from rnn_jax.config.sections.task import Task
from rnn_jax.config.sections.training import Checkpoint, Log, Optimizer, Runtime, Train

__all__ = ["Checkpoint", "Dataset", "Log", "Model", "Optimizer", "Runtime", "Task", "Train"]
