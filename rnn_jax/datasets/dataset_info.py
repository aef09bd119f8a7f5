"""Dataset info: the part of its data set that a run folder keeps, enough to predict new inputs.

`dataset.json` has the name, version and spec of the data set, the class names and the background of images;
`vocabulary.json` has the tokens of a text.
"""

from pathlib import Path
from typing import Any, NamedTuple, get_args

from rnn_jax.config.run_folder import RunFolder
from rnn_jax.datasets import specs
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.datasets.safe_reading import read_json
from rnn_jax.datasets.user_files import pictures
from rnn_jax.datasets.user_files.pictures import Background
from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.runtime.errors import UserError, shorten
from rnn_jax.runtime.files import write_json


class DatasetInfo(NamedTuple):
    """Facts about the data set that a model was trained on."""

    name: str
    spec: dict[str, Any]
    classes: tuple[str, ...]
    background: Background  # of the edges of most training images; 'mixed' for other kinds of data
    vocabulary: Vocabulary | None
    common_background: Background = "mixed"  # of all images of all splits


def save(data: Dataset, folder: RunFolder, *, has_checkpoint: bool) -> None:
    """Write `dataset.json`, and the vocabulary if the run has no checkpoint; else `check_version` raises."""
    if has_checkpoint:
        check_version(data, folder)
    elif data.vocabulary is not None:
        data.vocabulary.save(folder.vocabulary, data.version)
    info = {**data.identity, "spec": data.spec, "classes": list(data.classes)}
    if data.spec["kind"] == "image":
        maximum = int(data.spec["maximum"])
        info["background"] = pictures.background_of(data.splits["train"]["inputs"], maximum)
        found = {
            pictures.background_of(arrays["inputs"], maximum, share=1) for arrays in data.splits.values()
        }
        info["common_background"] = found.pop() if len(found) == 1 else "mixed"
    write_json(folder.dataset, info)


def check_version(data: Dataset, folder: RunFolder) -> None:
    """Raise UserError if the run folder's model was trained on another version of the data."""
    version = None
    for file in (folder.dataset, folder.vocabulary):
        if version is None and file.exists():
            version = read_json(file).get("version")
    if version is None:
        summary = (folder.read_summary() or {}).get("dataset")
        version = summary.get("version") if isinstance(summary, dict) else None
    if version not in (None, data.version):
        found = f"trained on version {version} of {data.name}, but the data have version {data.version}"
        raise UserError(f"{folder.path}: {found}; restore the original data, or give another --workdir")


def load(workdir: Path) -> DatasetInfo:
    """Load the dataset info of a run folder; raise UserError if it is missing or damaged."""
    folder = RunFolder(workdir)
    if not folder.dataset.exists():
        raise UserError(f"{folder.dataset}: missing; resume the run with --workdir {workdir} to write it")
    info = read_json(folder.dataset)
    spec, classes, background = info.get("spec"), info.get("classes"), info.get("background", "mixed")
    if not (isinstance(spec, dict) and isinstance(classes, list)):
        raise UserError(f"{folder.dataset}: damaged")
    if not all(isinstance(name, str) for name in classes):
        raise UserError(f"{folder.dataset}: damaged: the class names must be strings")
    common = info.get("common_background", background)  # of folders of former versions
    for key, value in (("background", background), ("common_background", common)):
        if value not in get_args(Background):
            raise UserError(
                f"{folder.dataset}: damaged: {key} = {shorten(repr(value))}: dark, light or mixed"
            )
    vocabulary = Vocabulary.load(folder.vocabulary) if "unit" in spec else None  # of texts
    specs.check_spec(spec, tuple(classes), vocabulary, str(folder.dataset))
    return DatasetInfo(str(info.get("name")), spec, tuple(classes), background, vocabulary, common)
