"""Freed memory is kept: measured in a process of its own, since the setting is the process's."""

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from rnn_jax.runtime.allocator import keep_freed_memory

keep_freed_memory()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(12_500_000)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults)
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is set up")


def faults(environment: dict[str, str]) -> int:
    """Page faults of the third time that 100 MB are taken, filled and freed."""
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.fixture
def environment() -> dict[str, str]:
    """This process's, without any settings of an allocator, and with pages of the usual size in NumPy too."""
    bare = {name: value for name, value in os.environ.items() if "MALLOC" not in name and "GLIBC" not in name}
    return bare | {"NUMPY_MADVISE_HUGEPAGE": "0"}


def test_freed_memory_is_used_again(environment: dict[str, str]) -> None:
    assert faults(environment) < 100


@pytest.mark.parametrize("mine", [{"MALLOC_TOP_PAD_": "0"}, {"GLIBC_TUNABLES": "glibc.malloc.top_pad=0"}])
def test_what_the_user_has_set_stays(environment: dict[str, str], mine: dict[str, str]) -> None:
    assert faults(environment | mine) > 1_000
