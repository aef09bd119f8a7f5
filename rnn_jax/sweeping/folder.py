"""The folder of a sweep: what is in it, and whether a sweep may go on in it."""

import contextlib
import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnn_jax.config.messages import shown
from rnn_jax.config.objective import Objective
from rnn_jax.config.run_folder import MAY_DIFFER, RunFolder
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import check_place, read_json, write_json, writing
from rnn_jax.sweeping import definition
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.members import Base

TOKEN = ".study"
"""The file that tells a study's folder apart."""
WRITTEN_IN_SECONDS = 5
"""After so long whoever made it and did not write it has died."""
IN_ORDER = ("grid", "ranges")
"""The fields of a sweep in which the order of keys matters."""


@dataclass(frozen=True)
class SweepFolder:
    """A sweep's folder, and what is in it by name."""

    path: Path

    @property
    def sweep(self) -> Path:
        """What is swept, and the config that all members share."""
        return self.path / "sweep.json"

    @property
    def results(self) -> Path:
        """One JSON object a member."""
        return self.path / "results.jsonl"

    @property
    def report(self) -> Path:
        """The comparison."""
        return self.path / "report.md"

    def member(self, number: int) -> RunFolder:
        """A member's run folder."""
        return RunFolder(self.path / "members" / str(number))

    def row(self, number: int) -> Path:
        """What results.jsonl says of a member, once it has come to its end."""
        return self.member(number).path / "member.json"

    def checkpoints(self, group: int) -> Path:
        """The checkpoints of a program, with all its members in each."""
        return self.path / "programs" / str(group)

    def token(self) -> str:
        """What tells this folder apart from another of the same path, on another machine's disk.

        Raises:
            UserError: the folder cannot be written.
        """
        file = self.path / TOKEN
        with writing(file), contextlib.suppress(FileExistsError), file.open("x") as new:
            new.write(uuid.uuid4().hex)
        end = time.monotonic() + WRITTEN_IN_SECONDS
        while not (text := file.read_text()) and time.monotonic() < end:
            time.sleep(0.05)  # another worker is about to write it
        return text

    def check(self, base: Base, sweep: Sweep, study: str | None = None) -> None:
        """Looks whether a sweep may begin or go on here; `study` names the one that keeps it.

        Raises:
            UserError: it is no folder, or holds another sweep, what differs is told, or anything else.
        """
        if not os.path.exists(self.path):
            check_place(self.path)
            return
        if not os.path.isdir(self.path):
            raise UserError(f"{self.path}: is no folder; give another --workdir")
        if self.sweep.exists():
            self._refuse_differences(content_of(base, sweep, study))
        elif any(not entry.name.startswith(".") for entry in self.path.iterdir()):
            raise UserError(
                f"{self.path}: not empty, and no sweep's folder (no sweep.json in it); give another --workdir"
            )

    def open(self, base: Base, sweep: Sweep, objective: Objective, study: str | None = None) -> None:
        """Creates the folder, or opens it to go on.

        Raises:
            UserError: as `check`, or it cannot be written.
            StorageError: the disk is full.
        """
        self.check(base, sweep, study)
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        # Reports on a sweep that has not ended read the objective here.
        content = {**content_of(base, sweep, study), "objective": objective.to_json()}
        # As JSON has it. Of a study, several workers come here at once.
        if not self.sweep.exists() or read_json(self.sweep) != json.loads(json.dumps(content)):
            write_json(self.sweep, content)

    def study(self) -> str | None:
        """The name of the study that keeps the sweep; None: none does, or there is no sweep."""
        return read_json(self.sweep).get("study") if os.path.isfile(self.sweep) else None

    def read(self, *, in_study: bool = False) -> tuple[Base, Sweep]:
        """What all members have in common, and the sweep.

        Args:
            in_study: whether it is to be kept in a study.

        Raises:
            UserError: there is none, it is damaged, or the other way round in that.
        """
        if not os.path.isfile(self.sweep):
            raise UserError(f"--config is missing, and {self.path} holds no sweep (no sweep.json in it)")
        content = read_json(self.sweep)
        if "study" in content and not in_study:
            raise UserError(
                f"{self.path}: the sweep of study {content['study']!r}; --storage, its database, is missing"
            )
        try:
            fields = content["sweep"]
            for name in IN_ORDER:
                fields[name] = dict(fields[name])
            sweep = definition.check(fields, str(self.sweep), in_study=in_study)
            return Base(content["config"], content["base"], content["said"]), sweep
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{self.sweep}: damaged ({error!r})") from error

    def _refuse_differences(self, new: dict[str, Any]) -> None:
        there, here = comparable(read_json(self.sweep)), comparable(new)
        differences = [
            f"{key} is {shown(there.get(key))} there and {shown(here.get(key))} here"
            for key in dict.fromkeys([*there, *here])
            if there.get(key) != here.get(key)
        ]
        if differences:
            raise UserError(
                f"{self.path} holds another sweep: {'; '.join(differences)}\n"
                "give another --workdir, or that sweep"
            )


def comparable(content: Mapping[str, Any]) -> dict[str, Any]:
    """Values by key, of sweep.json: what two sweeps that are one have in common.

    A study may have more trials than it had.
    """
    study = {} if content.get("study") is None else {"study": content["study"]}
    flat = study | _flat({"": content["sweep"], **content["base"]})
    return {
        key: value
        for key, value in flat.items()
        if not key.startswith(MAY_DIFFER) and not (study and key == "num_trials")
    }


def content_of(base: Base, sweep: Sweep, study: str | None) -> dict[str, Any]:
    """Of sweep.json."""
    fields = sweep.model_dump(mode="json", exclude_none=True)
    # As pairs: what is drawn, and which member has which number, depends on the order of keys.
    fields |= {name: [[key, value] for key, value in fields[name].items()] for name in IN_ORDER}
    content = {"config": base.source, "base": base.sections, "said": base.said, "sweep": fields}
    return content if study is None else {**content, "study": study}


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries by dotted key; keys of the sweep have no section before them."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= _flat(value, f"{prefix}.{key}" if prefix and key else prefix or key)
    return found
