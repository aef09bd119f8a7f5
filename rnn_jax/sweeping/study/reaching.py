"""A database that does not answer: for a moment, which is waited for, or for good, which is told."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rnn_jax.runtime.errors import StorageError, UserError

PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0)
"""Between tries: a database that is started anew is there again by then."""

Result = TypeVar("Result")


class StudyStorageError(StorageError):
    """The database of a study cannot be reached any more."""


def patiently(ask: Callable[[], Result]) -> Result:
    """What a call says that may be made again, once the database answers."""
    for pause in PAUSES_SECONDS:
        try:
            return ask()
        except _failures():
            time.sleep(pause)
    return ask()


@contextmanager
def reached() -> Iterator[None]:
    """Inside, a database that cannot be reached is told to people; so is one that refuses.

    Raises:
        StudyStorageError: that is so, whatever was made of it on the way here.
    """
    try:
        yield
    except UserError:  # which says what it means, whatever it came of
        raise
    except Exception as error:
        cause = _cause(error)
        if cause is None:
            raise
        reason = " ".join(str(getattr(cause, "orig", None) or cause.__cause__ or cause).split())[:200]
        raise StudyStorageError(f"the study's database cannot be reached any more ({reason})") from error


def is_of_database(error: BaseException) -> bool:
    """Whether it came of the database."""
    return _cause(error) is not None


def _cause(error: BaseException | None) -> BaseException | None:
    """The database's error, where it is at the bottom of another: Optuna stumbles over it."""
    while error is not None and not isinstance(error, _failures()):
        error = error.__cause__ or error.__context__
    return error


def _failures() -> tuple[type[Exception], ...]:
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DBAPIError

    return StorageInternalError, DBAPIError
