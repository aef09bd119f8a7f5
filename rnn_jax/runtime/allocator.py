"""The C library's allocator, told to keep freed memory.

A training step writes tens of megabytes for its backward pass and frees them. By its defaults glibc gives
them back to the system, sometimes at every step, depending on what was freed before, and every page that is
taken anew costs a fault: 7,000 faults made a step of 29 ms one of 38.
"""

import ctypes
import os
import platform

# The parameters of mallopt(3), from <malloc.h>.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST_INT = 2**31 - 1


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
