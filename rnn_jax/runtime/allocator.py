"""Settings of the C library's allocator for steps that allocate and free tens of megabytes.

By default glibc returns freed memory to the system, sometimes at every step, and every page allocated anew
costs a page fault: 7,000 faults turned a step of 29 ms into one of 38. A process can keep its
memory. Huge pages, which must be requested before it starts, leave little to keep: 76,000 faults of a step
became 800, and 374 ms 299.
"""

import ctypes
import os
import platform
import sys
from pathlib import Path

from rnn_jax.runtime.signals import block_sigint

# Parameters of mallopt(3), from <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
INT_MAX = 2**31 - 1

HUGE_PAGES = "glibc.malloc.hugetlb=1"
_KERNEL = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def restart_with_huge_pages() -> None:
    """Restart this program, as the same process, with an allocator that uses huge pages.

    Call it first. It does nothing without glibc, if the kernel has no huge pages, or if the environment has
    settings of the allocator, the user's or its own.
    """
    try:
        has_huge_pages = "[never]" not in _KERNEL.read_text(encoding="ascii")
    except OSError:
        has_huge_pages = False
    if has_huge_pages and _is_unconfigured_glibc():
        tunables = os.environ.get("GLIBC_TUNABLES")
        os.environ["GLIBC_TUNABLES"] = f"{tunables}:{HUGE_PAGES}" if tunables else HUGE_PAGES
        block_sigint()  # while Python starts, its handler prints a traceback
        os.execv(sys.executable, sys.orig_argv)


def keep_freed_memory() -> None:
    """Keep memory freed from now on in the process.

    It does nothing without glibc, or if the environment has settings of the allocator.
    """
    if _is_unconfigured_glibc():
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)  # large blocks are allocated on the heap, where they can be kept
        mallopt(M_TRIM_THRESHOLD, INT_MAX)  # the free end of the heap is kept


def _is_unconfigured_glibc() -> bool:
    is_configured = "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
    is_configured |= any(name.startswith("MALLOC_") for name in os.environ)
    return platform.libc_ver()[0] == "glibc" and not is_configured
