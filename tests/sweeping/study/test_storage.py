"""Databases that cannot be reached, and passwords that are never printed."""

import socket
import time
from pathlib import Path

import pytest

from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping.study import storage


def connection_error(url: str) -> str:
    with pytest.raises(UserError) as error:
        storage.connect(url, 10)
    text = str(error.value)
    assert "secret" not in text
    assert len(text.splitlines()) == 1
    return text


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////nowhere/study.db", "unable to open database file"),
        ("study.db", "must be the URL of a database"),
        ("sqlite://", "in the memory of one process"),
        ("sqlite:///:memory:", "in the memory of one process"),
        ("nodatabase://user:secret@host/study", "no driver is installed for this database"),
        ("postgresql://user:secret@host:port/study", "must be the URL of a database"),
        ("postgresql://user:secret@[::1/study", "must be the URL of a database"),
        ("postgresql:/me:secret@host/study", "must be the URL of a database"),
        ("me:secret@host/study", "must be the URL of a database"),
        ("secret@host/study", "must be the URL of a database"),
        ("nodatabase://me:p@secret/w@host/study", "no driver is installed for this database"),
        ("nodatabase://host/study?user=me&password=secret", "no driver is installed for this database"),
    ],
)
def test_an_invalid_url_is_an_error(url: str, message: str) -> None:
    assert message in connection_error(url)


def test_postgres_is_an_alias_of_postgresql() -> None:
    assert storage._parse("postgres://me@host/study").drivername == "postgresql+psycopg"


def test_the_error_for_an_unreachable_server_hides_the_password() -> None:
    with socket.socket() as taken:  # bound, not listening: no other server can be there
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        text = connection_error(f"postgresql://user:secret@127.0.0.1:{port}/study")
    assert f"postgresql://user:***@127.0.0.1:{port}/study: cannot be reached" in text


def test_a_server_that_does_not_respond_is_an_error_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "CONNECT_TIMEOUT_SECONDS", 3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        text = connection_error(f"postgresql://user:secret@127.0.0.1:{silent.getsockname()[1]}/study")
        assert "cannot be reached" in text or "no response within 3 seconds" in text
        assert time.monotonic() - began < 10


def test_a_connection_that_ignores_the_drivers_timeout_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "CONNECT_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(storage, "_open", lambda *arguments: time.sleep(1))
    assert "no response within 0.2 seconds" in connection_error("postgresql://user:secret@host/study")


def test_tables_that_two_workers_create_at_once_are_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optuna.storages._rdb import models  # where Optuna creates them
    from sqlalchemy.exc import IntegrityError

    create, attempts = models.BaseModel.metadata.create_all, []

    def create_all(engine: object) -> None:
        attempts.append(True)
        if len(attempts) == 1:
            raise IntegrityError("create", {}, Exception("duplicate key violates unique constraint"))
        create(engine)

    monkeypatch.setattr(models.BaseModel.metadata, "create_all", create_all)
    storage.connect(f"sqlite:///{tmp_path / 'study.db'}", 10)
    assert len(attempts) == 2
