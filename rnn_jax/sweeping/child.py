"""Runs a command that stops when the process that started it dies.

    python -m rnn_jax.sweeping.child PID main --workdir DIR

is `python -m rnn_jax.main --workdir DIR`, started by process PID. When that process dies, however it dies,
the command receives SIGTERM and writes a checkpoint, from which another worker can resume the trial. This
works on Linux; elsewhere the command runs to its end, and keeps its folder locked until then.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Replace this process by the command."""
    parent, command = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it has died already
            sys.exit(128 + signal.SIGTERM)
    # The kernel keeps the setting across exec.
    os.execv(sys.executable, [sys.executable, "-m", f"rnn_jax.{command}", *sys.argv[3:]])


if __name__ == "__main__":
    main()
