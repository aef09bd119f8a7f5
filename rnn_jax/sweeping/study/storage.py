"""The database of a study: connect within seconds, retry short outages, never print a password."""

import contextlib
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rnn_jax.runtime.errors import StorageError, UserError

CONNECT_TIMEOUT_SECONDS = 12
SQLITE_TIMEOUT_SECONDS = 60
"""How long a writer waits for another one; SQLite admits one at a time."""
MISSED_HEARTBEATS = 6
"""A worker that misses this many heartbeats counts as dead."""
CREATE_ATTEMPTS = 5
"""Attempts to create the tables, which several workers may do at once."""
RETRY_PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0)
"""Pauses between retries: long enough for a database to restart."""
LONGEST_REASON = 200

Result = TypeVar("Result")


class StudyStorageError(StorageError):
    """The database of a study cannot be reached any more."""


def connect(url: str, heartbeat_seconds: int) -> Any:
    """Return Optuna's storage for `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Args:
        url: of the database; missing tables are created.
        heartbeat_seconds: interval between the heartbeats of a running trial.

    Raises:
        UserError: the URL is malformed, its driver is not installed, or the database refuses the connection
            or does not respond within seconds.
    """
    from sqlalchemy.exc import DBAPIError, NoSuchModuleError

    place, parsed = hide_password(url), _parse(url)
    found: dict[str, Any] = {}

    def attempt() -> None:
        try:
            found["storage"] = _open(parsed, heartbeat_seconds)
        except BaseException as error:
            found["error"] = error

    # A thread, since no timeout of a driver covers the DNS lookup.
    thread = threading.Thread(target=attempt, daemon=True, name="connecting")
    thread.start()
    thread.join(CONNECT_TIMEOUT_SECONDS)
    error = found.get("error")
    if isinstance(error, NoSuchModuleError | ImportError):
        raise UserError(
            f"--storage {place}: no driver is installed for this database; sqlite:///FILE needs none, "
            "postgresql://... needs pip install -e '.[sweep]'"
        ) from error
    if isinstance(error, RuntimeError):  # the version of the tables
        raise UserError(f"--storage {place}: {_one_line(error)}") from error
    if isinstance(error, DBAPIError):
        raise UserError(f"--storage {place}: cannot be reached ({_one_line(error.orig)})") from error
    if error is not None:
        raise error
    if "storage" not in found:
        raise UserError(f"--storage {place}: no response within {CONNECT_TIMEOUT_SECONDS} seconds")
    return found["storage"]


def hide_password(url: str) -> str:
    """Return a URL without its password, query and, if it is malformed, anything that may be a password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return "..." if set(url) & set(":@") else url
    if "@" in f"{parsed.username}{parsed.host}{parsed.database}":
        return f"{parsed.drivername}://..."
    return parsed.set(query={}).render_as_string(hide_password=True)


def retry(call: Callable[[], Result]) -> Result:
    """Return the result of an idempotent call, which is repeated while the database fails."""
    for pause in RETRY_PAUSES_SECONDS:
        try:
            return call()
        except _database_errors():
            time.sleep(pause)
    return call()


@contextmanager
def translate_storage_errors() -> Iterator[None]:
    """Raise StudyStorageError for every error that the database has caused, directly or indirectly."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        cause = _database_cause(error)
        if cause is None:
            raise
        reason = _one_line(getattr(cause, "orig", None) or cause.__cause__ or cause)
        raise StudyStorageError(f"the study's database cannot be reached any more ({reason})") from error


def is_caused_by_storage(error: BaseException) -> bool:
    """Whether the database has caused an error."""
    return _database_cause(error) is not None


def _database_cause(error: BaseException | None) -> BaseException | None:
    """The database's error in a chain of exceptions: Optuna raises others on top of it."""
    while error is not None and not isinstance(error, _database_errors()):
        error = error.__cause__ or error.__context__
    return error


def _database_errors() -> tuple[type[Exception], ...]:
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DBAPIError

    return StorageInternalError, DBAPIError


def _parse(url: str) -> Any:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UserError(
            f"--storage {hide_password(url)}: must be the URL of a database, sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST/DATABASE"
        ) from error
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UserError(f"--storage {url}: is in the memory of one process; give a file, sqlite:///FILE")
    if parsed.drivername in ("postgresql", "postgres"):  # hosting providers use both
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def _open(url: Any, heartbeat_seconds: int) -> Any:
    import optuna
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
    from sqlalchemy.exc import DBAPIError

    class Storage(RDBStorage):
        """Continues after a failed heartbeat."""

        def record_heartbeat(self, trial_id: int) -> None:
            # An exception would end Optuna's heartbeat thread, and the live worker would count as dead.
            with contextlib.suppress(Exception):
                super().record_heartbeat(trial_id)

    is_file = url.get_backend_name() == "sqlite"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for attempt in range(1, CREATE_ATTEMPTS + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return Storage(
                    url.render_as_string(hide_password=False),
                    engine_kwargs={"connect_args": _connect_args(url), "pool_pre_ping": not is_file},
                    heartbeat_interval=heartbeat_seconds,
                    grace_period=MISSED_HEARTBEATS * heartbeat_seconds,
                    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(
                        inherit_intermediate_values=True
                    ),
                )
        except DBAPIError as error:
            # Of two workers that create the same table at once, one fails; then the table exists.
            text = str(error.orig).lower()
            if attempt == CREATE_ATTEMPTS or not ("already exists" in text or "unique" in text):
                raise
            time.sleep(0.2 * attempt)
    raise AssertionError("the last attempt returns or raises")


def _connect_args(url: Any) -> dict[str, int]:
    """Timeouts of the driver."""
    if url.get_backend_name() == "sqlite":
        return {"timeout": SQLITE_TIMEOUT_SECONDS}
    timeouts = {"connect_timeout": max(2, int(CONNECT_TIMEOUT_SECONDS) - 2)}
    if url.get_backend_name() == "postgresql":
        # By default, many minutes pass until a vanished host is noticed.
        timeouts |= {"keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 3}
        timeouts |= {"tcp_user_timeout": 30_000}
    return timeouts


def _one_line(error: object) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 3] + "..."
