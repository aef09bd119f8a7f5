"""What a population is trained by besides its program, where its members are, and what comes of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnn_jax.checkpoints.retention import Keeper
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.console import Console
from rnn_jax.training.population.population import Members
from rnn_jax.training.population.status import Fate, Halving


class Before(NamedTuple):
    """What came before a population, in the same sweep."""

    updates: int
    best: float | None
    """The objective of the best member so far."""


class Course(NamedTuple):
    """What a population is trained by besides its program."""

    members: Members
    folders: Sequence[RunFolder]
    """Each member's run folder, which exists."""
    checkpoints: Path
    """The folder of the checkpoints of all members together."""
    keeper: Keeper
    halving: Halving
    log_every_steps: int
    allow_device_change: bool
    console: Console
    """Whose progress bar counts the updates of a whole sweep."""
    before: Before


class Places(NamedTuple):
    """Where the running members are."""

    numbers: np.ndarray
    """[places], which member is there; where none is active, any."""
    active: np.ndarray
    """[devices], how many of a device's places, from its first on, hold a running member."""

    def running(self) -> dict[int, int]:
        """The running members' places by their numbers."""
        each = len(self.numbers) // len(self.active)
        places = [device * each + place for device, count in enumerate(self.active) for place in range(count)]
        return {int(self.numbers[place]): place for place in places}


class Trained(NamedTuple):
    """What came of a population."""

    fates: list[Fate]
    """Of every member; 'running' where a signal asked to stop."""
    seconds: float
    """Spent on it, over all resumptions."""
