"""Decisions that the processes of one run make together, between two steps.

The steps of all processes wait for one another, so all must make the same steps. An event in one process,
a signal or a checkpoint that is due by the clock, must reach all before the same step.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.distributed.placement import REPLICATED, SHARDED, fetch, put, shardings
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import writing

VISIBLE_SECONDS = 5
"""The time within which a file written by one host must be visible to the others."""

Restored = tuple[Any, Any, Sequence[str]]
"""A state, its progress, and a warning for each invalid checkpoint that was skipped."""


class Synchronizer:
    """Collective operations: all processes must call the same methods in the same order."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.is_single = devices.processes.is_single
        self.is_coordinator = devices.processes.is_coordinator  # the one that writes
        self._pending: jax.Array | None = None
        self._maximum = jax.jit(jnp.max, out_shardings=shardings(devices.mesh, REPLICATED))

    def maximum(self, value: int) -> int:
        """Return the largest value of all processes, an int32."""
        return value if self.is_single else int(fetch(self._dispatch(value)))

    def delayed_maximum(self, value: int) -> int:
        """Return the maximum of the previous call, 0 at the first, so that the devices are kept busy.

        Waiting for this call's would let the devices idle until the next step is dispatched. On devices that
        block each step, it is this call's.
        """
        if self.is_single or self._devices.blocks_each_step:
            return self.maximum(value)
        previous, self._pending = self._pending, self._dispatch(value)
        return 0 if previous is None else int(fetch(previous))

    def _dispatch(self, value: int) -> jax.Array:
        mesh = self._devices.mesh
        return self._maximum(put(np.full(mesh.size, value, np.int32), shardings(mesh, SHARDED)))

    def broadcast(self, value: int) -> int:
        """Return the coordinator's value, which must not be negative."""
        return self.maximum(value if self.is_coordinator else 0)

    def require_equal(self, value: int, what: str) -> None:
        """Raise UserError in all processes, after they have disconnected, if their values differ."""
        if self.maximum(value) != -self.maximum(-value):
            jax.distributed.shutdown()  # otherwise JAX aborts the processes that end after the first one
            raise UserError(f"the processes of this run do not have the same {what}")

    def require_shared_folder(self, folder: Path) -> None:
        """Raise UserError in all processes if one does not see the coordinator's folder.

        `folder` is the run folder, by this process's path. The coordinator creates a temporary file with a
        random name there.
        """
        if self.is_single:
            return
        own = secrets.randbelow(2**31)
        # If this process is killed meanwhile, the next one removes it: see `files.remove_unfinished`.
        marker = folder / f".{own}-shared.json"
        try:
            if self.is_coordinator:
                with writing(marker):
                    marker.touch()
            number = self.broadcast(own)
            shared, end = folder / f".{number}-shared.json", time.monotonic() + VISIBLE_SECONDS
            while not (is_visible := shared.exists()) and time.monotonic() < end:
                time.sleep(0.1)
            self.require_equal(int(is_visible), "run folder: they need a shared one")
        finally:
            if self.is_coordinator:
                marker.unlink(missing_ok=True)

    def restore_same(self, restore: Callable[[int | None], Restored]) -> Restored:
        """Restore a checkpoint in the coordinator, and the same one in the other processes.

        `restore` takes its step (0: the initial state), or None to choose it.
        """
        found = restore(None) if self.is_coordinator else None
        step = self.broadcast(0 if found is None else int(found[0].step))
        return restore(step) if found is None else found

    def barrier(self, name: str) -> None:
        """Wait until all processes have called this."""
        if not self.is_single:
            multihost_utils.sync_global_devices(name)
