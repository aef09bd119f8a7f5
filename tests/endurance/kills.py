"""Kills (`kill -9`) at random times, half of them during a save; the resumed run ends with the same bits."""

import random
import shutil
from pathlib import Path

from outcomes import Outcome
from processes import SMALL, Process, call, digests, last_step, start, typed

COUNT = 200
EVERY_STEPS = 200
KILLS_A_RUN = 10
OVERRIDES = SMALL | {
    "train.duration_steps": 2500,
    "train.evaluate_every_steps": 500,
    "checkpoint.every_steps": EVERY_STEPS,
    "log.every_steps": 1,
}


def measure(scratch: Path, count: int) -> Outcome:
    """Kill `count` times, every second time as soon as a save has begun."""
    outcome, chance = Outcome(), random.Random(0)
    environment = {"JAX_COMPILATION_CACHE_DIR": str(scratch / "compiled")}
    command = ["--config", "configs/digits.py:smoke", *typed(OVERRIDES), "--workdir"]
    straight = scratch / "straight"
    with outcome.timed():
        if start([*command, str(straight)], scratch / "straight.log", environment=environment).wait() != 0:
            outcome.check(False, f"the straight run: {(scratch / 'straight.log').read_text()[-500:]}")
            return outcome
        expected = call(lambda: digests(straight), scratch)
        outcome.measurements |= {"during a save": 0, "max. steps lost": 0, "max. steps lost outside saves": 0}
        while outcome.tried < count:
            folder, log = scratch / "run", scratch / "run.log"
            shutil.rmtree(folder, ignore_errors=True)
            outcome.count("runs")
            for _ in range(min(KILLS_A_RUN, count - outcome.tried)):
                process = start([*command, str(folder)], log, environment=environment)
                if not _kill(process, folder, outcome, chance):
                    break
            status = start([*command, str(folder)], log, environment=environment).wait()
            if not outcome.check(
                status == 0, f"exit {status} after {outcome.tried} kills: {log.read_text()}"
            ):
                continue
            found = call(lambda folder=folder: digests(folder), scratch)
            different = [name for name in expected if found[name] != expected[name]]
            outcome.check(not different, f"after {outcome.tried} kills, other bits: {', '.join(different)}")
    return outcome


def _kill(process: Process, folder: Path, outcome: Outcome, chance: random.Random) -> bool:
    """Kill a run after its first update, and check the lost steps; return False if it finished before."""
    began = last_step(folder)
    if not process.wait_for(lambda: last_step(folder) > began or (began == 0 and last_step(folder))):
        return False
    target = last_step(folder) + chance.randrange(1, 2 * EVERY_STEPS)
    if outcome.tried % 2:
        process.wait_for(lambda: any(folder.glob("checkpoints/unfinished-*")))
    else:
        process.wait_for(lambda: last_step(folder) >= target)
    if process.poll() is not None:
        return False
    process.kill()
    outcome.tried += 1
    is_during_save = any(folder.glob("checkpoints/unfinished-*"))
    outcome.count("during a save", int(is_during_save))
    latest = max((int(path.name) for path in folder.glob("checkpoints/[0-9]*")), default=0)
    reached = last_step(folder)
    lost = reached - latest
    _update_max(outcome, "max. steps lost", lost)
    begun = (reached - 1) - (reached - 1) % EVERY_STEPS  # the save at `reached` may have to wait for this one
    if is_during_save or latest < begun:
        allowed = latest >= begun - EVERY_STEPS
    else:
        _update_max(outcome, "max. steps lost outside saves", lost)
        allowed = lost <= EVERY_STEPS
    outcome.check(
        allowed, f"kill {outcome.tried} at step {reached}: the latest checkpoint is of step {latest}"
    )
    return True


def _update_max(outcome: Outcome, name: str, lost: int) -> None:
    outcome.measurements[name] = max(int(outcome.measurements.get(name, 0)), lost)
