"""Freed memory is kept: measured in a process of its own, since the setting is the process's."""

import os
import platform
import subprocess
import sys
from pathlib import Path

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
    """Page faults of the third time that 100 MB are allocated, written and freed."""
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


def test_a_program_is_started_anew_once_with_huge_pages(environment: dict[str, str]) -> None:
    program = (
        "import os, sys; from rnn_jax.runtime.allocator import restart_with_huge_pages\n"
        "print(os.getpid(), os.environ.get('GLIBC_TUNABLES'), sys.argv[1:], flush=True)\n"
        "restart_with_huge_pages()"
    )
    command = [sys.executable, "-c", program, "an argument"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    before, *after = (line.partition(" ") for line in done.stdout.splitlines())
    assert before[2] == "None ['an argument']"
    if "[never]" in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text():
        assert after == []
    else:
        assert after == [(before[0], " ", "glibc.malloc.hugetlb=1 ['an argument']")]
    mine = environment | {"GLIBC_TUNABLES": "glibc.malloc.top_pad=0"}
    done = subprocess.run(command, env=mine, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("mine", [{"MALLOC_TOP_PAD_": "0"}, {"GLIBC_TUNABLES": "glibc.malloc.top_pad=0"}])
def test_settings_of_the_user_stay(environment: dict[str, str], mine: dict[str, str]) -> None:
    assert faults(environment | mine) > 1_000
