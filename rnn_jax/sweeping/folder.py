"""The folder of a sweep: what is in it, and whether a sweep may go on in it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import read_json, write_json, writing
from rnn_jax.runtime.run_folder import MAY_DIFFER, RunFolder
from rnn_jax.runtime.wording import shown
from rnn_jax.sweeping import definition
from rnn_jax.sweeping.definition import Sweep


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

    def checkpoints(self, group: int) -> Path:
        """The checkpoints of a program, with all its members in each."""
        return self.path / "programs" / str(group)

    def open(self, source: str, base: dict[str, Any], said: list[str], sweep: Sweep) -> None:
        """Creates the folder, or opens it to go on.

        Raises:
            UserError: the folder cannot be written, or holds another sweep, what differs is told, or others.
            StorageError: the disk is full.
        """
        if os.path.exists(self.path) and not os.path.isdir(self.path):
            raise UserError(f"{self.path}: is no folder; give another --workdir")
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            entries = [entry.name for entry in self.path.iterdir() if not entry.name.startswith(".")]
        fields = sweep.model_dump(mode="json", exclude_unset=True)
        content = {"config": source, "base": base, "said": said, "sweep": fields}
        if self.sweep.name in entries:
            self._refuse_differences(content)
        elif entries:
            raise UserError(
                f"{self.path}: not empty, and no sweep's folder (no sweep.json in it); give another --workdir"
            )
        write_json(self.sweep, content)

    def read(self) -> tuple[str, dict[str, Any], list[str], Sweep]:
        """The config's name, the sections that all members share, the typed keys among them, and the sweep.

        Raises:
            UserError: there is none, or it is damaged.
        """
        if not os.path.isfile(self.sweep):
            raise UserError(f"--config is missing, and {self.path} holds no sweep (no sweep.json in it)")
        content = read_json(self.sweep)
        try:
            sweep = definition.check(content["sweep"], str(self.sweep))
            return content["config"], content["base"], content["said"], sweep
        except KeyError as error:
            raise UserError(f"{self.sweep}: damaged, it has no {error}") from error

    def _refuse_differences(self, new: dict[str, Any]) -> None:
        old = read_json(self.sweep)
        there, here = (_flat({"": content["sweep"], **content["base"]}) for content in (old, new))
        differences = [
            f"{key} is {shown(there.get(key))} there and {shown(here.get(key))} here"
            for key in dict.fromkeys([*there, *here])
            if there.get(key) != here.get(key) and not key.startswith(MAY_DIFFER)
        ]
        if differences:
            raise UserError(
                f"{self.path} holds another sweep: {'; '.join(differences)}\n"
                "give another --workdir, or that sweep"
            )


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries by dotted key; keys of the sweep have no section before them."""
    if not isinstance(tree, dict) or (prefix and prefix.split(".")[-1] in ("grid", "ranges", "halving")):
        return {prefix: tree}
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= _flat(value, f"{prefix}.{key}" if prefix and key else prefix or key)
    return found
