"""Devices: what they are is asked here alone. One CPU core, many cores or many accelerators are one mesh.

Nothing that the user has set in the environment is overridden.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from rnn_jax.runtime.allocator import keep_freed_memory
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.processes import Team
from rnn_jax.runtime.processes import team as find_team

DATA = "data"
"""The mesh's axis over which the rows of a batch are spread."""

MEMBERS = "members"
"""The mesh's axis over which the members of a population are spread."""

ROWS_OF_A_CORE = 64
STEPS_THAT_PAY = 2_000
"""Rows times time steps of a batch."""
MOST_OF_A_CPU = 256
"""Devices that a CPU is split into: a million would take hours to start."""


class Devices(NamedTuple):
    """Where a run computes, and how exactly."""

    mesh: Mesh
    matmul_precision: str
    allow_device_change: bool

    team: Team
    """The processes that share the devices."""

    @property
    def number(self) -> int:
        """How many, of all processes."""
        return self.mesh.size

    @property
    def take_turns(self) -> bool:
        """Whether a step must be done before the next one is called.

        Several CPU devices share few threads. Many steps under way at once fill them with devices that wait:
        for their turn, or in a sum for another device that finds no thread left, and so for ever.
        """
        return self.number > 1 and self.mesh.devices.flat[0].platform == "cpu"

    def __str__(self) -> str:
        among = "" if self.team.alone else f" in {self.team.count} processes"
        return f"{self.number} × {_kind(self.mesh.devices.flat[0])}{among}"


def build(
    paying: int,
    *,
    devices: int | None,
    matmul_precision: str,
    allow_device_change: bool,
    process_count: int | None = None,
    process_index: int | None = None,
    coordinator: str | None = None,
) -> Devices:
    """Starts JAX on so many devices (the config section `runtime`), of processes that have joined.

    Args:
        paying: how many CPU cores of each process are worth it, see `paying_cores`; of accelerators all are.
        devices: how many, of all processes; None: every accelerator, or as many CPU cores as pay.
        matmul_precision: of float32 matrix products: 'float32', 'tensorfloat32' or 'bfloat16'.
        allow_device_change: whether a run may go on with another count than it began with.
        process_count, process_index, coordinator: see `processes.team`.

    Raises:
        UserError: there are fewer devices than that; JAX cannot start on the platform that was asked for;
            or it is not known which process this is.
    """
    _quieten()
    keep_freed_memory()
    team = find_team(process_count, process_index, coordinator)
    if devices is not None and devices % team.count:
        raise UserError(f"runtime.devices = {devices}: must be a multiple of the {team.count} processes")
    each = paying if devices is None else devices // team.count
    _split_cpu(min(each, MOST_OF_A_CPU))
    try:
        available = jax.devices()
    except RuntimeError as error:
        platforms = os.environ.get("JAX_PLATFORMS") or _setting("jax_platforms")
        raise UserError(f"JAX_PLATFORMS={platforms}: {str(error).splitlines()[0]}") from error
    by_process = _by_process(available)
    least = min(map(len, by_process))  # what all of them have: machines may differ
    if devices is None:
        each = min(each, least) if available[0].platform == "cpu" else least
    elif each > least:
        of_whom = "this process has" if team.alone else f"of {team.count} processes one has"
        raise UserError(
            f"runtime.devices = {devices}: {of_whom} {least} ({available[0].platform}); "
            "ask for fewer, or None for the default" + _why_not_split()
        )
    mesh = Mesh(np.array([device for own in by_process for device in own[:each]]), (DATA,))
    return Devices(mesh, matmul_precision, allow_device_change, team)


def alone(runtime: Mapping[str, Any]) -> dict[str, Any]:
    """The config section `runtime` for what is never done by several processes together."""
    return {**runtime, "process_count": 1, "process_index": None, "coordinator": None}


def _by_process(available: Sequence[Any]) -> list[list[Any]]:
    """The devices of each process, by its number."""
    found: dict[int, list[Any]] = {}
    for device in sorted(available, key=lambda device: (device.process_index, device.id)):
        found.setdefault(device.process_index, []).append(device)
    return list(found.values())


def paying_cores(rows: int, time_steps: int, cores: int | None = None) -> int:
    """Over how many CPU cores a batch of that size is best spread.

    Measured by experiments/speed: each core wants 64 rows, where the products of a step in time are still
    efficient, and enough steps to outweigh what is done once a batch on every core, the update and the sum of
    the gradients. So it pays for many rows or many steps, and not for the short batches of language models.
    """
    if rows * time_steps < STEPS_THAT_PAY:
        return 1
    return max(1, min(available_cores() if cores is None else cores, rows // ROWS_OF_A_CORE))


def available_cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def kind() -> str:
    """What the devices of this process are called: `CPU`, `NVIDIA H100 80GB HBM3`."""
    return _kind(jax.local_devices()[0])


def free_memory(devices: Devices) -> int | None:
    """Bytes that are free on all devices together; None where that is not known."""
    found = [device.memory_stats() for device in devices.mesh.devices.flat]
    if all(stats and "bytes_limit" in stats for stats in found):
        return sum(stats["bytes_limit"] - stats.get("bytes_in_use", 0) for stats in found if stats)
    meminfo = Path("/proc/meminfo")
    if devices.mesh.devices.flat[0].platform != "cpu" or not meminfo.exists():
        return None
    lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
    return min([1024 * int(lines["MemAvailable"].split()[0]), *_allowed_in_container()])


def _kind(device: Any) -> str:
    return "CPU" if device.platform == "cpu" else device.device_kind


def _allowed_in_container() -> list[int]:
    """Bytes that a container may use, if this process is in one with a limit."""
    try:
        return [int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))]
    except (OSError, ValueError):  # no control groups, or no limit: "max"
        return []


def _split_cpu(devices: int) -> None:
    """Makes so many devices of the CPU, unless the user has said how many or JAX has started already."""
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    if "JAX_NUM_CPU_DEVICES" in os.environ or _setting("jax_num_cpu_devices") > 0:
        return
    try:
        jax.config.update("jax_num_cpu_devices", devices)
    except RuntimeError:  # JAX has started: `build` says how many devices there are
        return


def _setting(name: str) -> Any:
    return getattr(jax.config, name)


def _why_not_split() -> str:
    if jax.devices()[0].platform != "cpu":
        return ""
    return " (a CPU is split before JAX starts, by runtime.devices, JAX_NUM_CPU_DEVICES or XLA_FLAGS)"


class _AbsentPlatforms(logging.Filter):
    """Drops what JAX says of platforms that are installed but not there, such as a TPU."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "Unable to initialize backend" not in record.getMessage()


def _quieten() -> None:
    logger = logging.getLogger("jax._src.xla_bridge")
    if not any(isinstance(known, _AbsentPlatforms) for known in logger.filters):
        logger.addFilter(_AbsentPlatforms())
