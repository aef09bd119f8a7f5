"""Joining the other processes of a run, before JAX starts."""

import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import jax

from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.processes import Processes, parse_address

JOIN_TIMEOUT_SECONDS = 300
SHUTDOWN_TIMEOUT_SECONDS = 60
RESOLVE_TIMEOUT_SECONDS = 60
"""For the coordinator's host name: a pod's is known a moment after the pod starts."""
HEARTBEAT_TIMEOUT_SECONDS = 30
"""A process without a heartbeat for this time has died, and the others end."""
POLL_SECONDS = 0.1

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
    while not joined.done():
        time.sleep(POLL_SECONDS)
    joined.result()


def is_waiting() -> bool:
    """Whether a thread still waits for other processes: JAX's exit handlers would then block."""
    return any(thread.name == _WAITING for thread in threading.enumerate())


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
            initialization_timeout=JOIN_TIMEOUT_SECONDS,
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
