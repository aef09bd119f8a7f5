"""The folder of a run: what is in it, and whether a config may go on in it.

Between a run and its resumption some keys may differ (`MAY_DIFFER`, and a longer training where the learning
rate does not depend on its length); with any other difference the folder holds another run, and is refused.
"""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rnn_jax.config.config_files import split_source
from rnn_jax.config.messages import shown
from rnn_jax.config.schema import KEYS, Config, check
from rnn_jax.runtime import lock
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import (
    check_place,
    finite,
    read_json,
    refuse_link,
    remove_unfinished,
    write_json,
    writing,
)

MAY_DIFFER = (
    "dataset.data_dir",
    "dataset.manual_dir",
    # That they have the same contents is seen by the version of the data.
    "dataset.file",
    "dataset.validation_file",
    "dataset.test_file",
    "dataset.folder",
    "model.implementation",
    "checkpoint.",
    "log.",
    "runtime.",
)
OF_ONE_START = ("process_count", "process_index", "coordinator")
"""Keys of `runtime` that say how a run was started this time: config.json does not keep them."""
DURATIONS = ("train.duration_epochs", "train.duration_steps")


@dataclass(frozen=True)
class RunFolder:
    """A run's folder, and the files in it by name."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved config."""
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        """The reproducible figures, one JSON object a logged step."""
        return self.path / "metrics.jsonl"

    @property
    def timing(self) -> Path:
        """Rates and times."""
        return self.path / "timing.jsonl"

    @property
    def summary(self) -> Path:
        """How far the run is, and how good."""
        return self.path / "summary.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def dataset(self) -> Path:
        """What is known of the data: what it takes to answer to new inputs."""
        return self.path / "dataset.json"

    @property
    def vocabulary(self) -> Path:
        """The tokens of a text by their numbers."""
        return self.path / "vocabulary.json"

    @property
    def samples(self) -> Path:
        """What a language model wrote at each evaluation."""
        return self.path / "samples.txt"

    @property
    def curves(self) -> Path:
        """The picture of loss and objective over the steps."""
        return self.path / "curves.png"

    @property
    def confusion(self) -> Path:
        """The picture of which class was taken for which."""
        return self.path / "confusion.png"

    @property
    def confusion_counts(self) -> Path:
        """How often which class was taken for which: `classes`, `matrix`, `split` and `step`."""
        return self.path / "confusion.json"

    @property
    def mistakes(self) -> Path:
        """The picture of the most confident mistakes."""
        return self.path / "mistakes.png"

    def discard(self) -> None:
        """Removes a folder in which nothing but the config, and what is known of the data, was written.

        It may be locked by this process.
        """
        self.vocabulary.unlink(missing_ok=True)
        self.dataset.unlink(missing_ok=True)
        self.config.unlink(missing_ok=True)
        (self.path / lock.NAME).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what somebody else put there stays
            self.path.rmdir()

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Writes summary.json, whole or not at all; what is not finite becomes null.

        Raises:
            StorageError: the disk is full.
            UserError: the folder cannot be written.
        """
        write_json(self.summary, finite(summary))

    def read_summary(self) -> dict[str, Any] | None:
        """The summary, or None where there is none yet.

        Raises:
            UserError: the file is damaged.
        """
        return read_json(self.summary) if self.summary.exists() else None


@dataclass(frozen=True)
class OwnFolder(RunFolder):
    """What a process writes that does not lead: for itself, while it reads the checkpoints of the run."""

    shared: Path
    """The run's folder."""

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints, of all processes."""
        return RunFolder(self.shared).checkpoints


def default_name(source: str) -> str:
    """What a config's runs are called: `configs/mnist.py:seed` -> `mnist-seed`."""
    path, variants = split_source(source)
    return "-".join([Path(path).stem, *variants])


def default_workdir(source: str, now: datetime, kind: str = "") -> Path:
    """`runs/<config>[-variant...][kind]/<date-time>`, with a number behind it if that is taken."""
    folder = Path("runs") / (default_name(source) + kind)
    name = now.strftime("%Y%m%d-%H%M%S")
    workdir, number = folder / name, 1
    while workdir.exists():
        number += 1
        workdir = folder / f"{name}-{number}"
    return workdir


def sweep_of(workdir: Path) -> Path | None:
    """The folder of the sweep that a run folder is a member of; None: it is none's."""
    sweep = workdir.absolute().parent.parent
    return sweep if workdir.absolute().parent.name == "members" and (sweep / "sweep.json").exists() else None


def make_folder(workdir: Path) -> None:
    """Creates a folder, if need be.

    Raises:
        UserError: there is something else, or it cannot be created.
        StorageError: the disk is full.
    """
    if os.path.exists(workdir) and not os.path.isdir(workdir):
        raise UserError(f"{workdir}: is no folder; give another --workdir")
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)


def open_run(workdir: Path, config: Config) -> RunFolder:
    """Creates a run's folder, or opens it to go on; config.json is then the given config.

    Raises:
        UserError: the folder cannot be written, holds a run of another config, or other things.
        StorageError: the disk is full.
    """
    check_run(workdir, config)
    folder = RunFolder(workdir)
    make_folder(workdir)
    remove_unfinished(workdir)
    settings = config.model_dump()
    settings["runtime"] |= dict.fromkeys(OF_ONE_START)  # None
    write_json(folder.config, settings)
    return folder


def check_run(workdir: Path, config: Config) -> None:
    """Looks whether a run may begin in a folder, or go on in it, and changes nothing.

    Raises:
        UserError: the folder cannot be made, holds a run of another config, or other things.
    """
    if not os.path.exists(workdir):
        check_place(workdir)
        return
    if not os.path.isdir(workdir):
        raise UserError(f"{workdir}: is no folder; give another --workdir")
    with writing(workdir):
        # Hidden files are the system's, or what a killed process left of writing config.json.
        entries = [entry.name for entry in workdir.iterdir() if not entry.name.startswith(".")]
    if RunFolder(workdir).config.name in entries:
        refuse_differences(workdir, config)
    elif entries:
        raise UserError(
            f"{workdir}: not empty, and no run folder (no config.json in it); give another --workdir"
        )


def read_settings(workdir: Path) -> dict[str, Any]:
    """The config.json of a run folder, unchecked.

    Raises:
        UserError: there is none, or it is damaged.
    """
    file = RunFolder(workdir).config
    refuse_link(file)
    if not os.path.isfile(file):
        raise UserError(f"{workdir}: no run folder (no config.json in it)")
    return read_json(file)


def read_config(workdir: Path) -> Config:
    """The config of a run folder.

    Raises:
        UserError: there is none, it is damaged, or it holds what the schema does not allow.
    """
    return check(read_settings(workdir), origin=str(RunFolder(workdir).config))[0]


def comparable(config: Config) -> dict[str, Any]:
    """The values of a config by key, but for those that may differ between a run and its resumption."""
    sections = config.model_dump()
    return {
        key: sections[key.partition(".")[0]][key.partition(".")[2]]
        for key in KEYS
        if not key.startswith(MAY_DIFFER)
    }


def refuse_differences(workdir: Path, new: Config) -> None:
    """Raises UserError where a run folder is of a config that a new one may not go on with, or damaged."""
    old, differences = read_config(workdir), []
    for key in KEYS:
        section, _, name = key.partition(".")
        there, here = (getattr(getattr(config, section), name) for config in (old, new))
        if there == here or key.startswith(MAY_DIFFER):
            continue
        if key in DURATIONS and there and here and there < here and old.optimizer.schedule == "constant":
            continue
        differences.append(f"{key} is {shown(there)} there and {shown(here)} here")
    if differences:
        raise UserError(
            f"{workdir} holds a run of another config: {'; '.join(differences)}\n"
            "give another --workdir, or that config (only with a constant schedule may training be longer)"
        )
