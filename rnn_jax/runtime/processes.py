"""The processes that train one run together: their number, and the index of this one.

The config gives them, or the cluster does: Slurm (for a step started by `srun`), Open MPI, a TPU slice of
several hosts. Process 0 is the coordinator, the only one that writes. Nothing here starts JAX.
"""

import contextlib
import os
import re
import socket
from dataclasses import dataclass

from rnn_jax.runtime.errors import UserError


@dataclass(frozen=True)
class Processes:
    """The processes of a run, and which of them this is."""

    count: int = 1
    index: int = 0
    coordinator: str | None = None
    """HOST:PORT of the coordinator service, which process 0 runs; None: JAX asks the cluster."""

    @property
    def is_coordinator(self) -> bool:
        """Whether this process logs and writes."""
        return self.index == 0

    @property
    def is_single(self) -> bool:
        """Whether it is the only one."""
        return self.count == 1


CLUSTERS = {
    # Of a step: before `srun` a job is one process, however many tasks it may start.
    "Slurm": ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_STEP_NODELIST"),
    "Open MPI": ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_MCA_orte_hnp_uri"),
    "a TPU slice": ("TPU_WORKER_HOSTNAMES", "TPU_WORKER_ID"),
}
"""Environment variables by which a cluster describes its processes, the same that JAX reads.

The first has the number of processes, or the list of their hosts; the second has the index of this one.
"""


def cluster() -> str | None:
    """Return the name in `CLUSTERS` of the cluster that has started this process; None without one."""
    return next((name for name, names in CLUSTERS.items() if all(each in os.environ for each in names)), None)


def processes_of(
    process_count: int | None = None, process_index: int | None = None, coordinator: str | None = None
) -> Processes:
    """Return the processes of a run, from keys of the config section `runtime` or from the cluster.

    A key that is None is the cluster's; without a cluster, the number of processes is 1. Raises UserError if
    there are several, and the index of this one or the coordinator is unknown.
    """
    if process_count == 1:
        return Processes()
    if process_count is not None and process_index is not None and coordinator is not None:
        return Processes(process_count, process_index, coordinator)
    found = None
    if (name := cluster()) is not None:
        count, index = (os.environ[variable] for variable in CLUSTERS[name][:2])
        with contextlib.suppress(ValueError):
            has_hosts = CLUSTERS[name][0].endswith("HOSTNAMES")
            found = Processes(len(count.split(",")) if has_hosts else int(count), int(index))
    if found is None:
        if process_count is None:
            return Processes()
        raise UserError(
            f"runtime.process_count = {process_count}: no cluster gives the index of this process "
            "(runtime.process_index=0, 1, ...) and the coordinator (runtime.coordinator=HOST:PORT); give both"
        )
    if process_count not in (None, found.count):
        raise UserError(f"runtime.process_count = {process_count}: the cluster has started {found.count}")
    return Processes() if found.is_single else found


def parse_address(coordinator: str) -> tuple[str, int] | None:
    """Return host and port of HOST:PORT, or None if it is malformed. The host need not exist."""
    host, _, port = coordinator.rpartition(":")
    host = host.strip("[]")  # of an IPv6 address
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        return None
    if re.fullmatch("[0-9.]+", host):
        try:
            socket.inet_aton(host)
        except OSError:
            return None
    return host, int(port)
