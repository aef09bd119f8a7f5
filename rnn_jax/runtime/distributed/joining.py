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
from rnn_jax.runtime.processes import Team, place_of

JOINED_IN_SECONDS = 300
"""So long processes wait for one another at the beginning."""
LEFT_IN_SECONDS = 60
"""And at the end."""
NAMED_IN_SECONDS = 60
"""So long they wait for the name of the first one: that of a pod is known a moment after the pod starts."""
MISSED_AFTER_SECONDS = 30
"""A process that was not heard of for so long has died, and the others end."""
LOOKS_EVERY_SECONDS = 0.1

_WAITING = "waiting for the other processes"
_logger = logging.getLogger(__name__)


def join(team: Team) -> None:
    """Joins the other processes; nothing, where there is none, or they are joined.

    What a signal raises here is raised at once, and leaves a thread behind that waits on (`is_waiting`).

    Raises:
        UserError: they do not come, or cannot meet there.
    """
    if team.alone or jax.distributed.is_initialized():
        return
    # It would take SIGTERM from Python: what a signal asks for is agreed upon, see `agreement.py`.
    jax.config.update("jax_enable_preemption_service", False)
    met: Future[None] = Future()

    def wait() -> None:
        try:
            met.set_result(_meet(team))
        except BaseException as error:
            met.set_exception(error)

    # JAX waits in C++, and the system for names, where no handler of a signal runs.
    threading.Thread(target=wait, name=_WAITING, daemon=True).start()
    while not met.done():
        time.sleep(LOOKS_EVERY_SECONDS)
    met.result()


def is_waiting() -> bool:
    """Whether a thread waits for others still: JAX would not let the process end in the ordinary way."""
    return any(thread.name == _WAITING for thread in threading.enumerate())


def _meet(team: Team) -> None:
    where = "" if team.coordinator is None else f" at {team.coordinator}"
    _logger.info("process %d of %d: waiting for the others%s", team.index, team.count, where)
    if team.coordinator is not None:
        _find_one_another(team, team.coordinator)
    is_known = team.coordinator is not None  # otherwise JAX asks the cluster
    try:
        jax.distributed.initialize(
            team.coordinator,
            num_processes=team.count if is_known else None,
            process_id=team.index if is_known else None,
            initialization_timeout=JOINED_IN_SECONDS,
            heartbeat_timeout_seconds=MISSED_AFTER_SECONDS,
            shutdown_timeout_seconds=LEFT_IN_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the {team.count} processes of this run did not meet{where} ({reason})") from error


def _find_one_another(team: Team, coordinator: str) -> None:
    """Looks for what would end the process in JAX, without a word to Python."""
    place = place_of(coordinator)
    assert place is not None  # by the rules of a config
    said = f"runtime.coordinator = {coordinator!r}"
    if team.leads:
        _refuse_taken(place[1], said)
    _insist(lambda: socket.getaddrinfo(*place), NAMED_IN_SECONDS, f"{said}: the host was not known")
    if not team.leads:
        _insist(
            lambda: socket.create_connection(place, timeout=5).close(),
            JOINED_IN_SECONDS,
            f"{said}: process 0 was not there",
        )


def _refuse_taken(port: int, said: str) -> None:
    """Raises UserError where the first process cannot wait at a port, of all addresses as JAX does."""
    if "JAX_COORDINATOR_BIND_ADDRESS" in os.environ:  # then it waits there
        return
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    with socket.socket(family) as probe:
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # As JAX's own: what is left of the connections of a run that has just ended is in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                reason = f"process 0 cannot wait there ({error.strerror}); give another port"
                raise UserError(f"{said}: {reason}") from error


def _insist(attempt: Callable[[], object], seconds: float, failed: str) -> None:
    """Tries until it succeeds; after so many seconds raises UserError."""
    end = time.monotonic() + seconds
    while True:
        try:
            attempt()
            return
        except (OSError, UnicodeError) as error:  # a name may have letters that none can have
            if time.monotonic() > end or isinstance(error, UnicodeError):
                raise UserError(f"{failed} within {seconds} seconds ({error})") from error
            time.sleep(0.2)
