"""Processes that train one run together: how many there are, and which of them this is.

The config says so, or the cluster does: Slurm (of a step that `srun` started), Open MPI, a TPU slice of
several hosts. The first process leads: it alone writes. Nothing here starts JAX; `devices.build` joins the
processes.
"""

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rnn_jax.runtime.errors import UserError


@dataclass(frozen=True)
class Team:
    """The processes of a run."""

    count: int
    index: int
    """Of this process, from 0."""
    coordinator: str | None = None
    """HOST:PORT at which the first process waits for the others; None: the cluster tells JAX."""

    @property
    def leads(self) -> bool:
        """Whether this process logs and writes."""
        return self.index == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.count == 1


ALONE = Team(1, 0)


@dataclass(frozen=True)
class Cluster:
    """What a cluster says in the environment of each process: JAX asks the same."""

    count: Callable[[Mapping[str, str]], str]
    index: str
    required: tuple[str, ...]


CLUSTERS = {
    # Of a step: the job itself, before `srun`, is one process, however many tasks it may start.
    "Slurm": Cluster(
        lambda said: said["SLURM_STEP_NUM_TASKS"],
        "SLURM_PROCID",
        ("SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_PROCID"),
    ),
    "Open MPI": Cluster(
        lambda said: said["OMPI_COMM_WORLD_SIZE"],
        "OMPI_COMM_WORLD_RANK",
        ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_MCA_orte_hnp_uri"),
    ),
    "a TPU slice": Cluster(
        lambda said: str(len(said["TPU_WORKER_HOSTNAMES"].split(","))),
        "TPU_WORKER_ID",
        ("TPU_WORKER_HOSTNAMES", "TPU_WORKER_ID"),
    ),
}


def team(process_count: int | None, process_index: int | None, coordinator: str | None) -> Team:
    """The processes of a run, by keys of the config section `runtime`, or by what the cluster says.

    Args:
        process_count: how many; None: as the cluster says, and this one alone where it says nothing.
        process_index: which of them this is, from 0; None: as the cluster says.
        coordinator: HOST:PORT at which the first one waits for the others; None: as the cluster says.

    Raises:
        UserError: there are several, and it is not known which one this is, or where they meet.
    """
    if process_count == 1:
        return ALONE
    if process_count is not None and process_index is not None and coordinator is not None:
        return Team(process_count, process_index, coordinator)
    told = _told_by_cluster(os.environ)
    if told is None:
        if process_count is None:
            return ALONE
        raise UserError(
            f"runtime.process_count = {process_count}: no cluster says which one this is "
            "(runtime.process_index=0, 1, ...) and where they meet (runtime.coordinator=HOST:PORT); give both"
        )
    if process_count not in (None, told.count):
        raise UserError(f"runtime.process_count = {process_count}: the cluster has started {told.count}")
    return ALONE if told.count == 1 else told


def place_of(coordinator: str) -> tuple[str, int] | None:
    """Host and port of HOST:PORT; None where it is no such thing. Whether the host is there is not asked."""
    host, _, port = coordinator.rpartition(":")
    host = host.strip("[]")  # those of an IPv6 address
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        return None
    if re.fullmatch("[0-9.]+", host):
        try:
            socket.inet_aton(host)
        except OSError:
            return None
    return host, int(port)


def _told_by_cluster(said: Mapping[str, str]) -> Team | None:
    for cluster in CLUSTERS.values():
        if all(name in said for name in cluster.required):
            try:
                return Team(int(cluster.count(said)), int(said[cluster.index]))
            except ValueError:
                continue
    return None
