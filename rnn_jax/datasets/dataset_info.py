"""What a run folder keeps of the data that its model was trained on: enough to answer to new inputs.

`dataset.json` has the name, the version and the spec of the data set, the names of the classes and the
background of its images; `vocabulary.json` the tokens of a text.
"""

from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.checkpoints import checkpoint
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.datasets import specs, untrusted
from rnn_jax.datasets import vocabulary as vocabularies
from rnn_jax.datasets.own_files import pictures
from rnn_jax.datasets.own_files.pictures import Background
from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import write_json
from rnn_jax.training.build import Job


class KnownData(NamedTuple):
    """What a model knows of the data that it was trained on."""

    name: str
    spec: dict[str, Any]
    classes: tuple[str, ...]
    background: Background
    """Of images: what is at their edges."""
    vocabulary: Vocabulary | None


def keep(job: Job, folder: RunFolder) -> None:
    """Writes what is known of a job's data into a run folder that has no checkpoint yet.

    Raises:
        UserError: it has one, of a model that was trained on other data.
    """
    data = job.data
    if checkpoint.steps(folder.checkpoints):
        check(job, folder)
    elif data.vocabulary is not None:
        data.vocabulary.save(folder.vocabulary, data.version)
    known = {"name": data.name, "version": data.version, "spec": data.spec, "classes": list(data.classes)}
    if data.spec["kind"] == "image":
        background = pictures.background_of(data.splits["train"]["inputs"], int(data.spec["maximum"]))
        known["background"] = background
    write_json(folder.dataset, known)


def check(job: Job, folder: RunFolder) -> None:
    """Raises UserError where a run folder's checkpoints are of a model that was trained on other data."""
    before = None
    for file in (folder.dataset, folder.vocabulary):
        if before is None and file.exists():
            before = untrusted.read_json(file).get("version")
    if before is None:
        said = (folder.read_summary() or {}).get("dataset")
        before = said.get("version") if isinstance(said, dict) else None
    if before not in (None, job.data.version):
        raise UserError(
            f"{folder.path}: trained on version {before} of {job.data.name} so far, and here is "
            f"{job.data.version}; give another --workdir, or the data it had"
        )


def read(workdir: Path) -> KnownData:
    """Reads what a run folder keeps; raises UserError where there is nothing, or it is damaged."""
    folder = RunFolder(workdir)
    if not folder.dataset.exists():
        raise UserError(f"{folder.dataset}: missing; going on with the run, --workdir {workdir}, writes it")
    found = untrusted.read_json(folder.dataset)
    spec, classes = found.get("spec"), found.get("classes")
    background = found.get("background", "mixed")
    if not (isinstance(spec, dict) and isinstance(classes, list)):
        raise UserError(f"{folder.dataset}: damaged")
    if not all(isinstance(name, str) for name in classes):
        raise UserError(f"{folder.dataset}: damaged: its classes are no names")
    if background not in ("dark", "light", "mixed"):
        raise UserError(f"{folder.dataset}: damaged: the background is {background!r}")
    known = vocabularies.load(folder.vocabulary) if folder.vocabulary.exists() else None
    specs.check(spec, tuple(classes), known, str(folder.dataset))
    return KnownData(str(found.get("name")), spec, tuple(classes), background, known)
