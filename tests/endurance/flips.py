"""Checkpoints with a flipped bit, or with a truncated, empty or missing file: reported and not used."""

import functools
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from outcomes import Outcome
from processes import SMALL, call, digests, start, typed

COUNT = 1000
COMMANDS = 20
OVERRIDES = SMALL | {
    "train.duration_steps": 60,
    "train.evaluate_every_steps": 20,
    "checkpoint.every_steps": 10,
    "checkpoint.keep_latest": 3,
}

Damage = tuple[str, Callable[[Path], None]]


def measure(scratch: Path, count: int) -> Outcome:
    """Damage a checkpoint by `count` bit flips, one at a time, and each of its files in other ways."""
    outcome, chance = Outcome(), random.Random(0)
    command = ["--config", "configs/digits.py:smoke", *typed(OVERRIDES), "--workdir"]
    environment = {"JAX_COMPILATION_CACHE_DIR": str(scratch / "compiled")}
    straight = scratch / "straight"
    with outcome.timed():
        status = start([*command, str(straight)], scratch / "log", environment=environment).wait()
        if not outcome.check(status == 0, (scratch / "log").read_text()[-500:]):
            return outcome
        newest = max((straight / "checkpoints").glob("[0-9]*"))
        damages = [_flip(newest, chance) for _ in range(count)] + list(_file_damages(newest, chance))
        for damage in damages:
            _check(straight, newest.name, damage, scratch, outcome)
        outcome.measurements["bit flips"] = count
        outcome.measurements["other damage"] = len(damages) - count
        expected = call(lambda: digests(straight), scratch)
        for damage in chance.sample(damages, min(COMMANDS, max(1, count // 50))):
            folder = scratch / "resumed"
            _copy(straight, folder)
            (folder / "summary.json").unlink()  # so that the run is unfinished
            damage[1](folder / "checkpoints" / newest.name)
            log = scratch / "resumed.log"
            status = start(["--workdir", str(folder)], log, environment=environment).wait()
            output = log.read_text()
            ends_well = status == 0 and f"invalid-{newest.name}" in output
            if outcome.check(ends_well, f"{damage[0]}: exit {status}: {output[-500:]}"):
                found = call(lambda folder=folder: digests(folder), scratch)
                different = [name for name in expected if found[name] != expected[name]]
                outcome.check(not different, f"{damage[0]}: other bits: {', '.join(different)}")
            outcome.count("whole runs resumed")
    return outcome


def _check(straight: Path, newest: str, damage: Damage, scratch: Path, outcome: Outcome) -> None:
    """Check that the damage is reported and that an earlier checkpoint is found."""
    from rnn_jax.checkpoints import store

    outcome.tried += 1
    folder = scratch / "damaged"
    _copy(straight / "checkpoints", folder)
    damage[1](folder / newest)
    found = store.find(folder)
    is_reported = len(found.warnings) == 1 and newest in found.warnings[0]
    outcome.check(
        is_reported and found.path.name < newest, f"{damage[0]}: {found.path.name} {found.warnings}"
    )


def _flip(checkpoint: Path, chance: random.Random) -> Damage:
    """Return the flip of a random bit of a random file; all files are equally likely."""
    files = [path for path in sorted(checkpoint.rglob("*")) if path.is_file() and path.stat().st_size]
    path = chance.choice(files)
    name, place, bit = (
        path.relative_to(checkpoint),
        chance.randrange(path.stat().st_size),
        chance.randrange(8),
    )

    def damage(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[place] ^= 1 << bit
        (folder / name).write_bytes(content)

    return f"bit {bit} of byte {place} of {name}", damage


def _file_damages(checkpoint: Path, chance: random.Random) -> Iterator[Damage]:
    """Yield for every file its truncation, emptying and deletion."""
    for path in sorted(checkpoint.rglob("*")):
        if not path.is_file():
            continue
        name, size = path.relative_to(checkpoint), path.stat().st_size
        if size:
            shorter = chance.randrange(size)
            for kept in {0, shorter, size - 1}:
                yield f"{name} truncated to {kept} bytes", functools.partial(_truncate, name, kept)
        yield f"{name} deleted", functools.partial(_delete, name)


def _truncate(name: Path, kept: int, folder: Path) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:kept])


def _delete(name: Path, folder: Path) -> None:
    (folder / name).unlink()


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
