"""Arrays on the disk."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from rnn_jax.training import arrays


def test_two_threads_may_write_at_once(tmp_path: Path) -> None:
    """A population saves in a thread while it writes the best of a member that has ended."""

    def write(thread: int) -> None:
        for number in range(12):
            (tmp_path / f"{thread}-{number}").mkdir()
            arrays.write(
                tmp_path / f"{thread}-{number}" / "state", {"a": np.full(3, number), "b": np.ones(4)}
            )

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, range(2)))
    for thread in range(2):
        np.testing.assert_array_equal(arrays.read_part(tmp_path / f"{thread}-7" / "state", "a"), [7, 7, 7])
