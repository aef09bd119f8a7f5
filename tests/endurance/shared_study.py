"""Random kills (`kill -9`) of the workers of one study: every trial ends exactly once, and none is lost.

With the full count, the workers are `python -m rnn_jax.sweep`, whose trials are small runs. With fewer kills,
the workers call the same study functions, but their trials train nothing.
"""

import json
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from outcomes import Outcome
from processes import SMALL, Process, call, digests, start, typed

COUNT = 20
TRIALS = 40
TRIALS_PER_KILL = 2
"""The number of trials per kill, with fewer kills than the full count."""
HEARTBEAT_SECONDS = 1
IN_COMMIT = 9
"""The number of the commit during which the first worker is killed."""
STUDY = "shared"
OVERRIDES = SMALL | {
    "train.duration_steps": 400,
    "train.evaluate_every_steps": 100,
    "checkpoint.every_steps": 50,
    "log.every_steps": 10,
}
SWEEP = """\
def get_sweep():
    rate, clip = dict(log_uniform=(1e-4, 1e-1)), dict(uniform=(0.1, 9.0))
    ranges = {"optimizer.learning_rate": rate, "optimizer.clip_norm": clip}
    return dict(ranges=ranges, num_trials=DRAWS, pruner=dict(kind="percentile"))
"""

Begin = Callable[[bool], Process]
"""Start a worker; True if it must kill itself during a commit."""


def measure(scratch: Path, count: int, url: str, workers: int) -> Outcome:
    """Kill `count` times, the first time during a commit; then wait until the workers end the study."""
    outcome, chance, is_full = Outcome(), random.Random(0), count >= COUNT
    trials = TRIALS if is_full else TRIALS_PER_KILL * count
    begin = (_real if is_full else _trivial)(scratch, url, trials)
    with outcome.timed():
        active = [begin(number == 0) for number in range(workers)]
        killed = list[int]()
        while outcome.tried < count:
            pause = chance.expovariate(1 / 3) if is_full else chance.uniform(0.0, 0.5)
            number = _kill_one(active, pause, outcome, chance)
            if not outcome.check(number is not None, f"the study ended after {outcome.tried} kills"):
                break
            assert number is not None
            killed.append(active[number].pid)
            active[number] = begin(False)
        for process in active:
            status = process.wait(1200)
            outcome.check(status == 0, f"a worker ended with {status}: {process.output()[-700:]}")
        stored = call(lambda: _stored(url), scratch)
        _check(stored, killed, trials, outcome)
        if is_full:
            _check_runs(stored, scratch, outcome)
    outcome.measurements |= {"trials": trials, "workers": workers}
    return outcome


def _kill_one(active: list[Process], pause: float, outcome: Outcome, chance: random.Random) -> int | None:
    """Kill a random worker that has a trial, after a pause; return its number, or None if all have ended.

    The first time, wait for worker 0, which kills itself during a commit.
    """
    if outcome.tried == 0:
        if active[0].wait(120) != -signal.SIGKILL:
            return None
        outcome.count("during a commit")
        outcome.tried += 1
        return 0
    time.sleep(pause)
    while alive := [number for number, process in enumerate(active) if process.poll() is None]:
        busy = [number for number in alive if _has_begun(active[number])]
        if busy:
            number = chance.choice(busy)
            active[number].kill()
            outcome.tried += 1
            return number
        time.sleep(0.05)
    return None


def _has_begun(process: Process) -> bool:
    return process.log.exists() and re.search(r"trial \d+:", process.output()) is not None


def _real(scratch: Path, url: str, trials: int) -> Begin:
    """Return a function that starts workers which are commands."""
    file = scratch / "sweep.py"
    file.write_text(SWEEP.replace("DRAWS", str(trials)))
    command = ["--config", "configs/digits.py:smoke", *typed(OVERRIDES), "--sweep", str(file)]
    command += ["--storage", url, "--study", STUDY, "--heartbeat", str(HEARTBEAT_SECONDS)]
    command += ["--workdir", str(scratch / "sweep")]
    environment = {"JAX_COMPILATION_CACHE_DIR": str(scratch / "compiled")}
    logs = iter(scratch / f"worker-{number}.log" for number in range(10_000))

    def begin(dies: bool) -> Process:
        before = _die_in_a_commit if dies else lambda: None
        return start(command, next(logs), command="sweep", environment=environment, before=before)

    return begin


def _trivial(scratch: Path, url: str, trials: int) -> Begin:
    """Return a function that starts workers whose trials last two seconds and train nothing."""
    logs = iter(scratch / f"worker-{number}.log" for number in range(10_000))

    def begin(dies: bool) -> Process:
        def run() -> None:
            if dies:
                _die_in_a_commit()
            _work(url, trials)
            os._exit(0)

        return start([], next(logs), before=run)

    return begin


def _open(url: str, trials: int) -> Any:
    from rnn_jax.config.objective import Objective
    from rnn_jax.sweeping import definition
    from rnn_jax.sweeping.command import StudyOptions
    from rnn_jax.sweeping.study.study import open_study

    fields = {"ranges": {"x": {"uniform": (0.0, 1.0)}}, "num_trials": trials}
    sweep = definition.check(fields, "trivial", in_study=True)
    options = StudyOptions(url, STUDY, 1, HEARTBEAT_SECONDS)
    settings = {"content": {"sweep": "trivial"}, "versions": {}, "commit": None}
    return open_study(options, sweep, [], Objective("loss", "min"), settings)


def _work(url: str, trials: int) -> None:
    """Run trivial trials until the study has ended."""

    def run(trial: Any) -> float:
        print(f"trial {trial.number}: started", flush=True)
        for evaluation in range(1, 11):
            time.sleep(0.2)
            trial.report(evaluation, trial.point["x"])
        return (trial.point["x"] - 0.3) ** 2

    study = _open(url, trials)
    while study.num_unfinished():
        if not study.run_next(run):
            time.sleep(0.1)


def _die_in_a_commit() -> None:
    """Make this process kill itself during one of its commits to the database."""
    import threading

    from sqlalchemy import Engine, event

    commits = 0

    def commit(connection: Any) -> None:
        nonlocal commits
        commits += 1
        if commits == IN_COMMIT:
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGKILL)).start()

    event.listen(Engine, "commit", commit)


def _stored(url: str) -> list[dict[str, Any]]:
    """Return all trials in the database."""
    import optuna

    from rnn_jax.sweeping.study import trials
    from rnn_jax.sweeping.study.storage import connect

    study = optuna.load_study(study_name=STUDY, storage=connect(url, HEARTBEAT_SECONDS))
    return [
        {
            "number": trial.number,
            "origin": trials.first_number(trial),
            "state": trial.state.name,
            "value": trial.value,
            "notes": trial.user_attrs,
            "surplus": trial.user_attrs.get(trials.SUPERFLUOUS) == trial.number,
        }
        for trial in study.get_trials()
    ]


def _check(stored: list[dict[str, Any]], killed: list[int], trials: int, outcome: Outcome) -> None:
    """Check that each trial ended once, and that none was taken from a live worker."""
    done = [row for row in stored if row["state"] in ("COMPLETE", "PRUNED") or "reason" in row["notes"]]
    ends = Counter(row["origin"] for row in done)
    outcome.check(len(ends) == trials, f"{len(ends)} of {trials} trials have ended")
    twice = [number for number, count in ends.items() if count > 1]
    outcome.check(not twice, f"ended more than once: {twice}")
    left = [row["number"] for row in stored if row["state"] in ("RUNNING", "WAITING")]
    outcome.check(not left, f"neither ended nor requeued: {left}")
    requeued = [row for row in stored if row["state"] == "FAIL" and row not in done and not row["surplus"]]
    for row in requeued:
        worker = row["notes"].get("worker", [None, None])[1]
        is_own = row["notes"].get("started") == row["number"]
        outcome.check(not is_own or worker in killed, f"trial {row['number']} was taken from a live worker")
    for row in done:
        reason = row["notes"].get("reason") if row["state"] == "FAIL" else None
        outcome.check(reason is None, f"trial {row['origin']} failed: {reason}")
    outcome.measurements |= {
        "requeued": len(requeued),
        "surplus trials": sum(row["surplus"] for row in stored),
        "pruned": sum(row["state"] == "PRUNED" for row in done),
    }


def _check_runs(stored: list[dict[str, Any]], scratch: Path, outcome: Outcome) -> None:
    """Check that the study has the results of the runs, and results.jsonl the trials of the study."""
    for row in stored:
        if row["state"] != "COMPLETE":
            continue
        summary = json.loads((scratch / "sweep" / row["notes"]["folder"] / "summary.json").read_text())
        outcome.check(
            summary["status"] == "finished" and summary["best"]["accuracy"] == row["value"],
            f"trial {row['number']}: {row['value']} in the study, and {summary} in its folder",
        )
    rows = [json.loads(line) for line in (scratch / "sweep" / "results.jsonl").read_text().splitlines()]
    outcome.check(
        sorted(row["trial"] for row in rows)
        == sorted({row["origin"] for row in stored if not row["surplus"]}),
        "results.jsonl has other trials",
    )
    outcome.check(
        sum(row["test"] is not None for row in rows) == 1, "test was not evaluated for exactly one trial"
    )
    _check_bits(stored, scratch, outcome)


def _check_bits(stored: list[dict[str, Any]], scratch: Path, outcome: Outcome) -> None:
    """Check that resumed trials have the same bits as uninterrupted runs."""
    resumed = [
        row["notes"]["folder"]
        for row in stored
        if row["state"] == "COMPLETE"
        and "resuming after step" in (scratch / "sweep" / row["notes"]["folder"] / "output.txt").read_text()
    ]
    outcome.measurements["resumed from a checkpoint and completed"] = len(resumed)
    for name in resumed[:3]:
        there, straight = scratch / "sweep" / name, scratch / "straight" / name
        straight.mkdir(parents=True)
        (straight / "config.json").write_bytes((there / "config.json").read_bytes())
        status = start(["--workdir", str(straight)], scratch / "straight.log").wait()
        outcome.check(status == 0, f"uninterrupted run: exit {status}")
        found, expected = (
            call(lambda folder=folder: digests(folder), scratch) for folder in (there, straight)
        )
        different = [part for part in expected if found[part] != expected[part]]
        outcome.check(not different, f"{name}: other bits: {', '.join(different)}")
        outcome.count("of these, compared with an uninterrupted run")
