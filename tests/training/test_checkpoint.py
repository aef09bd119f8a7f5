"""Checkpoints: what comes back is what went in, or an error that says why not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.runtime.schema import Config
from rnn_jax.training import checkpoint
from rnn_jax.training.build import build
from rnn_jax.training.checkpoint import Progress, restore, save
from rnn_jax.training.program import Program, load
from rnn_jax.training.state import State


@pytest.fixture(scope="module")
def program(tiny: Callable[..., Config]) -> Program:
    where = devices.build(1, devices=1, matmul_precision="float32", allow_device_change=False)
    return load(build(tiny({"optimizer.average_decay": 0.5})), where)


def at(program: Program, step: int) -> State:
    """The program's initial state, but `step` updates old, and different in every leaf that can differ."""
    state = program.init()
    moved = jax.tree.map(lambda leaf: leaf + np.float32(step), (state.parameters, state.averaged))
    return state._replace(step=state.step + step, parameters=moved[0], averaged=moved[1])


def plain(state: State) -> Any:
    return jax.device_get(state._replace(key=jax.random.key_data(state.key)))


def largest_file(folder: Path) -> Path:
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def test_every_leaf_comes_back_bit_for_bit(program: Program, tmp_path: Path) -> None:
    state = at(program, 3)
    progress = Progress(devices=1, best_step=3, best={"accuracy": 0.1 + 0.2}, evaluations_since_best=2)
    save(tmp_path, state, progress, keep=2)
    found, found_progress, damaged = restore(tmp_path, program.init(), "latest")
    jax.tree.map(np.testing.assert_array_equal, plain(found), plain(state))
    assert jax.tree.map(lambda leaf: leaf.dtype, found) == jax.tree.map(lambda leaf: leaf.dtype, state)
    assert found_progress == progress
    assert damaged == []


def test_the_latest_and_the_best_are_kept(program: Program, tmp_path: Path) -> None:
    for step in (1, 2, 3, 4, 5):
        save(tmp_path, at(program, step), Progress(devices=1, best_step=min(step, 2)), keep=2)
    assert checkpoint.steps(tmp_path) == [2, 4, 5]
    best, _, _ = restore(tmp_path, program.init(), "best")
    latest, _, _ = restore(tmp_path, program.init(), "latest")
    assert (int(best.step), int(latest.step)) == (2, 5)


def flip_a_bit(folder: Path) -> None:
    path = largest_file(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(folder: Path) -> None:
    path = largest_file(folder)
    path.write_bytes(path.read_bytes()[:-10])


def lose_a_file(folder: Path) -> None:
    largest_file(folder).unlink()


def spoil_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"state')


def spoil_the_progress(folder: Path) -> None:
    (folder / "progress.json").write_text("")


DAMAGES = [flip_a_bit, truncate, lose_a_file, spoil_the_manifest, spoil_the_progress]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_and_named(
    program: Program, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    for step in (4, 8):
        save(tmp_path, at(program, step), Progress(devices=1, best_step=4), keep=2)
    damage(tmp_path / "00000008")
    found, _, damaged = restore(tmp_path, program.init(), "latest")
    assert int(found.step) == 4
    assert len(damaged) == 1
    assert "00000008" in damaged[0]


@pytest.mark.parametrize("damage", DAMAGES[:4])
def test_best_never_falls_back(program: Program, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    for step in (4, 8):
        save(tmp_path, at(program, step), Progress(devices=1, best_step=4), keep=2)
    damage(tmp_path / "00000004")
    with pytest.raises(CheckpointError, match=r"00000004, the best checkpoint: .*--checkpoint latest"):
        restore(tmp_path, program.init(), "best")


def test_no_valid_checkpoint_at_all(program: Program, tmp_path: Path) -> None:
    save(tmp_path, at(program, 4), Progress(devices=1), keep=2)
    with pytest.raises(CheckpointError, match="nothing was evaluated yet"):
        restore(tmp_path, program.init(), "best")
    flip_a_bit(tmp_path / "00000004")
    with pytest.raises(CheckpointError, match=r"no valid checkpoint .*checksum") as caught:
        restore(tmp_path, program.init(), "latest")
    assert caught.value.exit_status == 4


def test_what_a_killed_save_left_is_no_checkpoint_and_is_cleared(program: Program, tmp_path: Path) -> None:
    save(tmp_path, at(program, 4), Progress(devices=1), keep=2)
    (tmp_path / "unfinished-00000008" / "state").mkdir(parents=True)
    assert checkpoint.steps(tmp_path) == [4]
    save(tmp_path, at(program, 8), Progress(devices=1), keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000004", "00000008"]


def test_a_step_can_be_saved_again(program: Program, tmp_path: Path) -> None:
    save(tmp_path, at(program, 4), Progress(devices=1), keep=2)
    save(tmp_path, at(program, 4), Progress(devices=2), keep=2)
    _, progress, _ = restore(tmp_path, program.init(), "latest")
    assert progress.devices == 2


def test_when_checkpoints_are_due() -> None:
    keeper = checkpoint.build(save_every_steps=5, save_every_seconds=60.0, keep=1)
    assert [step for step in range(1, 12) if keeper.due(step, 0.0)] == [5, 10]
    assert keeper.due(1, 60.0)
    never = checkpoint.build(save_every_steps=None, save_every_seconds=None, keep=1)
    assert not never.due(5, 1e9)
