"""The folder of a sweep: its files, and whether a sweep may start or resume in it."""

import contextlib
import json
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnn_jax.config.messages import format_value
from rnn_jax.config.objective import Objective
from rnn_jax.config.plugins import plugins_of, require_plugins
from rnn_jax.config.run_folder import (
    FORMAT,
    MAY_DIFFER,
    RunFolder,
    is_folder_of,
    make_folder,
    require_format,
)
from rnn_jax.config.values import flatten
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import read_json, write_json, writing
from rnn_jax.sweeping import definition
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.members import Base

TOKEN_TIMEOUT_SECONDS = 5  # a worker that has created the file and not written it by then has died
ORDERED = ("grid", "ranges")  # the fields of a sweep in which the order of keys matters


class SweepFolder:
    """The files of a sweep's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sweep = path / "sweep.json"  # the sweep and the shared config
        self.results = path / "results.jsonl"  # one JSON object per member
        self.report = path / "report.md"  # compares all points

    def member(self, number: int) -> RunFolder:
        """Return a member's run folder."""
        return RunFolder(self.path / "members" / str(number))

    def row(self, number: int) -> Path:
        """Return the file with a finished member's row of results.jsonl."""
        return self.member(number).path / "member.json"

    def checkpoints(self, group: int) -> Path:
        """Return the folder with a program's checkpoints, each of all its members."""
        return self.path / "programs" / str(group)

    def token(self) -> str:
        """Return what identifies this folder: the same path on another machine may be another folder."""
        file = self.path / ".study"
        with writing(file), contextlib.suppress(FileExistsError), file.open("x") as new:
            new.write(uuid.uuid4().hex)
        end = time.monotonic() + TOKEN_TIMEOUT_SECONDS
        while not (text := file.read_text()) and time.monotonic() < end:
            time.sleep(0.05)  # another worker is about to write it
        return text

    def check(self, base: Base, sweep: Sweep, study: str | None = None) -> None:
        """Check that a sweep may start or resume here; `study` is the name of the one that stores it.

        Raises UserError if it is no folder, or contains another sweep, with the differences, or other files.
        """
        if not is_folder_of(self.path, self.sweep, "a sweep's folder"):
            return
        try:
            there = comparable_values(self._read())
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{self.sweep}: damaged ({error!r})") from error
        if found := differences(there, comparable_values(sweep_content(base, sweep, study))):
            remedy = "give another --workdir, or that sweep"
            raise UserError(f"{self.path} contains another sweep: {found}\n{remedy}")

    def check_data(self, data: str | None) -> str | None:
        """Return the data of the sweep here, None if unknown; raise UserError if they are not `data`."""
        there = self._read().get("data") if self.sweep.exists() else None
        if None not in (there, data) and there != data:
            found = f"the sweep is of the data {there}, and the data are {data}"
            raise UserError(f"{self.path}: {found}\nrestore the original data, or give another --workdir")
        return there

    def open(
        self,
        base: Base,
        sweep: Sweep,
        objective: Objective,
        study: str | None = None,
        data: str | None = None,
    ) -> None:
        """Create the folder, or open it to resume.

        `data` are the names and versions of the data, None where only the process that trains knows them.
        Raises as `check`, and UserError if it cannot be written, or its members were trained on other data.
        """
        self.check(base, sweep, study)
        there = self.check_data(data)
        make_folder(self.path)
        # The objective is for reports on a sweep that is still running.
        content = sweep_content(base, sweep, study) | {
            "objective": objective.to_json(),
            "data": data or there,
        }
        content = json.loads(json.dumps(content))
        if not self.sweep.exists() or read_json(self.sweep) != content:  # workers of a study open it at once
            write_json(self.sweep, content)

    def study(self) -> str | None:
        """Return the name of the study that stores the sweep; None if there is no study, or no sweep."""
        return read_json(self.sweep).get("study") if os.path.isfile(self.sweep) else None

    def read(self, *, in_study: bool = False) -> tuple[Base, Sweep]:
        """Return the shared config and the sweep; `in_study`: whether the database of its study is given."""
        if not os.path.isfile(self.sweep):
            raise UserError(f"--config is missing, and {self.path} contains no sweep (no sweep.json in it)")
        content = self._read()
        require_plugins(content.get("plugins"), self.sweep)
        if "study" in content and not in_study:
            missing = "--storage, its database, is missing"
            raise UserError(f"{self.path}: the sweep of study {content['study']!r}; {missing}")
        try:
            fields = content["sweep"] | {name: dict(content["sweep"][name]) for name in ORDERED}
            sweep = definition.check(fields, str(self.sweep), in_study=in_study)
            return Base(content["config"], content["base"], content["typed"]), sweep
        except UserError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{self.sweep}: damaged ({error!r})") from error

    def _read(self) -> dict[str, Any]:
        content = read_json(self.sweep)
        require_format(content, self.sweep)
        return content


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return the values that differ, as a part of a message; '' if none does."""
    return "; ".join(
        f"{key} is {format_value(there.get(key))} there and {format_value(here.get(key))} here"
        for key in dict.fromkeys([*there, *here])
        if there.get(key) != here.get(key)
    )


def comparable_values(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of sweep.json, by key, that must not change; a study's number of trials may."""
    study = content.get("study")
    values = {} if study is None else {"study": study}
    values |= {key: value for key, value in content["sweep"].items() if study is None or key != "num_trials"}
    values |= flatten(content["base"])
    return {key: value for key, value in values.items() if not key.startswith(MAY_DIFFER)}


def sweep_content(base: Base, sweep: Sweep, study: str | None) -> dict[str, Any]:
    """Return the content of sweep.json, but for the objective."""
    fields = sweep.model_dump(mode="json", exclude_none=True)
    # Pairs keep the order of keys, on which sampled values and the members' numbers depend.
    fields |= {name: [[key, value] for key, value in fields[name].items()] for name in ORDERED}
    content = {
        "format": FORMAT,
        "plugins": plugins_of(base.sections, sweep.listed_values),
        "config": base.source,
        "base": base.sections,
        "typed": base.typed,
        "sweep": fields,
    }
    return content if study is None else {**content, "study": study}
