"""What several processes of one run decide alike, between two steps.

Their steps wait for one another, so all of them make the same ones; what only one of them knows, that a
signal came, or that a clock asks for a checkpoint, must reach all before the same step.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.distributed import placement
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import writing
from rnn_jax.training.progress import Progress
from rnn_jax.training.state import ROWS, WHOLE, State

SEEN_IN_SECONDS = 5
"""So long a file that one machine wrote may take to be seen by another."""

Restored = tuple[State, Progress, list[str]]
"""As of `checkpoint.restore`."""


class Agreement:
    """Every method is to be called by all processes, the same ones in the same order."""

    def __init__(self, where: Devices) -> None:
        self._where = where
        self._under_way: jax.Array | None = None
        self._largest: Callable[[jax.Array], jax.Array] = jax.jit(
            jnp.max, out_shardings=placement.shardings(where.mesh, WHOLE)
        )

    @property
    def alone(self) -> bool:
        """Whether there is nobody to agree with."""
        return self._where.team.alone

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self._where.team.leads

    def largest(self, number: int) -> int:
        """The largest of the numbers that the processes give."""
        return number if self.alone else int(placement.fetch(self._ask(number)))

    def soon(self, number: int) -> int:
        """The same, of this call or of the one before it, 0 before the first: the devices are kept at work.

        To wait for what they do now would make them wait for what they are to do next.
        """
        if self.alone or self._where.take_turns:
            return self.largest(number)
        before, self._under_way = self._under_way, self._ask(number)
        return 0 if before is None else int(placement.fetch(before))

    def _ask(self, number: int) -> jax.Array:
        everywhere = np.full(self._where.number, number, np.int32)
        return self._largest(placement.put(everywhere, placement.shardings(self._where.mesh, ROWS)))

    def as_the_first(self, number: int) -> int:
        """The number that the process gives which writes; none is negative."""
        return self.largest(number if self.leads else 0)

    def same(self, number: int, what: str) -> None:
        """Raises UserError in all processes where they do not give the same number; they have parted then."""
        if self.largest(number) != -self.largest(-number):
            jax.distributed.shutdown()  # otherwise JAX aborts those that end after the first one
            raise UserError(f"the processes of this run do not see the same {what}")

    def share(self, folder: Path) -> None:
        """Raises UserError in all processes where one does not see the folder of the one that writes.

        That one leaves a file there for a moment, of a name that no file system can have known before.

        Args:
            folder: the run folder, as this process would find it.
        """
        if self.alone:
            return
        own = secrets.randbelow(2**31)
        # Should this process be killed meanwhile, the next one removes it: see `files.remove_unfinished`.
        mark = folder / f".{own}-shared.json"
        try:
            if self.leads:
                with writing(mark):
                    mark.touch()
            number = self.as_the_first(own)
            is_seen = _comes(folder / f".{number}-shared.json")
            self.same(int(is_seen), "run folder: they need a folder that all of them share")
        finally:
            if self.leads:
                mark.unlink(missing_ok=True)

    def as_the_first_restores(self, restore: Callable[[int | None], Restored]) -> Restored:
        """What the process restores that writes; the others restore the same checkpoint.

        Args:
            restore: restores, of any checkpoint (None), or of that of a step: 0 for the beginning.
        """
        found = restore(None) if self.leads else None
        step = self.as_the_first(0 if found is None else int(found[0].step))
        return restore(step) if found is None else found

    def wait(self, what: str) -> None:
        """Waits until all processes are here."""
        if not self.alone:
            multihost_utils.sync_global_devices(what)


def _comes(file: Path) -> bool:
    """Whether a file is there, or comes soon."""
    end = time.monotonic() + SEEN_IN_SECONDS
    while not (is_there := file.exists()) and time.monotonic() < end:
        time.sleep(0.1)
    return is_there
