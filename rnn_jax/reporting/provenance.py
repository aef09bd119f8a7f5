"""Where a result comes from: the hardware, and the commit of the code."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CODE = ("rnn_jax", "configs", "pyproject.toml")


def hardware() -> dict[str, Any]:
    """The processor's name, and the number of cores available to this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _processor(), "cores": cores}


def commit(root: Path = ROOT) -> str | None:
    """The commit of the checkout, with '-dirty' if package or configs differ from it.

    None if the package does not run from a checkout, or git is missing.
    """
    try:
        _git(
            root, "ls-files", "--error-unmatch", "rnn_jax"
        )  # fails if another project's checkout contains the package
        changed = _git(root, "status", "--porcelain", "--", *CODE)
        return _git(root, "rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
