"""The database of a study: connect within seconds, retry short outages, never print a password."""

import contextlib
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from rnn_jax.runtime.errors import StorageError, UserError
from rnn_jax.runtime.files import user_path

CONNECT_TIMEOUT_SECONDS = 12
SQLITE_TIMEOUT_SECONDS = 60  # for another writer; SQLite admits one at a time
MISSED_HEARTBEATS = 6  # after which a worker counts as dead
CREATE_ATTEMPTS = 5  # to create the tables, which several workers may do at once
RETRY_PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0)  # long enough for a database to restart
LONGEST_REASON = 200
DATABASE_ERRORS = (StorageInternalError, DBAPIError)
Result = TypeVar("Result")
with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
    # Replaces a failed trial by a waiting one.
    requeue = RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)


class StudyStorageError(StorageError):
    """The database of a study cannot be reached any more."""


class Storage(RDBStorage):
    """Optuna's storage, which continues after a failed heartbeat."""

    def record_heartbeat(self, trial_id: int) -> None:
        """Ignore exceptions: they would end Optuna's heartbeat thread, and the worker would count as dead."""
        with contextlib.suppress(Exception):
            super().record_heartbeat(trial_id)


def connect(url: str, heartbeat_seconds: int) -> Storage:
    """Open the database at `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Missing tables are created. A running trial sends a heartbeat every `heartbeat_seconds`. UserError is
    raised for a malformed URL, a missing driver, or a database that does not accept connections in seconds.
    """
    place, parsed, opened = f"--storage {hide_password(url)}", _parse(url), Future[Storage]()

    def attempt() -> None:
        try:
            opened.set_result(_open(parsed, heartbeat_seconds))
        except BaseException as error:
            opened.set_exception(error)

    # A thread, since no timeout of a driver covers the DNS lookup.
    threading.Thread(target=attempt, daemon=True, name="connecting").start()
    try:
        return opened.result(CONNECT_TIMEOUT_SECONDS)
    except TimeoutError as error:
        raise UserError(f"{place}: no response within {CONNECT_TIMEOUT_SECONDS} seconds") from error
    except (NoSuchModuleError, ImportError) as error:
        needed = "sqlite:///FILE needs none, postgresql://... needs pip install -e '.[sweep]'"
        raise UserError(f"{place}: no driver is installed for this database; {needed}") from error
    except RuntimeError as error:  # the version of the tables
        raise UserError(f"{place}: {_one_line(error)}") from error
    except DBAPIError as error:
        raise UserError(f"{place}: cannot be reached ({_one_line(error.orig)})") from error


def hide_password(url: str) -> str:
    """Return a URL without its password, query and, if it is malformed, anything that may be a password."""
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
        except DATABASE_ERRORS:
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
        cause = database_cause(error)
        if cause is None:
            raise
        reason = _one_line(getattr(cause, "orig", None) or cause.__cause__ or cause)
        raise StudyStorageError(f"the study's database cannot be reached any more ({reason})") from error


def database_cause(error: BaseException | None) -> BaseException | None:
    """Return the database's error in a chain of exceptions, if any: Optuna raises others on top of it."""
    while error is not None and not isinstance(error, DATABASE_ERRORS):
        error = error.__cause__ or error.__context__
    return error


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        urls = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
        raise UserError(f"--storage {hide_password(url)}: must be the URL of a database, {urls}") from error
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UserError(f"--storage {url}: is in the memory of one process; give a file, sqlite:///FILE")
    if parsed.get_backend_name() == "sqlite":
        parsed = parsed.set(database=str(user_path(str(parsed.database), "--storage")))
    if parsed.drivername in ("postgresql", "postgres"):  # hosting providers use both
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def _open(url: URL, heartbeat_seconds: int) -> Storage:
    is_file = url.get_backend_name() == "sqlite"
    # In seconds but for the last one; by default, many minutes pass until a vanished host is noticed.
    timeouts = {"connect_timeout": max(2, int(CONNECT_TIMEOUT_SECONDS) - 2)}
    if is_file:
        timeouts = {"timeout": SQLITE_TIMEOUT_SECONDS}
    elif url.get_backend_name() == "postgresql":
        timeouts |= {"keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 3}
        timeouts |= {"tcp_user_timeout": 30_000}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    attempt = 1
    while True:
        try:
            with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
                return Storage(
                    url.render_as_string(hide_password=False),
                    engine_kwargs={"connect_args": timeouts, "pool_pre_ping": not is_file},
                    heartbeat_interval=heartbeat_seconds,
                    grace_period=MISSED_HEARTBEATS * heartbeat_seconds,
                    heartbeat_stale_trial_callback=requeue,
                )
        except DBAPIError as error:
            # Of two workers that create the same table at once, one fails; then the table exists.
            text = str(error.orig).lower()
            if attempt == CREATE_ATTEMPTS or not ("already exists" in text or "unique" in text):
                raise
        time.sleep(0.2 * attempt)
        attempt += 1


def _one_line(error: object) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 3] + "..."
