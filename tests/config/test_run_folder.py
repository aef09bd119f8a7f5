"""The run folder: created, resumed in, or rejected."""

import errno
import json
import math
import os
from datetime import datetime
from pathlib import Path

import pytest

from rnn_jax.config.command_line import parse
from rnn_jax.config.run_folder import RunFolder, check_run, default_workdir, open_run, read_config
from rnn_jax.config.schema import Config
from rnn_jax.runtime.errors import StorageError, UserError


def config_of(*arguments: str, source: str = "configs/mnist.py:smoke") -> Config:
    """A config with other values."""
    return parse(["--config", source, *arguments]).config


def test_a_new_folder_holds_the_resolved_config(tmp_path):
    config = config_of("--config.train.seed=3")
    folder = open_run(tmp_path / "a" / "b", config)
    assert read_config(folder.path) == config
    text = folder.config.read_text()
    assert json.loads(text) == {"format": 2, "plugins": {}, **config.model_dump()}
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert [entry.name for entry in folder.path.iterdir()] == ["config.json"]
    assert folder.read_summary() is None


def test_the_default_folder_is_named_by_config_and_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    now = datetime(2026, 3, 1, 14, 5, 9)
    first = default_workdir("configs/mnist.py:seed,smoke", now)
    assert first == Path("runs/mnist-seed-smoke/20260301-140509")
    for _ in range(2):
        default_workdir("configs/mnist.py:seed,smoke", now).mkdir(parents=True)
    assert default_workdir("configs/mnist.py:seed,smoke", now) == first.with_name("20260301-140509-3")


@pytest.mark.parametrize(
    "change",
    [
        "dataset.data_dir=elsewhere",
        "model.implementation=scan",
        "log.every_steps=7",
        "log.tensorboard=false",
        "checkpoint.keep_latest=9",
        "checkpoint.every_seconds=60",
        "runtime.devices=2",
        "runtime.allow_device_change=true",
    ],
)
def test_keys_that_may_differ_are_updated(tmp_path, change):
    open_run(tmp_path, config_of())
    open_run(tmp_path, config_of(f"--config.{change}"))
    assert read_config(tmp_path) == config_of(f"--config.{change}") != config_of()


def test_data_files_may_move(tmp_path):
    open_run(tmp_path, config_of(source="configs/mnist.py"))
    other = config_of("--config.dataset.manual_dir=elsewhere", source="configs/mnist.py")
    open_run(tmp_path, other)
    assert read_config(tmp_path) == other


def test_other_differences_are_reported_by_key(tmp_path):
    folder = open_run(tmp_path, config_of())
    before = folder.config.read_text()
    changes = ["dataset.batch_size=16", "optimizer.learning_rate=1e-3", "train.seed=2", "log.every_steps=1"]
    with pytest.raises(UserError) as caught:
        open_run(tmp_path, config_of(*(f"--config.{change}" for change in changes)))
    first, second = str(caught.value).splitlines()
    assert first == (
        f"{tmp_path} holds a run of another config: dataset.batch_size is 32 there and 16 here; "
        "optimizer.learning_rate is 0.004 there and 0.001 here; train.seed is 0 there and 2 here"
    )
    assert second.startswith("give another --workdir")
    assert folder.config.read_text() == before


def test_training_may_be_longer_only_where_the_schedule_is_constant(tmp_path):
    constant, cosine, seed = tmp_path / "constant", tmp_path / "cosine", "configs/mnist.py:seed,smoke"
    longer, shorter = "--config.train.duration_steps=50", "--config.train.duration_steps=30"
    open_run(constant, config_of(source=seed))
    open_run(constant, config_of(longer, source=seed))
    assert read_config(constant).train.duration_steps == 50
    with pytest.raises(UserError, match="duration_steps is 50 there and 30 here"):
        open_run(constant, config_of(shorter, source=seed))
    with pytest.raises(UserError, match="duration_steps is 50 there and None here"):
        open_run(constant, config_of("--config.train.duration_epochs=99", source=seed))
    open_run(cosine, config_of())
    with pytest.raises(UserError, match="duration_steps is 40 there and 50 here"):
        open_run(cosine, config_of(longer))


def test_a_folder_with_other_files_is_an_error(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match=r"not empty, and not a run folder \(no config\.json\)"):
        open_run(tmp_path, config_of())
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_folder_is_used_even_after_a_kill(tmp_path):
    (tmp_path / ".config.json.123").touch()
    assert open_run(tmp_path, config_of()).config.exists()


def test_a_folder_that_is_not_writable_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: not a folder"):
        open_run(tmp_path / "file", config_of())
    with pytest.raises(UserError, match=r"run: cannot be written \(Not a directory\)"):
        open_run(tmp_path / "file" / "run", config_of())

    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match=r"run: cannot be written \(Permission denied\)") as caught:
        open_run(tmp_path / "run", config_of())
    assert caught.value.exit_status == 2


def test_a_full_disk_is_reported_and_leaves_the_old_summary(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    folder.write_summary({"step": 1})

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"summary\.json: the disk is full") as caught:
        folder.write_summary({"step": 2})
    assert caught.value.exit_status == 5
    assert folder.read_summary() == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.json"]


def test_a_summary_is_whole_before_it_takes_its_name(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    events = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(descriptor):
        fsync(descriptor)
        (file,) = tmp_path.iterdir()
        events.append((file == folder.summary, json.loads(file.read_text())))

    def watched_replace(source, target):
        events.append("renamed")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    folder.write_summary({"step": 1})
    # First its content, at last its name.
    assert events == [(False, {"step": 1}), "renamed", (True, {"step": 1})]


def test_values_that_are_not_finite_become_null(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_summary(
        {"best": {"loss": math.nan, "accuracy": 0.5}, "rates": [math.inf, 1.0], "test": None}
    )
    assert folder.read_summary() == {
        "best": {"loss": None, "accuracy": 0.5},
        "rates": [None, 1.0],
        "test": None,
    }
    assert "NaN" not in folder.summary.read_text()


def test_a_damaged_summary_is_reported(tmp_path):
    folder = RunFolder(tmp_path)
    folder.summary.write_text("[]")
    with pytest.raises(UserError, match=r"summary\.json: damaged, not a JSON object"):
        folder.read_summary()


def test_a_config_is_not_read_through_a_link(tmp_path):
    open_run(tmp_path / "run", config_of())
    (tmp_path / "run" / "config.json").rename(tmp_path / "elsewhere.json")
    (tmp_path / "run" / "config.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(UserError, match=r"config\.json: is a link"):
        read_config(tmp_path / "run")


def test_checking_a_folder_changes_nothing(tmp_path):
    config = config_of()
    check_run(tmp_path / "new" / "run", config)
    assert not list(tmp_path.iterdir())
    open_run(tmp_path / "run", config)
    before = (tmp_path / "run" / "config.json").stat()
    check_run(tmp_path / "run", config)
    assert (tmp_path / "run" / "config.json").stat().st_mtime_ns == before.st_mtime_ns
    (tmp_path / "file").touch()
    for place, words in (
        (tmp_path / "file", "not a folder"),
        (tmp_path / "file" / "a" / "b", "Not a directory"),
    ):
        with pytest.raises(UserError, match=words):
            check_run(place, config)


def test_json_that_is_too_deep_is_damaged(tmp_path):
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"config\.json: damaged, not valid JSON"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({}, r"was written by rnn_jax 0\.1\.0, and only that version reads it"),
        ({"format": 3}, r"was written by another version of rnn_jax \(format 3, not 2\)"),
    ],
)
def test_a_run_folder_of_another_version_names_that_version(tmp_path, written, words):
    file = open_run(tmp_path, config_of()).config
    settings = json.loads(file.read_text())
    del settings["format"]
    file.write_text(json.dumps(settings | written))
    with pytest.raises(UserError, match=rf"config\.json: {words}"):
        read_config(tmp_path)
