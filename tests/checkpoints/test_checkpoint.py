"""Checkpoints: what comes back is what went in, or an error that says why not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from rnn_jax.checkpoints import arrays, checkpoint, manifest
from rnn_jax.checkpoints.checkpoint import restore
from rnn_jax.checkpoints.retention import Keeper
from rnn_jax.config.schema import Config
from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.training.build import build
from rnn_jax.training.program import Program, load
from rnn_jax.training.progress import Progress
from rnn_jax.training.state import State


@pytest.fixture(scope="module")
def program(tiny: Callable[..., Config]) -> Program:
    where = devices.build_devices(1, devices=1, matmul_precision="float32", allow_device_change=False)
    return load(build(tiny({"optimizer.average_decay": 0.5})), where)


def at(program: Program, step: int) -> State:
    """The program's initial state, but `step` updates old, and different in every leaf that can differ."""
    state = program.init()
    moved = jax.tree.map(lambda leaf: leaf + np.float32(step), (state.parameters, state.averaged))
    return state._replace(step=state.step + step, parameters=moved[0], averaged=moved[1])


def save(folder: Path, state: State, progress: Progress) -> None:
    """Writes a checkpoint, of which the two latest and the best stay."""
    tree = jax.tree.map(np.asarray, arrays.plain(state._asdict()))
    checkpoint.write(folder, int(state.step), tree, progress.to_json())
    checkpoint.remove_superfluous(folder, Keeper(None, None, keep_latest=2, keep_best=1), "max")


def plain(state: State) -> Any:
    return jax.device_get(state._replace(key=jax.random.key_data(state.key)))


def largest_file(folder: Path) -> Path:
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def test_every_leaf_comes_back_bit_for_bit(program: Program, tmp_path: Path) -> None:
    state = at(program, 3)
    progress = Progress(devices=1, best_step=3, best={"accuracy": 0.1 + 0.2}, evaluations_since_best=2)
    save(tmp_path, state, progress)
    found, found_progress, damaged = restore(tmp_path, program.init(), "latest")
    jax.tree.map(np.testing.assert_array_equal, plain(found), plain(state))
    assert jax.tree.map(lambda leaf: leaf.dtype, found) == jax.tree.map(lambda leaf: leaf.dtype, state)
    assert found_progress == progress
    assert damaged == []


def test_the_latest_and_the_best_are_kept(program: Program, tmp_path: Path) -> None:
    for step, figure in zip((1, 2, 3, 4, 5), (0.1, 0.5, 0.5, 0.2, 0.3), strict=True):
        progress = Progress(devices=1, best_step=min(step, 2), evaluated_at=step, figure=figure)
        save(tmp_path, at(program, step), progress)
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


def add_a_file(folder: Path) -> None:
    (folder / "state" / "more").write_text("")


def put_a_link(folder: Path) -> None:
    path = largest_file(folder)
    path.rename(folder.parent / "elsewhere")
    path.symlink_to(folder.parent / "elsewhere")


def change_the_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text() + " ")


DAMAGES = [
    flip_a_bit,
    truncate,
    lose_a_file,
    spoil_the_manifest,
    add_a_file,
    put_a_link,
    change_the_manifest,
    spoil_the_progress,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_and_named(
    program: Program, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    for step in (4, 8):
        save(tmp_path, at(program, step), Progress(devices=1, best_step=4))
    damage(tmp_path / "00000008")
    found, _, damaged = restore(tmp_path, program.init(), "latest")
    assert int(found.step) == 4
    assert len(damaged) == 1
    assert "00000008" in damaged[0]


@pytest.mark.parametrize("damage", DAMAGES)
def test_best_never_falls_back(program: Program, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    for step in (4, 8):
        save(tmp_path, at(program, step), Progress(devices=1, best_step=4))
    damage(tmp_path / "00000004")
    with pytest.raises(CheckpointError, match=r"00000004, the best checkpoint: .*--checkpoint latest"):
        restore(tmp_path, program.init(), "best")


def test_no_valid_checkpoint_at_all(program: Program, tmp_path: Path) -> None:
    save(tmp_path, at(program, 4), Progress(devices=1))
    with pytest.raises(CheckpointError, match="nothing was evaluated yet"):
        restore(tmp_path, program.init(), "best")
    flip_a_bit(tmp_path / "00000004")
    with pytest.raises(CheckpointError, match=r"no valid checkpoint .*checksum") as caught:
        restore(tmp_path, program.init(), "latest")
    assert caught.value.exit_status == 4


def test_what_a_killed_save_left_is_no_checkpoint_and_is_cleared(program: Program, tmp_path: Path) -> None:
    save(tmp_path, at(program, 4), Progress(devices=1))
    (tmp_path / "unfinished-00000008" / "state").mkdir(parents=True)
    assert checkpoint.steps(tmp_path) == [4]
    assert checkpoint.find(tmp_path).step == 4
    save(tmp_path, at(program, 8), Progress(devices=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000004", "00000008"]


def test_a_step_can_be_saved_again(program: Program, tmp_path: Path) -> None:
    save(tmp_path, at(program, 4), Progress(devices=1))
    save(tmp_path, at(program, 4), Progress(devices=2))
    _, progress, _ = restore(tmp_path, program.init(), "latest")
    assert progress.devices == 2


def test_one_that_is_invalid_is_set_aside_when_a_run_goes_on(program: Program, tmp_path: Path) -> None:
    for step in (4, 8):
        save(tmp_path, at(program, step), Progress(devices=1))
    flip_a_bit(tmp_path / "00000008")
    _, _, damaged = restore(tmp_path, program.init(), "latest", to_go_on=True)
    assert "set aside as invalid-00000008" in damaged[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000004", "invalid-00000008"]
    save(tmp_path, at(program, 8), Progress(devices=1))
    truncate(tmp_path / "00000008")
    restore(tmp_path, program.init(), "latest", to_go_on=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["00000004", "invalid-00000008", "invalid-00000008-2"]


def test_a_checkpoint_is_read_without_its_config(program: Program, tmp_path: Path) -> None:
    state = at(program, 3)
    save(tmp_path, state, Progress(devices=1, best_step=3))
    found = checkpoint.read(tmp_path / "00000003")
    assert found["progress"]["best_step"] == 3
    jax.tree.map(np.testing.assert_array_equal, found["parameters"], jax.device_get(state.parameters))
    assert int(found["step"]) == 3
    flip_a_bit(tmp_path / "00000003")
    with pytest.raises(CheckpointError, match="checksum"):
        checkpoint.read(tmp_path / "00000003")


def test_one_of_another_model_is_refused(
    program: Program, tiny: Callable[..., Config], tmp_path: Path
) -> None:
    save(tmp_path, at(program, 3), Progress(devices=1))
    larger = load(build(tiny({"model.hidden_size": 7, "optimizer.average_decay": 0.5})), program.devices)
    with pytest.raises(CheckpointError, match=r"of another model \(.*/kernel is float32\[6, .* here\)"):
        restore(tmp_path, larger.init(), "latest")


def test_one_that_was_being_replaced_comes_back(program: Program, tmp_path: Path) -> None:
    save(tmp_path, at(program, 4), Progress(devices=1))
    (tmp_path / "00000004").rename(tmp_path / "unfinished-replaced-00000004")
    checkpoint.clear_unfinished(tmp_path)
    assert checkpoint.find(tmp_path).step == 4


def test_a_checkpoint_that_cannot_be_written_leaves_the_others(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, at(program, 4), Progress(devices=1))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(arrays, "write", fail)
    with pytest.raises(OSError, match="space"):
        save(tmp_path, at(program, 8), Progress(devices=1))
    assert [path.name for path in tmp_path.iterdir()] == ["00000004"]


def test_where_none_is_valid_all_stay_where_they_are(program: Program, tmp_path: Path) -> None:
    for step in (4, 8):
        save(tmp_path, at(program, step), Progress(devices=1))
        flip_a_bit(tmp_path / f"{step:08d}")
    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"no valid .*00000008: .*; 00000004: .*checksum"):
            restore(tmp_path, program.init(), "latest", to_go_on=True)
    assert checkpoint.steps(tmp_path) == [4, 8]


def test_a_run_goes_on_from_one_whose_best_is_valid(program: Program, tmp_path: Path) -> None:
    """Else it would train to its end, and find only then that its best is lost."""
    for step, best in ((2, 2), (4, 4), (6, 4)):
        figure = {2: 0.1, 4: 0.2, 6: 0.15}[step]
        progress = Progress(devices=1, best_step=best, evaluated_at=step, figure=figure)
        tree = jax.tree.map(np.asarray, arrays.plain(at(program, step)._asdict()))
        checkpoint.write(tmp_path, step, tree, progress.to_json())
    flip_a_bit(tmp_path / "00000004")
    found, _, damaged = restore(tmp_path, program.init(), "latest", to_go_on=True)
    assert int(found.step) == 2
    assert "its best checkpoint is 00000004" in damaged[0]
    assert checkpoint.steps(tmp_path) == [2]


def test_which_is_the_best_is_not_guessed(program: Program, tmp_path: Path) -> None:
    for step in (4, 8):
        save(tmp_path, at(program, step), Progress(devices=1, best_step=4))
    flip_a_bit(tmp_path / "00000008")
    with pytest.raises(CheckpointError, match=r"says which checkpoint is the best; try --checkpoint latest"):
        restore(tmp_path, program.init(), "best")


def test_a_manifest_that_lists_a_link_is_not_believed(program: Program, tmp_path: Path) -> None:
    save(tmp_path, at(program, 4), Progress(devices=1))
    put_a_link(tmp_path / "00000004")
    manifest.write(tmp_path / "00000004")
    with pytest.raises(CheckpointError, match="is a link"):
        checkpoint.read(tmp_path / "00000004")
