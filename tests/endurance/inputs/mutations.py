"""Data files that are spoilt: whatever is done to them, they are refused in a line or make sense.

A trial takes small valid files of one kind, changes one of them, and reads them as a run would. Nothing but
UserError may be raised, in a line or two that name a file, no warning shown, nothing unpickled; a wrong magic
number, count or label must be refused; it takes seconds at most, and no gigabyte. What was read must make
sense: labels in their range, counts as the arrays have them, finite numbers.
"""

import collections
import resource
import shutil
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import image_kinds
import run_kinds
import sequence_kinds
import spoiling
import text_kinds
from hypothesis import HealthCheck, given, seed, settings, strategies
from kind import Files, Kind, digest_of, first_of
from outcomes import Outcome

from rnn_jax.runtime.errors import StorageError, UserError

COUNT = 5000
SEED = 20_261_126
SECONDS = 5.0
MEBIBYTES = 700
"""By which the memory of the process may grow in one trial."""
_unpickled: list[str] = []


class Overtime(BaseException):
    """A trial takes too long."""


def measure(scratch: Path, count: int) -> Outcome:
    """Spoils files so many times, each kind about equally often."""
    outcome = Outcome(measurements={"seed": SEED})
    seconds: collections.Counter[str] = collections.Counter()
    _watch_pickles()
    kinds = dict[str, Kind]()
    for some in (image_kinds, sequence_kinds, text_kinds, run_kinds):
        kinds |= some.kinds()
    for number, (name, kind) in enumerate(kinds.items()):
        share = count // len(kinds) + (number < count % len(kinds))
        with outcome.timed():
            began = time.perf_counter()
            _series(scratch / str(number), name, kind, share, SEED + number, outcome)
            seconds[name] = round(1000 * (time.perf_counter() - began) / max(1, share))
    outcome.measurements["slowest_kind"] = ", ".join(
        f"{name}: {ms} ms" for name, ms in seconds.most_common(1)
    )
    return outcome


def _series(scratch: Path, name: str, kind: Kind, count: int, drawn_by: int, outcome: Outcome) -> None:
    """The trials of one kind."""
    if count == 0:
        return
    sound = _once(scratch, kind, kind.files)
    expects = sound[0] == "read" or name.startswith("IMDB")
    outcome.check(expects, f"{name}: the valid files are refused: {sound[1]}")
    ways = [strategies.tuples(strategies.just(""), strategies.integers(0, 9), spoiling.changes(kind.also))]
    if kind.wrong:
        chosen = strategies.sampled_from(sorted(kind.wrong))
        ways.append(strategies.tuples(chosen, spoiling.PLACES, strategies.just([])))

    @seed(drawn_by)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(strategies.one_of(*ways))
    def trial(way: tuple[str, int, list[spoiling.Change]]) -> None:
        files = kind.wrong[way[0]](kind.files, way[1]) if way[0] else _spoil(kind, way[1], way[2])
        outcome.tried += 1
        if files == kind.files:
            outcome.count("unchanged")
            return
        verdict, said = _once(scratch, kind, files)
        outcome.count(verdict)
        where = f"{name}, {way[0] or 'spoilt'}: {_shown(files, kind)}"
        if verdict not in ("read", "refused"):
            outcome.check(False, f"{where}: {said}")
        elif way[0]:
            outcome.check(verdict == "refused", f"{where}: was accepted")
        elif kind.is_exact and way[1] < 5 and verdict == "read":
            same = digest_of(said) == digest_of(sound[1])
            outcome.check(same, f"{where}: was accepted, and is not what it was")

    trial()


def _spoil(kind: Kind, number: int, changes: list[spoiling.Change]) -> Files:
    """The files with one of them changed: every other time inside of what is packed."""
    name = first_of(kind.files)
    data = kind.files[name]
    for change in changes:
        data = change(data) if number < 5 else _within(kind, data, change, number)
    return {**kind.files, name: data}


def _within(kind: Kind, data: bytes, change: spoiling.Change, number: int) -> bytes:
    try:
        return kind.within(data, change, number)
    except Exception:  # an earlier change has left nothing to unpack
        return change(data)


def _once(scratch: Path, kind: Kind, files: Files) -> tuple[str, Any]:
    """Reads some files: what came of it, and what was read or said."""
    shutil.rmtree(scratch, ignore_errors=True)
    folder = scratch / "files"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _unpickled.clear()
    verdict = _verdict(lambda: kind.read(folder), scratch)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) >> 10
    if grown > MEBIBYTES:
        return "greedy", f"{grown:,} MiB"
    return ("unpickled", str(_unpickled)) if _unpickled else verdict


def _verdict(read: Callable[[], Any], scratch: Path) -> tuple[str, Any]:
    try:
        with warnings.catch_warnings(), _limited():
            warnings.simplefilter("error")
            return "read", read()
    except StorageError as error:
        return "out of memory", str(error)
    except UserError as error:
        said = str(error)
        fits = said.count("\n") < 2 and len(said) < 1_000 and str(scratch) in said
        return ("refused", said) if fits else ("no error for people", said[:2_000])
    except Overtime:
        return "slow", f"more than {SECONDS} s"
    except AssertionError as error:
        return "senseless", str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a library in Rust panics with one of those
        return "traceback", f"{type(error).__name__}: {error}"[:300]


@contextmanager
def _limited() -> Iterator[None]:
    """Ends what takes too long, where that can be done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise Overtime

    old = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def _watch_pickles() -> None:
    """Notes whatever is looked up by a pickle that is read."""
    global _watching
    if not _watching:
        sys.addaudithook(_note)
        _watching = True


_watching = False


def _note(event: str, details: tuple[Any, ...]) -> None:
    if event == "pickle.find_class":
        _unpickled.append(str(details))


def _shown(files: Files, kind: Kind) -> str:
    """What differs of a file: enough to make a test of it."""
    for name, data in files.items():
        if data != kind.files[name]:
            old = kind.files[name]
            at = next(
                (at for at, pair in enumerate(zip(data, old, strict=False)) if pair[0] != pair[1]), None
            )
            at = min(len(data), len(old)) if at is None else at
            return f"{name} ({len(old)} -> {len(data)} bytes), from {at} on {data[at : at + 60]!r}"
    return "nothing"
