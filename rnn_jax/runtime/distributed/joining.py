"""Joining the other processes of a run, before JAX starts."""

import contextlib
import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import jax
from jax._src.distributed import global_state

from rnn_jax.runtime.command import warn
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.processes import CLUSTERS, Processes, cluster, parse_address

HINT_SECONDS = 10
"""Time after which a process that waits for the others prints what may be wrong."""
JOIN_TIMEOUT_SECONDS = 300
JAX_TIMEOUT_SECONDS = JOIN_TIMEOUT_SECONDS + 60
"""JAX aborts the process at its own timeout, so it must come later."""
SHUTDOWN_TIMEOUT_SECONDS = 60
RESOLVE_TIMEOUT_SECONDS = 60
"""For the coordinator's host name: a pod's is known a moment after the pod starts."""
HEARTBEAT_TIMEOUT_SECONDS = 30
"""A process without a heartbeat for this time has died, and the others end."""
POLL_SECONDS = 0.1
_ESTABLISHED = "01"
"""The state of an open connection in /proc/net/tcp, see proc_net_tcp.txt of Linux."""

_WAITING = "waiting for the other processes"
_logger = logging.getLogger(__name__)


def join(processes: Processes) -> None:
    """Join the other processes, if there are any and this one has not joined yet.

    An exception from a signal handler interrupts this function, but its thread keeps waiting (`is_waiting`).
    Raises UserError if the others do not join in time, or the coordinator cannot be reached.
    """
    if processes.is_single or jax.distributed.is_initialized():
        return
    # It would take over SIGTERM, which `StopSignal` handles.
    jax.config.update("jax_enable_preemption_service", False)
    joined: Future[None] = Future()

    def wait() -> None:
        try:
            joined.set_result(_initialize(processes))
        except BaseException as error:
            joined.set_exception(error)

    # JAX waits in C++ and name resolution in C, where no Python signal handler runs.
    threading.Thread(target=wait, name=_WAITING, daemon=True).start()
    began, hint = time.monotonic(), _hint(processes)
    is_hinted = False
    while not joined.done():
        time.sleep(POLL_SECONDS)
        waited = time.monotonic() - began
        if waited > JOIN_TIMEOUT_SECONDS + 1:  # a more precise error of the thread comes first
            raise UserError(f"{_joined(processes)} within {JOIN_TIMEOUT_SECONDS} seconds; {hint}")
        if waited > HINT_SECONDS and not is_hinted:
            is_hinted = True
            warn(f"{_joined(processes)} within {HINT_SECONDS} seconds, still waiting; {hint}")
    joined.result()


def is_waiting() -> bool:
    """Whether a thread still waits for other processes: JAX's exit handlers would then block."""
    return any(thread.name == _WAITING for thread in threading.enumerate())


def _hint(processes: Processes) -> str:
    """What to do if the number of processes is wrong, by where it comes from."""
    alone = "a single process needs --config.runtime.process_count=1"
    if processes.coordinator is not None:
        return f"runtime.process_count = {processes.count} is the number of processes to start; {alone}"
    name = cluster()
    variable = "" if name is None else f" (by {CLUSTERS[name][0]})"
    started = ", or srun --ntasks=1" if name == "Slurm" else ""
    return f"{name or 'the cluster'} has {processes.count} tasks here{variable}; {alone}{started}"


def _joined(processes: Processes) -> str:
    """How many processes have joined: only the coordinator's host has their connections."""
    here, count = f"process {processes.index} of {processes.count}", processes.count
    address = global_state.coordinator_address or processes.coordinator or ""
    port = (parse_address(address) or ("", 0))[1]
    if not processes.is_coordinator or not (connected := _connections(port)):
        return f"{here}: not all {count} processes of this run joined"
    return f"{here}: {min(connected, count)} of {count} processes of this run joined"


def _connections(port: int) -> int:
    """Return the number of connections to a port of this host, one for each process; 0 if it is not known."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with contextlib.suppress(OSError):
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                local, remote, state = line.split()[1:4]
                if int(local.rpartition(":")[2], 16) == port and state == _ESTABLISHED:
                    found.add(remote)
    return len(found)


def _initialize(processes: Processes) -> None:
    coordinator, index, count = processes.coordinator, processes.index, processes.count
    where = "" if coordinator is None else f" at {coordinator}"
    _logger.info("process %d of %d: waiting for the others%s", index, count, where)
    if coordinator is not None:
        _check_coordinator(coordinator, is_coordinator=processes.is_coordinator)
    try:
        jax.distributed.initialize(
            coordinator,  # None: JAX asks the cluster
            num_processes=None if coordinator is None else count,
            process_id=None if coordinator is None else index,
            initialization_timeout=JAX_TIMEOUT_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT_SECONDS,
            shutdown_timeout_seconds=SHUTDOWN_TIMEOUT_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the {count} processes of this run did not join{where} ({reason})") from error


def _check_coordinator(coordinator: str, *, is_coordinator: bool) -> None:
    """Check for what would end the process inside JAX, without an exception in Python."""
    address = parse_address(coordinator)
    assert address is not None  # by the rules of the config
    key = f"runtime.coordinator = {coordinator!r}"
    if is_coordinator:
        _check_port(address[1], key)
    _retry(lambda: socket.getaddrinfo(*address), RESOLVE_TIMEOUT_SECONDS, f"{key}: unknown host")
    if not is_coordinator:
        message = f"{key}: process 0 does not respond"
        _retry(lambda: socket.create_connection(address, 5).close(), JOIN_TIMEOUT_SECONDS, message)


def _check_port(port: int, key: str) -> None:
    """Raise UserError if process 0 cannot bind the port, on all addresses as JAX does."""
    if "JAX_COORDINATOR_BIND_ADDRESS" in os.environ:  # JAX binds that one instead
        return
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    with socket.socket(family) as probe:
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # As JAX does: closed connections of a run that has just ended do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise UserError(f"{key}: cannot bind the port ({error.strerror}); use another one") from error


def _retry(attempt: Callable[[], object], seconds: float, message: str) -> None:
    """Call until it succeeds; after `seconds`, or if it never can, raise UserError."""
    end = time.monotonic() + seconds
    while True:
        try:
            attempt()
            return
        except (OSError, UnicodeError) as error:
            if time.monotonic() > end or isinstance(error, UnicodeError):  # an impossible host name
                raise UserError(f"{message} within {seconds} seconds ({error})") from error
            time.sleep(0.2)
