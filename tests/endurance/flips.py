"""Checkpoints with a flipped bit, with a file that is cut, empty or gone: noticed, named, passed over."""

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
    """Damages a checkpoint with `count` bit flips, one at a time, and each of its files in other ways."""
    outcome, chance = Outcome(), random.Random(0)
    command = ["--config", "configs/digits.py:smoke", *typed(OVERRIDES), "--workdir"]
    environment = {"JAX_COMPILATION_CACHE_DIR": str(scratch / "compiled")}
    straight = scratch / "straight"
    with outcome.timed():
        status = start([*command, str(straight)], scratch / "log", environment=environment).wait()
        if not outcome.check(status == 0, (scratch / "log").read_text()[-500:]):
            return outcome
        newest = max((straight / "checkpoints").glob("[0-9]*"))
        damages = [_flip(newest, chance) for _ in range(count)] + list(_losses(newest, chance))
        for damage in damages:
            _look(straight, newest.name, damage, scratch, outcome)
        outcome.measurements["flips"] = count
        outcome.measurements["other damages"] = len(damages) - count
        expected = call(lambda: digests(straight), scratch)
        for damage in chance.sample(damages, min(COMMANDS, max(1, count // 50))):
            folder = scratch / "resumed"
            _copy(straight, folder)
            (folder / "summary.json").unlink()  # not finished any more
            damage[1](folder / "checkpoints" / newest.name)
            log = scratch / "resumed.log"
            status = start(["--workdir", str(folder)], log, environment=environment).wait()
            said = log.read_text()
            ends_well = status == 0 and f"invalid-{newest.name}" in said
            if outcome.check(ends_well, f"{damage[0]}: exit {status}: {said[-500:]}"):
                found = call(lambda folder=folder: digests(folder), scratch)
                different = [name for name in expected if found[name] != expected[name]]
                outcome.check(not different, f"{damage[0]}: other bits: {', '.join(different)}")
            outcome.count("resumed by command")
    return outcome


def _look(straight: Path, newest: str, damage: Damage, scratch: Path, outcome: Outcome) -> None:
    """Whether one damage is noticed, and which checkpoint is found instead."""
    from rnn_jax.checkpoints import store

    outcome.tried += 1
    folder = scratch / "damaged"
    _copy(straight / "checkpoints", folder)
    damage[1](folder / newest)
    found = store.find(folder)
    is_noticed = len(found.warnings) == 1 and newest in found.warnings[0]
    outcome.check(is_noticed and found.path.name < newest, f"{damage[0]}: {found.path.name} {found.warnings}")


def _flip(checkpoint: Path, chance: random.Random) -> Damage:
    """One bit of one file, every file as likely as any other."""
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


def _losses(checkpoint: Path, chance: random.Random) -> Iterator[Damage]:
    """Every file cut, emptied and deleted."""
    for path in sorted(checkpoint.rglob("*")):
        if not path.is_file():
            continue
        name, size = path.relative_to(checkpoint), path.stat().st_size
        if size:
            shorter = chance.randrange(size)
            for kept in {0, shorter, size - 1}:
                yield f"{name} cut to {kept} bytes", functools.partial(_cut, name, kept)
        yield f"{name} deleted", functools.partial(_delete, name)


def _cut(name: Path, kept: int, folder: Path) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:kept])


def _delete(name: Path, folder: Path) -> None:
    (folder / name).unlink()


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
