"""Devices: one or more CPU cores or accelerators, always as one mesh. Only this module queries the hardware.

Environment variables set by the user are never overridden.
"""

import contextlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from rnn_jax.runtime.allocator import keep_freed_memory
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.processes import Processes, processes_of

DATA = "data"
"""The mesh axis that the rows of a batch are sharded over."""
MEMBERS = "members"
"""The mesh axis that the members of a population are sharded over."""

MIN_ROWS_PER_CORE = 64
MIN_BATCH_STEPS = 2_000
"""Rows times time steps of a batch from which several cores are faster than one."""
MAX_CPU_DEVICES = 256
"""The most devices a CPU is split into: JAX would take hours to start a million."""
# JAX logs platforms that are installed but not present, such as a TPU.
_LOGGER = logging.getLogger("jax._src.xla_bridge")
_LOGGER.addFilter(lambda record: "Unable to initialize backend" not in record.getMessage())


class Devices(NamedTuple):
    """The devices of a run, and the precision it computes with."""

    mesh: Mesh
    matmul_precision: str
    allow_device_change: bool
    processes: Processes

    @property
    def device_count(self) -> int:
        """The number of devices, of all processes."""
        return self.mesh.size

    @property
    def blocks_each_step(self) -> bool:
        """Whether a step must finish before the next one is dispatched.

        CPU devices share a few threads. With many steps in flight, all threads may end up with devices that
        wait, in an all-reduce, for a device that finds no thread left: a deadlock.
        """
        return self.device_count > 1 and self.mesh.devices.flat[0].platform == "cpu"

    def __str__(self) -> str:
        among = "" if self.processes.is_single else f" in {self.processes.count} processes"
        return f"{self.device_count} × {_kind(self.mesh.devices.flat[0])}{among}"


def build_devices(
    cores: int, *, devices: int | None, matmul_precision: str, allow_device_change: bool, **process_keys: Any
) -> Devices:
    """Start JAX and return the mesh of devices, of all processes if several have joined.

    The keywords are the config section `runtime`. Without `devices`, the mesh has every accelerator, or
    `cores` CPU cores of each process, see `worthwhile_cores`. Raises UserError if there are fewer devices,
    JAX cannot start on the platform of JAX_PLATFORMS, or the processes are not known.
    """
    keep_freed_memory()
    processes = processes_of(**process_keys)
    if devices is not None and devices % processes.count:
        raise UserError(f"runtime.devices = {devices}: must be a multiple of the {processes.count} processes")
    each = cores if devices is None else devices // processes.count
    _split_cpu(min(each, MAX_CPU_DEVICES))
    available = _start_jax()
    by_process: dict[int, list[Any]] = {}
    for device in sorted(available, key=lambda device: (device.process_index, device.id)):
        by_process.setdefault(device.process_index, []).append(device)
    fewest = min(map(len, by_process.values()))  # hosts may differ
    on_cpu = available[0].platform == "cpu"
    if devices is None:
        each = min(each, fewest) if on_cpu else fewest
    elif each > fewest:
        owner = "this process has" if processes.is_single else f"of {processes.count} processes one has"
        how = " (a CPU is split before JAX starts, by runtime.devices, JAX_NUM_CPU_DEVICES or XLA_FLAGS)"
        raise UserError(
            f"runtime.devices = {devices}: {owner} {fewest} ({available[0].platform}); "
            f"ask for fewer, or None for the default{how if on_cpu else ''}"
        )
    mesh = Mesh(np.array([device for own in by_process.values() for device in own[:each]]), (DATA,))
    return Devices(mesh, matmul_precision, allow_device_change, processes)


def platform() -> str:
    """Return the platform that JAX computes on by default: `cpu`, `gpu`, `tpu`; raise UserError if none."""
    return _start_jax()[0].platform


def _start_jax() -> list[Any]:
    try:
        return jax.devices()
    except (RuntimeError, AssertionError) as error:  # an assertion: `cuda` without JAX's plug-in for CUDA
        platforms = os.environ.get("JAX_PLATFORMS") or _jax_option("jax_platforms")
        reason = str(error).partition("\n")[0].partition(" (set JAX_PLATFORMS=")[0]
        found = f" ({reason})" if reason else ", or JAX is installed without it (the extra `cuda` has it)"
        raise UserError(
            f"JAX_PLATFORMS={platforms}: there is no such device here{found}\n"
            "JAX_PLATFORMS=cpu computes on the CPU; without the variable JAX uses what it finds"
        ) from error


def single_process(runtime: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config section `runtime` for work that one process does alone."""
    return {**runtime, "process_count": 1}


def worthwhile_cores(rows: int, time_steps: int, cores: int | None = None) -> int:
    """Return the number of CPU cores that speed up a batch of that size.

    Measured by experiments/speed: each core needs 64 rows, where the matrix products of a time step are still
    efficient, and enough time steps to outweigh what every core does once a batch, the update and the sum of
    the gradients. Many rows or many steps benefit; the short batches of language models do not.
    """
    if rows * time_steps < MIN_BATCH_STEPS:
        return 1
    return max(1, min(available_cores() if cores is None else cores, rows // MIN_ROWS_PER_CORE))


def available_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_kind() -> str:
    """Return the model name of this process's devices: `CPU`, `NVIDIA H100 80GB HBM3`."""
    return _kind(jax.local_devices()[0])


def free_memory(devices: Devices) -> int | None:
    """Return the free memory of all devices together in bytes; None where it is unknown."""
    found = [device.memory_stats() for device in devices.mesh.devices.flat]
    if all(stats and "bytes_limit" in stats for stats in found):
        return sum(stats["bytes_limit"] - stats.get("bytes_in_use", 0) for stats in found if stats)
    meminfo = Path("/proc/meminfo")
    if devices.mesh.devices.flat[0].platform != "cpu" or not meminfo.exists():
        return None
    lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
    available = 1024 * int(lines["MemAvailable"].split()[0])
    try:
        return min(available, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # not in a container, or one without a limit: "max"
        return available


def _kind(device: Any) -> str:
    return "CPU" if device.platform == "cpu" else device.device_kind


def _split_cpu(devices: int) -> None:
    """Split the CPU into devices, unless the user has set their number or JAX has started already."""
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    if "JAX_NUM_CPU_DEVICES" in os.environ or _jax_option("jax_num_cpu_devices") > 0:
        return
    with contextlib.suppress(RuntimeError):  # JAX has started: `build_devices` reports the number of devices
        jax.config.update("jax_num_cpu_devices", devices)


def _jax_option(name: str) -> Any:
    return getattr(jax.config, name)
