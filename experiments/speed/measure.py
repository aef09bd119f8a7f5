"""Time the training step of one framework on one workload.

    python experiments/speed/measure.py rows --json
    python experiments/speed/measure.py pixels --cell mingru
    python experiments/speed/measure.py rows --framework torch      # with the extra `peers` installed

Run nothing else at the same time. compare.py compares several frameworks.
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
    """Measure, or time rounds for compare.py; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--framework", choices=FRAMEWORKS, default="ours")
    parser.add_argument("--cell", default="lstm", help="ours: any cell of the config key model.cell")
    parser.add_argument("--implementation", default="auto", help="ours: scan, fused, parallel or auto")
    parser.add_argument(
        "--devices", type=int, help="ours: number of devices (default: as many as speed up the workload)"
    )
    for name in ("batch", "time", "units"):
        parser.add_argument(f"--{name}", type=int, help=f"override the {name} of the workload")
    parser.add_argument(
        PLAIN_ALLOCATOR, action="store_true", help="keep the default allocator settings, without huge pages"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    parser.add_argument(
        "--serve",
        metavar="FILE",
        help="write gradients to FILE, then time a round per line of standard input",
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
        f"{result['framework']}: {result['ms_per_step']:.2f} ms/step ({min(times):.2f} to {max(times):.2f})"
    )
    print(json.dumps(result) if chosen.json else shown)
    return 0


def build(workload: Workload, framework: str, chosen: argparse.Namespace) -> Contender:
    """Build the contender of a framework for a workload."""
    if framework == "ours":
        import ours

        options = ours.Ours(chosen.cell, chosen.implementation, chosen.devices)
        contender = ours.build(workload, options)
    else:
        import peers

        contender = peers.PEERS[framework](workload)
    return contender


def milliseconds(contender: Contender, steps: int) -> float:
    """Return the mean milliseconds per step over `steps` steps."""
    began = time.perf_counter()
    for _ in range(steps):
        contender.step()
    return (time.perf_counter() - began) / steps * 1e3


def steps_of_a_round(contender: Contender) -> int:
    """Return the number of steps that take about half a second."""
    return max(1, round(ROUND_SECONDS * 1e3 / milliseconds(contender, 3)))


def describe(contender: Contender) -> dict[str, Any]:
    """Return version, details and peak memory of the process after two steps."""
    contender.step()
    contender.step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"framework": contender.version, **contender.details, "peak_bytes": peak}


def serve(contender: Contender, file: str) -> None:
    """Write loss and gradients to a file, print the description, and time a round per line of standard input.

    A round begins with as many untimed warm-up steps: while the other processes run their rounds, the memory
    of this one leaves the caches or is paged out, and its threads sleep.
    """
    loss, gradients = contender.gradients()  # before the first step, which changes the parameters
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
