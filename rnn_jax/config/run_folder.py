"""The run folder: its files, and whether a run with some config may start or resume in it.

Between a run and its resumption the keys in `MAY_DIFFER` may change, and training may become longer where the
learning rate does not depend on its length. With any other difference the folder holds another run.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rnn_jax.catalogue.tasks import TASKS, TaskEntry
from rnn_jax.config.config_files import split_source
from rnn_jax.config.messages import format_value
from rnn_jax.config.plugins import plugins_of, require_plugins
from rnn_jax.config.schema import Config, check
from rnn_jax.config.values import flatten
from rnn_jax.runtime import files, lock
from rnn_jax.runtime.errors import UserError

MAY_DIFFER = (
    *("dataset.data_dir", "dataset.manual_dir", "model.implementation", "checkpoint.", "log.", "runtime."),
    # The version of the data covers the contents of these.
    *("dataset.file", "dataset.validation_file", "dataset.test_file", "dataset.folder"),
)
NOT_STORED = ("process_count", "process_index", "coordinator")
"""Keys of `runtime` that belong to one start of a run; they are None in config.json."""
FORMAT = 2
"""The format of config.json and sweep.json. Those of version 0.1.0 have no number."""


class RunFolder:
    """The files of a run folder."""

    def __init__(self, path: Path, checkpoints: Path | None = None) -> None:
        """Name the files in `path`; `checkpoints`: another folder of checkpoints (None: its own)."""
        self.path = path
        self.config = path / "config.json"  # resolved
        self.dataset = path / "dataset.json"  # the dataset info that predictions for new inputs need
        self.vocabulary = path / "vocabulary.json"
        self.metrics = path / "metrics.jsonl"  # reproducible
        self.timing = path / "timing.jsonl"
        self.summary = path / "summary.json"
        self.checkpoints = checkpoints or path / "checkpoints"
        self.samples = path / "samples.txt"  # of a language model, at each evaluation
        self.curves = path / "curves.png"
        self.confusion = path / "confusion.png"
        self.confusion_counts = path / "confusion.json"  # `classes`, `matrix`, `split`, `step`
        self.mistakes = path / "mistakes.png"  # the most confident ones

    def fold(self, number: int) -> "RunFolder":
        """The run folder of a fold of this run's cross-validation."""
        return RunFolder(self.path / "folds" / str(number))

    def discard(self) -> None:
        """Remove the folder of a run that wrote nothing but its config and dataset info.

        This process may hold the folder's lock. Files of others, and then the folder, stay.
        """
        for file in (self.vocabulary, self.dataset, self.config, self.path / lock.NAME):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json atomically; NaN and infinities become null. Raises as `files.replacing`."""
        files.write_json(self.summary, files.finite(summary))

    def read_summary(self) -> dict[str, Any] | None:
        """The summary, None if there is none yet; raise UserError if the file is damaged."""
        return files.read_json(self.summary) if self.summary.exists() else None


def run_name(source: str) -> str:
    """The name of a config's runs: `configs/mnist.py:seed` -> `mnist-seed`."""
    path, variants = split_source(source)
    return "-".join([Path(path).stem, *variants])


def default_workdir(source: str, now: datetime, suffix: str = "") -> Path:
    """`runs/<config>[-variant...][suffix]/<date-time>`, followed by a number if that exists."""
    folder, name = Path("runs") / (run_name(source) + suffix), now.strftime("%Y%m%d-%H%M%S")
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(folder / name for name in names if not (folder / name).exists())


def sweep_of(workdir: Path) -> Path | None:
    """The folder of the sweep that a run folder belongs to, None if it belongs to none."""
    members = workdir.absolute().parent
    is_member = members.name == "members" and (members.parent / "sweep.json").exists()
    return members.parent if is_member else None


def make_folder(workdir: Path) -> None:
    """Create a folder if it does not exist; raise UserError if that fails, StorageError for a full disk."""
    _require_no_file(workdir)
    with files.writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)


def open_run(workdir: Path, config: Config) -> RunFolder:
    """Create a run folder, or open it to resume, and write config.json; raise as the functions it calls."""
    check_run(workdir, config)
    make_folder(workdir)
    files.remove_unfinished(workdir)
    sections, folder = config.model_dump(), RunFolder(workdir)
    sections["runtime"] |= dict.fromkeys(NOT_STORED)
    files.write_json(folder.config, {"format": FORMAT, "plugins": plugins_of(sections), **sections})
    return folder


def check_run(workdir: Path, config: Config) -> None:
    """Raise UserError if a folder cannot be created, or holds a run of another config or other files."""
    if is_folder_of(workdir, RunFolder(workdir).config, "a run folder"):
        require_same_config(workdir, config)


def is_folder_of(workdir: Path, file: Path, what: str) -> bool:
    """Whether a folder contains `file`, which makes it `what`; False if it is empty or can be created.

    Raises UserError if it cannot be created, or contains other files.
    """
    if not os.path.exists(workdir):
        files.check_creatable(workdir)
        return False
    _require_no_file(workdir)
    with files.writing(workdir):
        # Hidden files are the system's, or left by a process that was killed while it wrote `file`.
        entries = [entry.name for entry in workdir.iterdir() if not entry.name.startswith(".")]
    if entries and file.name not in entries:
        raise UserError(f"{workdir}: not empty, and not {what} (no {file.name}); give another --workdir")
    return bool(entries)


def read_settings(workdir: Path) -> dict[str, Any]:
    """The sections of config.json, unchecked.

    Raises UserError if there is none, or it is damaged, of another version, or needs a plug-in.
    """
    file = RunFolder(workdir).config
    files.reject_link(file)
    if not os.path.isfile(file):
        raise UserError(f"{workdir}: not a run folder (no config.json)")
    settings = files.read_json(file)
    require_plugins(settings.get("plugins"), file)
    return sections_of(settings, file)


def sections_of(settings: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The sections among the content of a config.json; raises UserError if another version wrote it."""
    require_format(settings, file)
    return {key: value for key, value in settings.items() if key not in ("format", "plugins")}


def require_format(content: Mapping[str, Any], file: Path) -> None:
    """Raise UserError if another version wrote a config.json or sweep.json."""
    if "format" not in content and any(isinstance(content.get(key), dict) for key in ("optimizer", "base")):
        raise UserError(f"{file}: was written by rnn_jax 0.1.0, and only that version reads it")
    if "format" not in content:
        raise UserError(f"{file}: damaged, it has no format number")
    if content["format"] != FORMAT:
        found = format_value(content["format"])
        raise UserError(f"{file}: was written by another version of rnn_jax (format {found}, not {FORMAT})")


def read_config(workdir: Path) -> Config:
    """The config of a run folder; raises as `read_settings`, and UserError if it is not valid."""
    return check(read_settings(workdir), origin=str(RunFolder(workdir).config))[0]


def read_config_for(command: str, workdir: Path, fits: Callable[[TaskEntry], bool]) -> Config:
    """The config of a run folder; raises UserError if its task does not fit a command."""
    config, fitting = read_config(workdir), [name for name, task in TASKS.items() if fits(task)]
    if config.task.name not in fitting:
        needed = ", ".join(fitting)
        raise UserError(f"{workdir}: task.name = {config.task.name}: {command} needs one of {needed}")
    return config


def fixed_values(config: Config) -> dict[str, Any]:
    """The values by key that must be the same when a run is resumed."""
    values = flatten(config.model_dump()).items()
    return {key: value for key, value in values if not key.startswith(MAY_DIFFER)}


def require_same_config(workdir: Path, new: Config) -> None:
    """Raise UserError if a run folder cannot be resumed with this config, or is damaged."""
    old = read_config(workdir)
    before, differences = fixed_values(old), []
    may_be_longer = old.optimizer.schedule == "constant" and not old.dataset.is_cross_validated
    for key, here in fixed_values(new).items():
        there = before[key]
        is_longer = key.startswith("train.duration_") and there and here and there < here
        if here != there and not (is_longer and may_be_longer):
            differences.append(f"{key} is {format_value(there)} there and {format_value(here)} here")
    if differences:
        raise UserError(
            f"{workdir} holds a run of another config: {'; '.join(differences)}\n"
            "give another --workdir, or that config (only with a constant schedule, and without a "
            "cross-validation, may training be longer)"
        )


def _require_no_file(workdir: Path) -> None:
    if os.path.exists(workdir) and not os.path.isdir(workdir):
        raise UserError(f"{workdir}: not a folder; give another --workdir")
