"""The log of a run."""

import io
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax.config import sections
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.console import build_console
from rnn_jax.reporting.log import Log, read_lines


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[list[Log]]:
    opened: list[Log] = []
    yield opened
    for log in opened:
        log.close()


def open_log(folder: Path, logs: list[Log], *, tensorboard: bool = False) -> Log:
    console = build_console(io.StringIO())
    settings = sections.Log(
        every_steps=5, batch_accuracy_every_steps=None, sample_tokens=None, tensorboard=tensorboard
    )
    log = Log(RunFolder(folder), console, settings)
    logs.append(log)
    return log


def events(folder: Path) -> list[tuple[int, str, float]]:
    """(step, name, value) of all events in a folder; the name of a session start is 'start'.

    A record has the length of its data, a checksum of the length, the data, and a checksum of the data.
    """
    from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

    found = []
    for file in sorted(folder.glob("events.out.tfevents.*")):
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            if event.HasField("session_log"):
                found.append((event.step, "start", event.session_log.status))
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            data = data[16 + length :]
    return found


def test_metrics_are_json_lines(tmp_path: Path, logs: list[Log]) -> None:
    log = open_log(tmp_path, logs)
    float32_half: Any = np.float32(0.5)
    log.metrics(5, "train", {"loss": float32_half, "accuracy": 0.25})
    log.metrics(10, "validation", {"loss": float("nan"), "accuracy": np.float64("inf"), "wrong": 3})
    log.timing(5, {"examples_per_second": 100.5})
    assert (tmp_path / "metrics.jsonl").read_text() == (
        '{"step": 5, "split": "train", "loss": 0.5, "accuracy": 0.25}\n'
        '{"step": 10, "split": "validation", "loss": null, "accuracy": null, "wrong": 3}\n'
    )
    assert (tmp_path / "timing.jsonl").read_text() == '{"step": 5, "examples_per_second": 100.5}\n'
    assert not list(tmp_path.glob("events.*"))


@pytest.mark.parametrize("torn", ["", '{"step": 1, "lo', '{"step": 1}', "\0\0\0"])
def test_resuming_drops_later_steps_and_a_torn_line(tmp_path: Path, logs: list[Log], torn: str) -> None:
    first = open_log(tmp_path, logs)
    for step in (5, 10, 15):
        first.metrics(step, "train", {"loss": float(step)})
        first.timing(step, {"rate": 1.0})
    first.close()
    logs.clear()
    for name in ("metrics.jsonl", "timing.jsonl"):
        with (tmp_path / name).open("a") as file:
            file.write(torn)

    second = open_log(tmp_path, logs)
    second.resume(10)
    second.metrics(15, "train", {"loss": 0.0})
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [
        {"step": 5, "split": "train", "loss": 5.0},
        {"step": 10, "split": "train", "loss": 10.0},
        {"step": 15, "split": "train", "loss": 0.0},
    ]
    assert [row["step"] for row in read_lines(tmp_path / "timing.jsonl")] == [5, 10]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.jsonl", "timing.jsonl"]


def test_test_metrics_are_dropped_whatever_their_step(tmp_path: Path, logs: list[Log]) -> None:
    log = open_log(tmp_path, logs)
    for step, split in ((5, "validation"), (10, "validation"), (5, "test"), (10, "last_tenth")):
        log.metrics(step, split, {"loss": 1.0})
    log.resume(10, 10)
    found = [(row["step"], row["split"]) for row in read_lines(tmp_path / "metrics.jsonl")]
    assert found == [(5, "validation"), (10, "validation")]


def test_reading_skips_damaged_lines(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_lines(path) == []
    path.write_bytes(b'{"step": 1}\n{"st\n\0\0\n{"step": 2}\n{"step": 3}')
    assert read_lines(path) == [{"step": 1}, {"step": 2}]


def test_event_files_have_the_same_values(tmp_path: Path, logs: list[Log]) -> None:
    log = open_log(tmp_path, logs, tensorboard=True)
    log.metrics(5, "train", {"loss": 0.5, "accuracy": float("nan")})
    log.timing(5, {"examples_per_second": 64.0})
    log.close()
    logs.clear()
    resumed = open_log(tmp_path, logs, tensorboard=True)
    resumed.resume(5)
    resumed.metrics(10, "validation", {"loss": 0.25})
    resumed.flush_events()
    assert events(tmp_path) == [
        (0, "start", 1),
        (5, "train/loss", 0.5),
        (5, "timing/examples_per_second", 64.0),
        (6, "start", 1),
        (10, "validation/loss", 0.25),
    ]


def test_lines_are_written_at_once_and_synchronized_by_flush(
    tmp_path: Path, logs: list[Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    log = open_log(tmp_path, logs)
    log.metrics(1, "train", {"loss": 1.0})
    assert read_lines(tmp_path / "metrics.jsonl") == [{"step": 1, "split": "train", "loss": 1.0}]
    assert not synced
    log.flush()
    assert len(synced) == 2
