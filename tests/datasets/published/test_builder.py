"""Preparation by TFDS: original files, cache, lock, and their failures."""

import errno
import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from idx_files import COUNTS, Tiny, assert_splits, idx, images_name, labels_name, load

from rnn_jax.runtime.errors import StorageError, UserError

VERSION_FOLDER = Path("rnn_jax_tiny") / "1.0.0"


@pytest.fixture
def prepared(tiny: Tiny, tmp_path: Path) -> str:
    """A data_dir that holds the tiny data set."""
    data_dir = str(tmp_path / "data")
    load(tiny.loader, data_dir, str(tiny.folder))
    return data_dir


def message_of(tiny: Tiny, data_dir: str | Path | None, manual_dir: str | Path | None) -> str:
    with pytest.raises(UserError) as raised:
        load(tiny.loader, data_dir and str(data_dir), manual_dir and str(manual_dir))
    message = str(raised.value)
    assert message.count("\n") <= 1
    return message


def test_prepares_from_files_and_says_nothing(
    tiny: Tiny, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    splits = load(tiny.loader, str(tmp_path / "data"), str(tiny.folder))
    assert_splits(splits, tiny.contents)
    assert tuple(capfd.readouterr()) == ("", "")


def test_prepared_data_are_read_without_the_files(tiny: Tiny, prepared: str) -> None:
    shutil.rmtree(tiny.folder)
    assert_splits(load(tiny.loader, prepared, None), tiny.contents)
    (Path(prepared) / VERSION_FOLDER / "arrays.npz").unlink()
    assert_splits(load(tiny.loader, prepared, None), tiny.contents)


def test_tfds_reads_the_prepared_data(tiny: Tiny, prepared: str) -> None:
    import tensorflow_datasets as tfds

    records: Any = tfds.data_source("rnn_jax_tiny", split="train", data_dir=prepared)
    assert [int(record["targets"]) for record in records] == list(tiny.contents["train"]["targets"])


def test_default_folder_is_that_of_tfds(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorflow_datasets.core.constants import get_default_data_dir

    load(tiny.loader, None, str(tiny.folder))
    assert (Path(get_default_data_dir()) / VERSION_FOLDER / "arrays.npz").is_file()
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    load(tiny.loader, None, str(tiny.folder))
    assert (Path(get_default_data_dir()) / VERSION_FOLDER / "arrays.npz").is_file()


def test_environment_names_a_collection(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = tmp_path / "collection"
    shutil.copytree(tiny.folder, collection / "tiny")
    monkeypatch.setenv("RNN_JAX_DATA", str(collection))
    assert_splits(load(tiny.loader, str(tmp_path / "data"), None), tiny.contents)
    path = collection / "tiny" / labels_name("test")
    path.write_bytes(path.read_bytes()[:-9])  # verified although there is prepared data
    assert f"{path}: truncated" in message_of(tiny, tmp_path / "data", None)
    path.unlink()  # not whole: as if it were not there
    assert_splits(load(tiny.loader, str(tmp_path / "data"), None), tiny.contents)


def test_no_files_and_no_network(tiny: Tiny, tmp_path: Path) -> None:
    message = message_of(tiny, tmp_path / "data", None)
    assert message.startswith("tiny: ")
    assert "127.0.0.1 cannot be reached" in message
    for wanted in (images_name("train"), labels_name("test"), "dataset.manual_dir", "configs/digits.py"):
        assert wanted in message


def test_manual_dir_that_is_none(tiny: Tiny, tmp_path: Path, prepared: str) -> None:
    missing, file = tmp_path / "missing", tiny.folder / images_name("train")
    assert f"dataset.manual_dir = {missing}: no such folder" in message_of(tiny, prepared, missing)
    assert f"dataset.manual_dir = {file}: is not a folder" in message_of(tiny, prepared, file)
    (tiny.folder / labels_name("test")).unlink()
    message = message_of(tiny, prepared, tiny.folder)
    assert message.startswith(f"dataset.manual_dir = {tiny.folder}: has no {labels_name('test')}: must have ")


def test_files_that_are_not_the_original(tiny: Tiny, prepared: str) -> None:
    """Refused where prepared data exists too; what the file itself tells comes before its checksum."""
    path = tiny.folder / images_name("train")
    original = path.read_bytes()
    inputs = tiny.contents["train"]["inputs"]
    cases = {
        original[: len(original) // 2]: "truncated: the gzip stream has no end",
        gzip.compress(idx(inputs)[:-5]): "truncated: 5,995 bytes of images: the header claims 6,000",
        gzip.compress(idx(inputs[:499])): "has 499 images, but train-labels-idx1-ubyte.gz has 500 labels",
        (tiny.folder / images_name("test")).read_bytes(): "wrong name: this is the file t10k-images",
        (tiny.folder / labels_name("train")).read_bytes(): "wrong name: this is the file train-labels",
        gzip.compress(idx(inputs[::-1])): "not the original file of tiny: SHA-256 ",
    }
    for data, problem in cases.items():
        path.write_bytes(data)
        assert f"{path}: {problem}" in message_of(tiny, prepared, tiny.folder)
    path.write_bytes(original)
    assert_splits(load(tiny.loader, prepared, str(tiny.folder)), tiny.contents)


@pytest.mark.parametrize("position", np.linspace(0, 0.999, 25))
def test_damaged_cache_is_never_trusted(tiny: Tiny, prepared: str, position: float) -> None:
    path = Path(prepared) / VERSION_FOLDER / "arrays.npz"
    sound = path.read_bytes()
    damaged = bytearray(sound)
    damaged[int(position * len(sound))] ^= 0x10
    path.write_bytes(damaged)
    assert_splits(load(tiny.loader, prepared, None), tiny.contents)


def test_other_caches_are_made_anew(tiny: Tiny, prepared: str) -> None:
    path = Path(prepared) / VERSION_FOLDER / "arrays.npz"
    sound = path.read_bytes()
    other_head = sound.replace(b"(500, 4, 3)", b"(500, 4, 3(")  # one bit, on which NumPy's parser stumbles
    for damaged in (b"", b"no zip file", sound[: len(sound) // 2], other_head):
        assert damaged != sound
        path.write_bytes(damaged)
        assert_splits(load(tiny.loader, prepared, None), tiny.contents)
        assert path.read_bytes() == sound
    other_shape: dict[str, Any] = {"train/inputs": np.zeros((500, 9), np.uint8)}
    np.savez(path, **other_shape)
    assert_splits(load(tiny.loader, prepared, None), tiny.contents)


def test_damaged_prepared_data(tiny: Tiny, prepared: str) -> None:
    folder = Path(prepared) / VERSION_FOLDER
    (folder / "arrays.npz").unlink()
    records = next(folder.glob("*train.array_record*"))
    records.write_bytes(records.read_bytes()[:-70_000])
    message = f"{folder}: damaged; delete it, and the next run prepares it again"
    assert message_of(tiny, prepared, None) == message
    shutil.rmtree(folder)
    assert_splits(load(tiny.loader, prepared, str(tiny.folder)), tiny.contents)


def test_leftovers_of_a_killed_preparation_go(tiny: Tiny, tmp_path: Path) -> None:
    leftover = tmp_path / "data" / "rnn_jax_tiny" / "incomplete.AB12CD_1.0.0"
    leftover.mkdir(parents=True)
    assert_splits(load(tiny.loader, str(tmp_path / "data"), str(tiny.folder)), tiny.contents)
    assert not leftover.exists()


def test_folder_that_cannot_be_written(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    data_dir = tmp_path / "file" / "data"
    message = message_of(tiny, data_dir, tiny.folder)
    assert message == f"dataset.data_dir = {data_dir}: cannot be written: Not a directory"
    assert "must be a local folder" in message_of(tiny, "gs://bucket/data", tiny.folder)


def test_full_disk(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow_datasets as tfds

    def as_numpy_says(*arguments: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def as_tfds_says(*arguments: object, **named: object) -> None:
        raise RuntimeError(
            'Failed to finalize writing of split "train": write() failed: No space left on device'
        )

    monkeypatch.setattr(np, "savez", as_numpy_says)
    data_dir = str(tmp_path / "data")
    with pytest.raises(StorageError, match=r"arrays.npz: the disk is full"):
        load(tiny.loader, data_dir, str(tiny.folder))
    assert not list(Path(data_dir).rglob("*arrays.npz*"))
    monkeypatch.setattr(tfds.core.GeneratorBasedBuilder, "download_and_prepare", as_tfds_says)
    with pytest.raises(StorageError):
        load(tiny.loader, data_dir + "2", str(tiny.folder))


PROCESS = """
import sys, time
from pathlib import Path
import tensorflow_datasets
sys.path.insert(0, {tests!r})
from idx_files import loader_of, load
original, data_dir, gate = map(Path, sys.argv[1:])
loader = loader_of(original, "http://127.0.0.1:1/")
print("ready", flush=True)
while not gate.exists():
    time.sleep(0.001)
splits = load(loader, str(data_dir), str(original))
total = sum(int(arrays["inputs"].sum()) for arrays in splits.values())
written = (data_dir / "rnn_jax_tiny/1.0.0/arrays.npz").stat().st_mtime_ns
print(total, written)
assert "tensorflow" not in sys.modules
"""


def test_processes_that_prepare_at_once(tiny: Tiny, tmp_path: Path) -> None:
    script = PROCESS.format(tests=str(Path(__file__).parents[1]))
    gate = tmp_path / "gate"
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        script,
        str(tiny.folder),
        str(tmp_path / "data"),
        str(gate),
    ]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    gate.touch()
    answers = [(process.communicate(timeout=60), process.returncode) for process in processes]
    total = sum(int(tiny.contents[split]["inputs"].sum()) for split in COUNTS)
    written = (tmp_path / "data" / VERSION_FOLDER / "arrays.npz").stat().st_mtime_ns
    assert answers == [((f"{total} {written}\n", ""), 0)] * 2  # prepared once: the other waited and read


def test_prepared_data_are_read_without_tfds(tiny: Tiny, prepared: str) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from idx_files import loader_of, load
load(loader_of(Path({str(tiny.folder)!r}), "http://127.0.0.1:1/"), {prepared!r}, {str(tiny.folder)!r})
print(sorted({"tensorflow_datasets", "tensorflow", "jax", "sklearn", "requests"} & sys.modules.keys()))
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout == "[]\n"
