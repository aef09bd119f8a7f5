"""Where a result comes from: the hardware, and the commit of the code."""

import contextlib
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CODE = ("rnn_jax", "configs", "pyproject.toml")


def hardware() -> dict[str, Any]:
    """The processor's name, and the number of cores available to this process."""
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:(.*)", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
        cpu = found[1].strip() if found else cpu
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": cpu, "cores": cores}


def commit(root: Path = ROOT) -> str | None:
    """The commit of the checkout, with '-dirty' if package or configs differ from it.

    None if the package does not run from a checkout, or git is missing.
    """

    def git(*arguments: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "rnn_jax")  # fails in the checkout of another project
        changed = git("status", "--porcelain", "--", *CODE)
        return git("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None
