"""Times the training step of one framework on one workload.

    python experiments/speed/measure.py rows --json
    python experiments/speed/measure.py pixels --cell mingru
    python experiments/speed/measure.py rows --framework torch      # with the extra `peers` installed

Nothing else should run beside it. compare.py puts several frameworks side by side.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from contender import Contender
from workloads import WORKLOADS, Workload

from rnn_jax.runtime.allocator import restart_with_huge_pages

ROUND_SECONDS = 0.5
PLAIN_ALLOCATOR = "--plain-allocator"
FRAMEWORKS = ("ours", "torch", "flax", "flax_optimized", "keras", "limit")


def main(arguments: Sequence[str]) -> int:
    """Measures, or serves rounds to compare.py; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--framework", choices=FRAMEWORKS, default="ours")
    parser.add_argument("--cell", default="lstm", help="ours: any cell of the config key model.cell")
    parser.add_argument("--implementation", default="auto", help="ours: scan, fused, parallel or auto")
    parser.add_argument("--devices", type=int, help="ours: over how many devices (default: those that pay)")
    for name in ("batch", "time", "units"):
        parser.add_argument(f"--{name}", type=int, help=f"another {name} than the workload's")
    parser.add_argument(PLAIN_ALLOCATOR, action="store_true", help="without ours: huge pages")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    parser.add_argument(
        "--serve", metavar="FILE", help="write gradients there; a round for each line of input"
    )
    chosen = parser.parse_args(arguments)
    changes = {name: getattr(chosen, name) for name in ("batch", "time", "units")}
    workload = WORKLOADS[chosen.workload]._replace(
        **{name: n for name, n in changes.items() if n is not None}
    )
    contender = build(workload, chosen.framework, chosen)
    if chosen.serve:
        serve(contender, chosen.serve)
        return 0
    start, steps = describe(contender), steps_of_a_round(contender)
    times = [milliseconds(contender, steps) for _ in range(chosen.rounds)]
    result = {
        **start,
        "workload": chosen.workload,
        "ms_per_step": round(float(np.median(times)), 3),
        "lowest": round(min(times), 3),
        "highest": round(max(times), 3),
        "rounds": chosen.rounds,
    }
    shown = (
        f"{result['framework']}: {result['ms_per_step']:.2f} ms a step ({min(times):.2f} to {max(times):.2f})"
    )
    print(json.dumps(result) if chosen.json else shown)
    return 0


def build(workload: Workload, framework: str, chosen: argparse.Namespace) -> Contender:
    """A framework on a workload."""
    if framework == "ours":
        import ours

        options = ours.Ours(chosen.cell, chosen.implementation, chosen.devices)
        contender = ours.build(workload, options)
    else:
        import peers

        contender = peers.PEERS[framework](workload)
    return contender


def milliseconds(contender: Contender, steps: int) -> float:
    """Of a step, over so many."""
    began = time.perf_counter()
    for _ in range(steps):
        contender.step()
    return (time.perf_counter() - began) / steps * 1e3


def steps_of_a_round(contender: Contender) -> int:
    """As many as take about half a second."""
    return max(1, round(ROUND_SECONDS * 1e3 / milliseconds(contender, 3)))


def describe(contender: Contender) -> dict[str, Any]:
    """What it is, and the most memory that its process has held after two steps."""
    contender.step()
    contender.step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"framework": contender.version, **contender.details, "peak_bytes": peak}


def serve(contender: Contender, file: str) -> None:
    """Writes loss and gradients to a file, says what it is, and times a round for each line that is read.

    A round begins with as many steps that are not timed: while others have theirs, a process's memory gets
    cold, or is taken from it, and its threads sleep.
    """
    loss, gradients = contender.gradients()  # before the first step, which moves the parameters
    named: dict[str, Any] = {"loss": np.float64(loss), **gradients}
    np.savez(file, **named)
    start, steps = describe(contender), steps_of_a_round(contender)
    print(json.dumps(start), flush=True)
    for _ in sys.stdin:
        milliseconds(contender, steps)
        print(milliseconds(contender, steps), flush=True)


if __name__ == "__main__":
    if PLAIN_ALLOCATOR not in sys.argv:
        restart_with_huge_pages()
    sys.exit(main(sys.argv[1:]))
