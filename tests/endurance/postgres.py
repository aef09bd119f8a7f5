"""A temporary PostgreSQL server (Debian's package), run by an ordinary user on a free local port."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")
UNPRIVILEGED = ("postgres", "nobody")
"""Users for the server if this process is root: PostgreSQL does not run as root."""
STARTS_IN_SECONDS = 60


def programs() -> Path | None:
    """Return the folder of `initdb` and `postgres`; None if they are not installed."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None


@contextmanager
def running() -> Iterator[str]:
    """Run a server in the context; yield the URL of its empty database.

    Raises:
        RuntimeError: PostgreSQL is not installed, or does not start.
    """
    folder = programs()
    if folder is None:
        raise RuntimeError("PostgreSQL is not installed (Debian's package postgresql)")
    # Not in TMPDIR: the other user may not have access to it.
    place = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    user = next(name for name in UNPRIVILEGED if _exists(name)) if os.getuid() == 0 else None
    if user is not None:
        os.chown(place, pwd.getpwnam(user).pw_uid, -1)
    port, log = _free_port(), place / "log"
    try:
        _call(
            [folder / "initdb", "-D", place / "data", "-U", "study", "-A", "trust", "--no-sync"], user, place
        )
        options = ["-D", place / "data", "-p", str(port), "-h", "127.0.0.1", "-k", place, "-c", "fsync=off"]
        with log.open("w") as output:
            server = subprocess.Popen(
                [folder / "postgres", *options], user=user, stdout=output, stderr=output, cwd=place
            )
        try:
            _wait(server, port, log)
            yield f"postgresql://study@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _call(command: list[object], user: str | None, place: Path) -> None:
    done = subprocess.run(
        [str(part) for part in command], user=user, cwd=place, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stderr[-500:]}")


def _wait(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until the server accepts connections."""
    import psycopg

    end = time.monotonic() + STARTS_IN_SECONDS
    while True:
        try:
            psycopg.connect(f"postgresql://study@127.0.0.1:{port}/postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL does not start: {log.read_text()[-500:]}") from None
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
