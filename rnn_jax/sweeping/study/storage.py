"""The database of a study: reached in seconds or not at all, and never shown with its password."""

import contextlib
import threading
import time
import warnings
from typing import Any

from rnn_jax.runtime.errors import UserError

REACHED_IN_SECONDS = 12
"""An address that does not answer is given up after so long."""
WAITS_FOR_ANOTHER_SECONDS = 60
"""So long a writer waits where SQLite, which lets one in at a time, has another."""
MISSED_BEATS = 6
"""A worker that was not heard of for so many heartbeats is taken for dead."""
TRIES = 5
"""Of creating the tables, which many workers may do at once."""


def connect(url: str, heartbeat_seconds: int) -> Any:
    """Optuna's storage at a URL, `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Args:
        url: of the database; its tables are made where they are not there.
        heartbeat_seconds: how often a worker says of a trial that it is at work.

    Raises:
        UserError: it is no such URL; the package that speaks to such a database is not installed; or the
            database cannot be reached within seconds, or refuses.
    """
    from sqlalchemy.exc import DBAPIError, NoSuchModuleError

    place, parsed = without_password(url), _parse(url)
    found: dict[str, Any] = {}

    def try_it() -> None:
        try:
            found["storage"] = _open(parsed, heartbeat_seconds)
        except BaseException as error:
            found["error"] = error

    # A connection may hang where no time-out of its driver reaches: in the look-up of a host's name.
    thread = threading.Thread(target=try_it, daemon=True, name="connecting")
    thread.start()
    thread.join(REACHED_IN_SECONDS)
    error = found.get("error")
    if isinstance(error, NoSuchModuleError | ImportError):
        raise UserError(
            f"--storage {place}: nothing installed speaks to such a database; sqlite:///FILE needs nothing "
            "more, postgresql://... needs pip install -e '.[sweep]'"
        ) from error
    if isinstance(error, RuntimeError):  # of the tables' version
        raise UserError(f"--storage {place}: {_cut(' '.join(str(error).split()))}") from error
    if isinstance(error, DBAPIError):
        reason = " ".join(str(error.orig).split())
        raise UserError(f"--storage {place}: cannot be reached ({_cut(reason)})") from error
    if error is not None:
        raise error
    if "storage" not in found:
        raise UserError(f"--storage {place}: no answer within {REACHED_IN_SECONDS} seconds")
    return found["storage"]


def without_password(url: str) -> str:
    """A URL as it may be shown: its kind, user, host and database; nothing of one that is mistyped.

    A password may stand in several places of a URL, and of a mistyped one anywhere.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return "..." if set(url) & set(":@") else url
    if "@" in f"{parsed.username}{parsed.host}{parsed.database}":
        return f"{parsed.drivername}://..."
    return parsed.set(query={}).render_as_string(hide_password=True)


def _parse(url: str) -> Any:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UserError(
            f"--storage {without_password(url)}: must be the URL of a database, sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST/DATABASE"
        ) from error
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UserError(f"--storage {url}: lies in one process's memory; give a file, sqlite:///FILE")
    if parsed.drivername in ("postgresql", "postgres"):  # as many hosts write it
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def _open(url: Any, heartbeat_seconds: int) -> Any:
    import optuna
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
    from sqlalchemy.exc import DBAPIError

    class Storage(RDBStorage):
        """Where a heartbeat that fails is followed by the next one."""

        def record_heartbeat(self, trial_id: int) -> None:
            # Raised in Optuna's thread this would end it, and a live worker would be taken for dead.
            with contextlib.suppress(Exception):
                super().record_heartbeat(trial_id)

    is_file = url.get_backend_name() == "sqlite"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for tried in range(1, TRIES + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return Storage(
                    url.render_as_string(hide_password=False),
                    engine_kwargs={"connect_args": _connect_args(url), "pool_pre_ping": not is_file},
                    heartbeat_interval=heartbeat_seconds,
                    grace_period=MISSED_BEATS * heartbeat_seconds,
                    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(
                        inherit_intermediate_values=True
                    ),
                )
        except DBAPIError as error:
            # Two workers that create the same table at once: one is refused, and then finds it there.
            text = str(error.orig).lower()
            if tried == TRIES or not ("already exists" in text or "unique" in text):
                raise
            time.sleep(0.2 * tried)
    raise AssertionError("the last try returns or raises")


def _connect_args(url: Any) -> dict[str, int]:
    """How long the driver waits: for a file that another writes to, for a server that has gone."""
    if url.get_backend_name() == "sqlite":
        return {"timeout": WAITS_FOR_ANOTHER_SECONDS}
    waits = {"connect_timeout": max(2, int(REACHED_IN_SECONDS) - 2)}
    if url.get_backend_name() == "postgresql":
        # Else a host that vanishes is waited for many minutes.
        waits |= {"keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 3}
        waits |= {"tcp_user_timeout": 30_000}
    return waits


def _cut(text: str) -> str:
    return text if len(text) <= 200 else text[:197] + "..."
