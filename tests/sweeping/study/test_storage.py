"""Databases that cannot be reached, and passwords that nobody sees."""

import socket
import time
from pathlib import Path

import pytest

from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping.study import storage


def refused(url: str) -> str:
    with pytest.raises(UserError) as told:
        storage.connect(url, 10)
    text = str(told.value)
    assert "secret" not in text
    assert len(text.splitlines()) == 1
    return text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////nowhere/study.db", "unable to open database file"),
        ("study.db", "must be the URL of a database"),
        ("sqlite://", "in one process's memory"),
        ("sqlite:///:memory:", "in one process's memory"),
        ("nodatabase://user:secret@host/study", "nothing installed speaks to such a database"),
        ("postgresql://user:secret@host:port/study", "must be the URL of a database"),
        ("postgresql://user:secret@[::1/study", "must be the URL of a database"),
        ("postgresql:/me:secret@host/study", "must be the URL of a database"),
        ("me:secret@host/study", "must be the URL of a database"),
        ("secret@host/study", "must be the URL of a database"),
        ("nodatabase://me:p@secret/w@host/study", "nothing installed speaks to such a database"),
        ("nodatabase://host/study?user=me&password=secret", "nothing installed speaks to such a database"),
    ],
)
def test_what_is_no_database_is_told(url: str, said: str) -> None:
    assert said in refused(url)


def test_postgres_is_postgresql() -> None:
    assert storage._parse("postgres://me@host/study").drivername == "postgresql+psycopg"


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    with socket.socket() as taken:  # bound, and not listening: nobody else can be there
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        text = refused(f"postgresql://user:secret@127.0.0.1:{port}/study")
    assert f"postgresql://user:***@127.0.0.1:{port}/study: cannot be reached" in text


def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "CONNECT_TIMEOUT_SECONDS", 3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        text = refused(f"postgresql://user:secret@127.0.0.1:{silent.getsockname()[1]}/study")
        assert "cannot be reached" in text or "no answer within 3 seconds" in text
        assert time.monotonic() - began < 10


def test_one_that_hangs_where_no_driver_looks_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "CONNECT_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(storage, "_open", lambda *arguments: time.sleep(1))
    assert "no answer within 0.2 seconds" in refused("postgresql://user:secret@host/study")


def test_tables_that_two_make_at_once_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optuna.storages._rdb import models  # where Optuna makes them
    from sqlalchemy.exc import IntegrityError

    make, tried = models.BaseModel.metadata.create_all, []

    def create_all(engine: object) -> None:
        tried.append(True)
        if len(tried) == 1:
            raise IntegrityError("create", {}, Exception("duplicate key violates unique constraint"))
        make(engine)

    monkeypatch.setattr(models.BaseModel.metadata, "create_all", create_all)
    storage.connect(f"sqlite:///{tmp_path / 'study.db'}", 10)
    assert len(tried) == 2
