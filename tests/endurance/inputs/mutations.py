"""Damaged data files: each is rejected with a short error, or read as valid data.

A trial takes small valid files of one kind, changes one of them, and reads them as a run does. Reading may
raise only UserError, with a message of one or two lines that names a file, and so may reading as `predict`
does for a model that was trained on the valid files. It must not raise a warning of Python, unpickle, take
more than a few seconds, or use a gigabyte of memory. A wrong magic number, count or label must be rejected.
Data that is read must be valid: labels in range, consistent counts, finite values.
"""

import collections
import contextlib
import io
import resource
import shutil
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import byte_changes
import folder_kinds
import image_kinds
import run_kinds
import sequence_kinds
import table_kinds
import text_kinds
from hypothesis import HealthCheck, given, seed, settings, strategies
from kind import Files, Kind, digest_of, first_of
from outcomes import Outcome

from rnn_jax.runtime.errors import StorageError, UserError

COUNT = 8000
SEED = 20_261_126
SECONDS = 5.0
MEBIBYTES = 700
"""The limit on the growth of the process's memory in one trial."""
_unpickled: list[str] = []


class Overtime(BaseException):
    """Raised in a trial that takes longer than `SECONDS`."""


def measure(scratch: Path, count: int) -> Outcome:
    """Run `count` trials, about equally many of each kind."""
    outcome = Outcome(measurements={"seed": SEED})
    seconds: collections.Counter[str] = collections.Counter()
    _watch_pickles()
    kinds = dict[str, Kind]()
    for some in (image_kinds, folder_kinds, sequence_kinds, text_kinds, table_kinds, run_kinds):
        kinds |= some.kinds()
    for number, (name, kind) in enumerate(kinds.items()):
        share = count // len(kinds) + (number < count % len(kinds))
        with outcome.timed():
            began = time.perf_counter()
            _series(scratch / str(number), name, kind, share, SEED + number, outcome)
            seconds[name] = round(1000 * (time.perf_counter() - began) / max(1, share))
    outcome.measurements["slowest kind"] = ", ".join(
        f"{name}, {ms} ms" for name, ms in seconds.most_common(1)
    )
    return outcome


def _series(scratch: Path, name: str, kind: Kind, count: int, seed_of_kind: int, outcome: Outcome) -> None:
    """Run the trials of one kind."""
    if count == 0:
        return
    valid = _try(scratch, kind, kind.files)
    expected = "accepted" if kind.is_valid else "rejected"
    outcome.check(valid[0] == expected, f"{name}: the original files are {valid[0]}: {valid[1]}")
    ways = [
        strategies.tuples(strategies.just(""), strategies.integers(0, 9), byte_changes.changes(kind.also))
    ]
    if changes := {**kind.wrong, **kind.other}:
        chosen = strategies.sampled_from(sorted(changes))
        ways.append(strategies.tuples(chosen, byte_changes.PLACES, strategies.just([])))

    @seed(seed_of_kind)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(strategies.one_of(*ways))
    def trial(way: tuple[str, int, list[byte_changes.Change]]) -> None:
        files = changes[way[0]](kind.files, way[1]) if way[0] else _damage(kind, way[1], way[2])
        outcome.tried += 1
        if files == kind.files:
            outcome.count("unchanged")
            return
        verdict, result = _try(scratch, kind, files)
        outcome.count(verdict)
        where = f"{name}, {way[0] or 'damaged'}: {_shown(files, kind)}"
        if verdict not in ("accepted", "rejected"):
            outcome.check(False, f"{where}: {result}")
        elif way[0] in kind.wrong:
            outcome.check(verdict == "rejected", f"{where}: was accepted")
        elif kind.is_exact and way[1] < 5 and verdict == "accepted":
            same = digest_of(result) == digest_of(valid[1])
            outcome.check(same, f"{where}: was accepted, and has other contents")

    trial()


def _damage(kind: Kind, number: int, changes: list[byte_changes.Change]) -> Files:
    """Return the files with the first one changed: its bytes, or half of the time its decoded contents."""
    name = first_of(kind.files)
    data = kind.files[name]
    for change in changes:
        data = change(data) if number < 5 else _within(kind, data, change, number)
    return {**kind.files, name: data}


def _within(kind: Kind, data: bytes, change: byte_changes.Change, number: int) -> bytes:
    try:
        return kind.within(data, change, number)
    except Exception:  # an earlier change made the file impossible to decode
        return change(data)


def _try(scratch: Path, kind: Kind, files: Files) -> tuple[str, Any]:
    """Write and read files; return a verdict, and what was read or the message."""
    shutil.rmtree(scratch, ignore_errors=True)
    folder = scratch / "files"
    for name, data in files.items():
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(data)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _unpickled.clear()
    verdict = _verdict(lambda: kind.read(folder), scratch)
    if (predict := kind.predict) is not None and verdict[0] in ("accepted", "rejected"):
        predicted = _verdict(lambda: predict(folder), scratch)
        if predicted[0] not in ("accepted", "rejected"):
            verdict = (f"{predicted[0]} of predict", f"predict: {predicted[1]}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) >> 10
    if grown > MEBIBYTES:
        return "too much memory", f"{grown:,} MiB"
    return ("unpickled", str(_unpickled)) if _unpickled else verdict


def _verdict(read: Callable[[], Any], scratch: Path) -> tuple[str, Any]:
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), _limited():
            warnings.simplefilter("error")
            return "accepted", read()
    except StorageError as error:
        return "out of memory", str(error)
    except UserError as error:
        message = str(error)
        fits = message.count("\n") < 2 and len(message) < 1_000 and str(scratch) in message
        return ("rejected", message) if fits else ("bad message", message[:2_000])
    except Overtime:
        return "slow", f"more than {SECONDS} s"
    except AssertionError as error:
        return "invalid data", str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic of a library in Rust is a BaseException
        return "traceback", f"{type(error).__name__}: {error}"[:300]


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Raise `Overtime` after `SECONDS`, in the main thread."""
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
    """Record every class that a pickle looks up."""
    global _watching
    if not _watching:
        sys.addaudithook(_record)
        _watching = True


_watching = False


def _record(event: str, details: tuple[Any, ...]) -> None:
    if event == "pickle.find_class":
        _unpickled.append(str(details))


def _shown(files: Files, kind: Kind) -> str:
    """Describe the difference from the valid file, in enough detail to write a test."""
    for name, data in files.items():
        if (old := kind.files.get(name)) is None:
            return f"{name} is new, of {sorted(files)}"[:600]
        if data != old:
            at = next(
                (at for at, pair in enumerate(zip(data, old, strict=False)) if pair[0] != pair[1]), None
            )
            at = min(len(data), len(old)) if at is None else at
            return f"{name} ({len(old)} -> {len(data)} bytes), from {at} on {data[at : at + 60]!r}"
    return f"without {sorted(set(kind.files) - set(files))}"
