"""Arrays on the disk."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import pytest

from rnn_jax.checkpoints import arrays


def test_two_threads_that_write_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A population saves in a thread while it writes the best of a member that has ended."""
    save, inside, most = ocp.StandardCheckpointer.save, [], []

    def watched(*arguments: Any, **more: Any) -> None:
        inside.append(None)
        time.sleep(0.05)
        most.append(len(inside))
        save(*arguments, **more)
        inside.pop()

    monkeypatch.setattr(ocp.StandardCheckpointer, "save", watched)

    def write(number: int) -> None:
        arrays.write(tmp_path / str(number), {"a": np.full(3, number), "b": np.ones(4)})

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, range(4)))
    assert most == [1] * 4
    for number in range(4):
        np.testing.assert_array_equal(arrays.read_part(tmp_path / str(number), "a"), [number] * 3)
