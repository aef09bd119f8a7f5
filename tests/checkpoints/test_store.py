"""Checkpoints: what is read is what was written, or an error that says why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from rnn_jax.checkpoints import manifest, store
from rnn_jax.checkpoints.saver import Saver
from rnn_jax.config.objective import Objective
from rnn_jax.config.sections import Checkpoint
from rnn_jax.runtime.errors import CheckpointError, StorageError


def tree_at(step: int) -> dict[str, Any]:
    kernel = np.random.default_rng(step).normal(size=(6, 8)).astype(np.float32)
    return {"params": {"dense": {"kernel": kernel}}, "step": np.int32(step)}


def save(folder: Path, step: int, **progress: Any) -> None:
    """Write a checkpoint; retain the two latest and the best."""
    store.write(folder, step, tree_at(step), progress)
    settings = Checkpoint(every_steps=None, every_seconds=None, keep_latest=2, keep_best=1)
    store.remove_expired(folder, settings, Objective("metric", "max"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_error_before_a_checkpoint_keeps_its_message(tmp_path: Path) -> None:
    """A ValueError of the checkpoint itself names the checkpoint."""
    settings = Checkpoint(every_steps=None, every_seconds=None, keep_latest=2, keep_best=1)
    synchronizer = mock.Mock(is_coordinator=True)
    saver = Saver(tmp_path / "checkpoints", settings, Objective("metric", "max"), synchronizer)

    def fail(error: Exception) -> str:
        def raise_error() -> None:
            raise error

        saver.save(3, {}, {}, before=raise_error, after=lambda: None)
        with pytest.raises(StorageError) as caught:
            saver.wait()
        return str(caught.value)

    assert fail(StorageError("metrics.jsonl: the disk is full")) == "metrics.jsonl: the disk is full"
    assert fail(ValueError("x")) == f"{tmp_path}/checkpoints/00000003: cannot be written (x)"
    saver.close()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    save(tmp_path, 3, best_step=3, best={"accuracy": 0.1 + 0.2})
    found = store.find(tmp_path)
    assert (found.step, found.progress, list(found.warnings)) == (
        3,
        {"best_step": 3, "best": {"accuracy": 0.1 + 0.2}},
        [],
    )
    assert names(found.path) == ["manifest.json", "progress.json", "state.safetensors"]
    template = {"params": {"dense": {"kernel": np.zeros((6, 8), np.float32)}}, "step": np.int32(0)}
    for read in (found.read(), found.restore(template)):
        np.testing.assert_array_equal(
            read["params"]["dense"]["kernel"], tree_at(3)["params"]["dense"]["kernel"]
        )
        assert (read["step"].dtype, read["step"].shape, int(read["step"])) == (np.int32, (), 3)
    assert set(found.read("params/")) == {"params"}
    with pytest.raises(
        CheckpointError, match=r"not a checkpoint of this model \(step is int32\[\] in the file"
    ):
        found.restore({"params": template["params"]})


def test_the_latest_and_the_best_are_retained(tmp_path: Path) -> None:
    for step, metric in zip((1, 2, 3, 4, 5), (0.1, 0.5, 0.5, 0.2, 0.3), strict=True):
        save(tmp_path, step, best_step=min(step, 3), evaluated_at=step, metrics={"metric": metric})
    assert store.steps(tmp_path) == [3, 4, 5]
    assert (store.find(tmp_path, "best").step, store.find(tmp_path).step) == (3, 5)


def test_a_metric_of_an_earlier_step_does_not_count(tmp_path: Path) -> None:
    for step in (2, 3, 4):
        save(tmp_path, step, evaluated_at=1, metrics={"metric": 0.1})
    assert store.steps(tmp_path) == [3, 4]


STATE = "state.safetensors"


def flip_a_bit(folder: Path, name: str = STATE) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)


def flip_a_bit_of_the_progress(folder: Path) -> None:
    flip_a_bit(folder, "progress.json")


def truncate(folder: Path) -> None:
    (folder / STATE).write_bytes((folder / STATE).read_bytes()[:-10])


def lose_a_file(folder: Path) -> None:
    (folder / STATE).unlink()


def lose_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def truncate_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"state')


def change_the_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text() + " ")


def nest_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("[" * 100_000)


def empty_the_progress(folder: Path) -> None:
    (folder / "progress.json").write_text("")


def add_a_file(folder: Path) -> None:
    (folder / "more").write_text("")


def put_a_link(folder: Path) -> None:
    (folder / STATE).rename(folder.parent / "elsewhere")
    (folder / STATE).symlink_to(folder.parent / "elsewhere")


DAMAGES = {
    flip_a_bit: "state.safetensors is damaged (its checksum differs)",
    flip_a_bit_of_the_progress: "progress.json is damaged (its checksum differs)",
    truncate: "state.safetensors is damaged (its checksum differs)",
    lose_a_file: "state.safetensors is missing",
    lose_the_manifest: "manifest.json is missing",
    truncate_the_manifest: "manifest.json is damaged",
    change_the_manifest: "manifest.json is damaged",
    nest_the_manifest: "manifest.json is damaged",
    empty_the_progress: "progress.json is damaged (its checksum differs)",
    add_a_file: "more is not in manifest.json",
    put_a_link: "state.safetensors is",
}
each_damage = pytest.mark.parametrize(
    ("damage", "reason"), DAMAGES.items(), ids=lambda value: getattr(value, "__name__", "")
)


@each_damage
def test_a_damaged_checkpoint_is_skipped_and_named(
    tmp_path: Path, damage: Callable[[Path], None], reason: str
) -> None:
    for step in (4, 8):
        save(tmp_path, step, best_step=4)
    damage(tmp_path / "00000008")
    found = store.find(tmp_path)
    assert found.step == 4
    (warning,) = found.warnings
    assert warning.startswith(f"{tmp_path / '00000008'}: {reason}")
    assert warning.endswith("; skipped")


@each_damage
def test_best_never_falls_back(tmp_path: Path, damage: Callable[[Path], None], reason: str) -> None:
    del reason
    for step in (4, 8):
        save(tmp_path, step, best_step=4)
    damage(tmp_path / "00000004")
    with pytest.raises(CheckpointError, match=r"the best checkpoint, .*/00000004: .*--checkpoint latest"):
        store.find(tmp_path, "best")


def test_which_is_the_best_is_not_guessed(tmp_path: Path) -> None:
    for step in (4, 8):
        save(tmp_path, step, best_step=4)
    flip_a_bit(tmp_path / "00000008")
    with pytest.raises(CheckpointError, match=r"it names the best checkpoint; try --checkpoint latest"):
        store.find(tmp_path, "best")


def test_no_valid_checkpoint_at_all(tmp_path: Path) -> None:
    for which in ("latest", "best"):
        with pytest.raises(CheckpointError, match=r"no valid checkpoint$"):
            store.find(tmp_path, which)
    save(tmp_path, 4)
    with pytest.raises(CheckpointError, match="no evaluation had a finite result yet"):
        store.find(tmp_path, "best")
    flip_a_bit(tmp_path / "00000004")
    with pytest.raises(CheckpointError, match=r"no valid checkpoint \(00000004: .*checksum") as caught:
        store.find(tmp_path)
    assert caught.value.exit_status == 4


def test_what_a_killed_save_left_is_no_checkpoint_and_is_removed(tmp_path: Path) -> None:
    save(tmp_path, 4)
    (tmp_path / "unfinished-00000008").mkdir(parents=True)
    (tmp_path / "unfinished-00000008" / STATE).write_text("")
    assert store.steps(tmp_path) == [4]
    assert store.find(tmp_path).step == 4
    save(tmp_path, 8)
    assert names(tmp_path) == ["00000004", "00000008"]


def test_a_step_can_be_saved_again(tmp_path: Path) -> None:
    save(tmp_path, 4, devices=1)
    save(tmp_path, 4, devices=2)
    assert store.find(tmp_path).progress == {"devices": 2}
    assert names(tmp_path) == ["00000004"]


def test_one_that_was_being_replaced_comes_back(tmp_path: Path) -> None:
    save(tmp_path, 4)
    (tmp_path / "00000004").rename(tmp_path / "unfinished-replaced-00000004")
    store.remove_unfinished(tmp_path)
    assert store.find(tmp_path).step == 4


def test_recovering_sets_invalid_ones_aside(tmp_path: Path) -> None:
    for step in (4, 8):
        save(tmp_path, step)
    flip_a_bit(tmp_path / "00000008")
    (warning,) = store.recover(tmp_path).warnings
    assert warning.endswith("(its checksum differs); renamed to invalid-00000008")
    assert names(tmp_path) == ["00000004", "invalid-00000008"]
    save(tmp_path, 8)
    truncate(tmp_path / "00000008")
    store.recover(tmp_path)
    assert names(tmp_path) == ["00000004", "invalid-00000008", "invalid-00000008-2"]


def test_where_none_is_valid_all_keep_their_names(tmp_path: Path) -> None:
    for step in (4, 8):
        save(tmp_path, step)
        flip_a_bit(tmp_path / f"{step:08d}")
    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"no valid .*00000008: .*; 00000004: .*checksum"):
            store.recover(tmp_path)
    assert store.steps(tmp_path) == [4, 8]


def test_a_run_resumes_where_its_best_is_valid(tmp_path: Path) -> None:
    """Otherwise it would train to its end, and fail only then."""
    for step, best in ((2, 2), (4, 4), (6, 4)):
        store.write(tmp_path, step, tree_at(step), {"best_step": best})
    flip_a_bit(tmp_path / "00000004")
    found = store.recover(tmp_path)
    assert found.step == 2
    assert "00000006: the best checkpoint is invalid: " in found.warnings[0]
    assert store.steps(tmp_path) == [2]


def test_only_planned_ones_are_rolled_back_to(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        store.write(tmp_path, step, tree_at(step), {"is_planned": step < 6})
    flip_a_bit(tmp_path / "00000004")
    assert store.recover(tmp_path, only_planned=True).step == 2
    assert names(tmp_path) == ["00000002", "00000006", "invalid-00000004"]


def test_later_ones_are_removed(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        store.write(tmp_path, step, tree_at(step), {})
    store.remove_later(tmp_path, 4)
    assert store.steps(tmp_path) == [2, 4]


def test_a_checkpoint_that_cannot_be_written_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 4)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_arrays", fail)
    with pytest.raises(OSError, match="space"):
        save(tmp_path, 8)
    assert names(tmp_path) == ["00000004"]


def test_a_manifest_that_lists_a_link_is_not_trusted(tmp_path: Path) -> None:
    save(tmp_path, 4)
    put_a_link(tmp_path / "00000004")
    manifest.write(tmp_path / "00000004")
    with pytest.raises(CheckpointError, match="is not a regular file"):
        store.open_checkpoint(tmp_path / "00000004")


@pytest.mark.parametrize("text", ["[]", '{"best_step": "../../elsewhere"}', "[" * 100_000, "nothing"])
def test_a_progress_that_was_crafted_is_refused(text: str, tmp_path: Path) -> None:
    """Its manifest is valid."""
    save(tmp_path, 4)
    (tmp_path / "00000004" / "progress.json").write_text(text)
    manifest.write(tmp_path / "00000004")
    with pytest.raises(CheckpointError, match=r"progress\.json is invalid"):
        store.open_checkpoint(tmp_path / "00000004")
    save(tmp_path, 5)  # the retention policy reads it too


def test_a_state_that_was_crafted_is_refused(tmp_path: Path) -> None:
    save(tmp_path, 4)
    (tmp_path / "00000004" / STATE).write_bytes(b"\xff" * 100)
    manifest.write(tmp_path / "00000004")
    with pytest.raises(CheckpointError, match="header too large"):
        store.open_checkpoint(tmp_path / "00000004").read()


def test_the_format_of_0_1_0_is_named(tmp_path: Path) -> None:
    old = tmp_path / "00000004"
    (old / "state").mkdir(parents=True)
    (old / "state" / "manifest.ocdbt").write_text("")
    (old / "progress.json").write_text("{}")
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    files = {"progress.json": digest, "state/manifest.ocdbt": digest}
    (old / "manifest.json").write_text(json.dumps({"format": 1, "files": files}, indent=1) + "\n")
    with pytest.raises(CheckpointError, match=r"was written by rnn_jax 0\.1\.0"):
        store.recover(tmp_path)
    assert store.steps(tmp_path) == [4]
