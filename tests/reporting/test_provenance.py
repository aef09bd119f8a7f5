"""Hardware and commit of a result."""

import shutil
import subprocess
from pathlib import Path

import pytest

from rnn_jax.reporting import provenance


def test_the_hardware_has_a_name_and_cores() -> None:
    found = provenance.hardware()
    assert found["cpu"]
    assert found["cores"] >= 1


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_is_marked_dirty_if_the_code_differs(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=n", "-c", "user.email=n@localhost", "-c", "commit.gpgsign=false")
        command = ["git", *identity, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    assert provenance.commit(tmp_path) is None
    git("init", "-q")
    (tmp_path / "rnn_jax").mkdir()
    (tmp_path / "rnn_jax" / "main.py").write_text("")
    (tmp_path / "README.md").write_text("")
    git("add", "README.md")
    git("commit", "-q", "-m", "without the package")
    assert provenance.commit(tmp_path) is None  # like an installation inside another project's checkout
    git("add", "rnn_jax")
    git("commit", "-q", "-m", "one")
    head = git("rev-parse", "HEAD")
    assert provenance.commit(tmp_path) == head
    (tmp_path / "notes.txt").write_text("not code")
    assert provenance.commit(tmp_path) == head
    (tmp_path / "rnn_jax" / "main.py").write_text("changed")
    assert provenance.commit(tmp_path) == f"{head}-dirty"
