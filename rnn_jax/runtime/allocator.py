"""The C library's allocator, set up for steps that write tens of megabytes and free them again.

By its defaults glibc gives freed memory back to the system, sometimes at every step, depending on what was
freed before, and every page that is taken anew costs a fault: 7,000 faults made a step of 29 ms one of 38. A
process can be told to keep its memory. With huge pages, which have to be asked for before it starts, there is
little left to keep: 76,000 faults of a step became 800, and 374 ms 299.
"""

import ctypes
import os
import platform
import sys
from pathlib import Path

# The parameters of mallopt(3), from <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST_INT = 2**31 - 1

HUGE_PAGES = "glibc.malloc.hugetlb=1"
_KERNEL = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def restart_with_huge_pages() -> None:
    """Starts this program anew, as the same process, with an allocator that uses huge pages.

    Call it first of all. Nothing happens where the kernel has none to give, without glibc, or where the user
    has set up the allocator in the environment, as this function itself does.
    """
    if platform.libc_ver()[0] != "glibc" or _set_by_the_user() or not _kernel_has_huge_pages():
        return
    earlier = os.environ.get("GLIBC_TUNABLES")
    os.environ["GLIBC_TUNABLES"] = f"{earlier}:{HUGE_PAGES}" if earlier else HUGE_PAGES
    os.execv(sys.executable, sys.orig_argv)


def _kernel_has_huge_pages() -> bool:
    try:
        return "[never]" not in _KERNEL.read_text(encoding="ascii")
    except OSError:
        return False


def keep_freed_memory() -> None:
    """Has effect on memory that is allocated from here on.

    Nothing happens without glibc, or where the user has set up the allocator in the environment.
    """
    if platform.libc_ver()[0] != "glibc" or _set_by_the_user():
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(M_MMAP_MAX, 0)  # large blocks come from the heap, where they can be kept
    mallopt(M_TRIM_THRESHOLD, LARGEST_INT)  # the heap's free end is kept


def _set_by_the_user() -> bool:
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    return "glibc.malloc" in tunables or any(name.startswith("MALLOC_") for name in os.environ)
