"""Time the steps of many models: as a population, sequentially, and concurrently on all devices.

Sequential steps run as in `rnn_jax.main`, each on as many devices as speed it up. Concurrent steps run on one
device each: all are dispatched before the results of the first are read.

    python experiments/speed/populations.py tiny 32
    python experiments/speed/populations.py rows 16 --rounds 9

The ways alternate in one process, after a check that their losses after the same steps are equal. The result
is appended to populations.jsonl, from which `python experiments/tables.py` generates the table.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np
import ours
from jax.sharding import Mesh
from workloads import WORKLOADS

from rnn_jax.reporting.provenance import commit, hardware
from rnn_jax.runtime import devices
from rnn_jax.runtime.allocator import restart_with_huge_pages
from rnn_jax.runtime.devices import DATA, Devices
from rnn_jax.runtime.files import read_json_lines
from rnn_jax.training import program
from rnn_jax.training.population import population
from rnn_jax.training.population.steps import LayOut, Members

RESULTS = Path(__file__).resolve().parent / "populations.jsonl"
ROUND_SECONDS = 1.0

Ways = dict[str, Callable[[], np.ndarray]]
"""Functions by name; each trains one step of every model and returns the summed losses [models]."""


def main(arguments: Sequence[str]) -> int:
    """Measure and record; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "workload", choices=[name for name, each in WORKLOADS.items() if each.kind == "classes"]
    )
    parser.add_argument("models", type=int)
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args(arguments)
    job = ours.job(WORKLOADS[chosen.workload], ours.Ours())
    where = devices.build_devices(
        devices.available_cores(), devices=None, matmul_precision="float32", allow_device_change=False
    )
    multi = devices.build_devices(
        devices.worthwhile_cores(*job.batch_shape),
        devices=None,
        matmul_precision="float32",
        allow_device_change=False,
    )
    rates = np.geomspace(1e-4, 1e-2, chosen.models).astype(np.float32)
    ways: Ways = {
        "one after another": _single(job, [multi], rates),
        "dispatched": _single(job, [_alone(where, number) for number in range(where.device_count)], rates),
        **{f"population, {how}": _population(job, where, how, rates) for how in ("map", "vmap")},
    }
    losses = {name: way() for name, way in ways.items()}
    for name, found in losses.items():
        np.testing.assert_allclose(found, losses["one after another"], rtol=1e-5, err_msg=name)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(chosen.rounds):
        for name, way in ways.items():
            times[name].append(_milliseconds(way))
    row = {
        "workload": chosen.workload,
        "models": chosen.models,
        "devices": str(where),
        "ms": {name: round(float(np.median(found)), 2) for name, found in times.items()},
        "rounds": chosen.rounds,
        "hardware": hardware(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }
    others = [
        old
        for old in read_json_lines(RESULTS)
        if (old["workload"], old["models"]) != (chosen.workload, chosen.models)
    ]
    RESULTS.write_text("".join(json.dumps(each) + "\n" for each in [*others, row]), encoding="utf-8")
    print(json.dumps(row))
    return 0


def _alone(where: Devices, number: int) -> Devices:
    """Return a mesh of one of the devices."""
    mesh = Mesh(where.mesh.devices.reshape(-1)[number : number + 1], (DATA,))
    return where._replace(mesh=mesh)


def _single(job: Any, places: Sequence[Devices], rates: np.ndarray) -> Callable[[], np.ndarray]:
    """Build a function that runs the step of every model by itself, with the models spread over `places`."""
    programs = [program.load(job, where) for where in places]
    on = [programs[number % len(programs)] for number in range(len(rates))]
    states = [each.init() for each in on]
    hypers = [
        {**each.hyper, "learning_rate": jax.device_put(rate)} for each, rate in zip(on, rates, strict=True)
    ]
    indices = [each.indices("train", 0) for each in on]

    def step() -> np.ndarray:
        for number, each in enumerate(on):
            states[number] = each.train_step(
                states[number], hypers[number], each.data["train"], indices[number]
            )
        return np.array([float(state.metrics["loss"][0]) for state in states])

    return step


def _population(job: Any, where: Devices, how: LayOut, rates: np.ndarray) -> Callable[[], np.ndarray]:
    hyper = {name: np.full(len(rates), value, np.float32) for name, value in job.hyper.items()}
    members = Members(hyper | {"learning_rate": rates}, np.zeros(len(rates), int))
    loaded = population.load(job, where, members, how)
    state = loaded.init()
    arguments = loaded.hyper_of(state), loaded.data["train"], loaded.batch_of(state, 0)
    places = [loaded.running(state)[number] for number in range(len(rates))]

    def step() -> np.ndarray:
        nonlocal state
        state = loaded.train_step(state, *arguments)
        return np.asarray(state.states.metrics["loss"][0])[places]

    return step


def _milliseconds(way: Callable[[], np.ndarray]) -> float:
    """Return the mean milliseconds per step of all models over about a second, after a warm-up step."""
    way()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < ROUND_SECONDS:
        way()
        steps += 1
    return (time.perf_counter() - began) / steps * 1e3


if __name__ == "__main__":
    restart_with_huge_pages()
    sys.exit(main(sys.argv[1:]))
