"""Test metrics are logged once, at the step of the checkpoint that was tested."""

from pathlib import Path
from typing import Any

import pytest
from tiny import build_tiny

from rnn_jax.reporting.console import Console
from rnn_jax.reporting.log import Events, read_lines
from rnn_jax.training.run import train
from rnn_jax.training.summary import Summary

UNSTABLE = {
    "optimizer.learning_rate": 3.0,  # the loss is lowest at the first evaluation
    "optimizer.schedule": "constant",
    "train.objective": "loss",
    "train.duration_steps": 8,
}


def rows_of_test(folder: Path) -> list[dict[str, Any]]:
    return [row for row in read_lines(folder / "metrics.jsonl") if row["split"] == "test"]


def test_test_metrics_stand_at_the_best_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in TensorBoard, and once, however often the run is stopped or trained for longer."""
    written: list[tuple[int, str]] = []
    monkeypatch.setattr(Events, "add", lambda self, step, group, values: written.append((step, group)))
    write = Summary.write

    def kill(self: Summary, status: str, *arguments: Any, **more: Any) -> Any:
        if status == "finished":
            raise KeyboardInterrupt
        return write(self, status, *arguments, **more)

    with monkeypatch.context() as killing:
        killing.setattr(Summary, "write", kill)
        with pytest.raises(KeyboardInterrupt):
            train(build_tiny(UNSTABLE | {"log.tensorboard": True}), tmp_path, console=Console())
    assert len(rows_of_test(tmp_path)) == 1
    for steps in (8, 12):
        changes = UNSTABLE | {"log.tensorboard": True, "train.duration_steps": steps}
        summary = train(build_tiny(changes), tmp_path, console=Console())
        best = summary["best"]["step"]
        assert best < summary["step"] == steps
        assert rows_of_test(tmp_path) == [{"step": best, "split": "test", **summary["test"]}]
    assert {step for step, group in written if group == "test"} == {best}
