"""Joining the other processes of a run, before JAX starts."""

import logging
import socket
import time

import jax

from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.processes import Team

JOINED_IN_SECONDS = 300
"""So long processes wait for one another at the beginning."""
LEFT_IN_SECONDS = 60
"""And at the end."""
MISSED_AFTER_SECONDS = 30
"""A process that was not heard of for so long has died, and the others end."""

_logger = logging.getLogger(__name__)


def join(team: Team) -> None:
    """Joins the other processes; nothing, where there is none, or they are joined.

    Raises:
        UserError: they do not come.
    """
    if team.alone or jax.distributed.is_initialized():
        return
    # It would take SIGTERM from Python: what a signal asks for is agreed upon, see `agreement.py`.
    jax.config.update("jax_enable_preemption_service", False)
    where = "" if team.coordinator is None else f" at {team.coordinator}"
    _logger.info("process %d of %d: waiting for the others%s", team.index, team.count, where)
    if not team.leads:
        _wait_for_the_first(team)
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


def _wait_for_the_first(team: Team) -> None:
    """JAX would end this process without a word to Python where the first one does not come."""
    if team.coordinator is None:
        return
    host, _, port = team.coordinator.rpartition(":")
    end = time.monotonic() + JOINED_IN_SECONDS
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except (OSError, OverflowError) as error:
            if time.monotonic() > end:
                raise UserError(
                    f"runtime.coordinator = {team.coordinator!r}: process 0 was not there within "
                    f"{JOINED_IN_SECONDS} seconds ({error})"
                ) from error
            time.sleep(0.2)
        else:
            return
