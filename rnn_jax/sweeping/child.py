"""A command as a process of its own, which does not outlive the worker that started it.

    python -m rnn_jax.sweeping.child NUMBER main --workdir DIR

is `python -m rnn_jax.main --workdir DIR`, started by process NUMBER: when that one dies, however it dies, the
command is asked to stop (SIGTERM), and writes a checkpoint. So nobody trains on unseen, and whoever takes the
trial over can go on. Linux alone does that; elsewhere the command goes on to its end, and holds its folder.
"""

import ctypes
import os
import signal
import sys

SIGNAL_WHEN_PARENT_DIES = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


def main() -> None:
    """Becomes the command that the arguments name."""
    parent, command = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SIGNAL_WHEN_PARENT_DIES, signal.SIGTERM)
        if os.getppid() != parent:  # it died before
            sys.exit(128 + signal.SIGTERM)
    # What was asked of the kernel holds for the program that takes this one's place.
    os.execv(sys.executable, [sys.executable, "-m", f"rnn_jax.{command}", *sys.argv[3:]])


if __name__ == "__main__":
    main()
