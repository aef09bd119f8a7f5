"""The head of the page: the winner on each data set, its seeds, and which runs do not count."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from run_folders import write_run, write_sweep

from rnn_jax.reporting.pages.collection import collect
from rnn_jax.reporting.pages.contents import build_contents

OWN = {"dataset.name": "sequences", "dataset.file": "a.npz"}
FAST, SLOW = {"optimizer.learning_rate": 0.016}, {"optimizer.learning_rate": 0.001}


class Runs:
    """Run folders, and the page about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Path] = []

    def add(self, name: str, changes: dict[str, Any], accuracy: float | None, **more: Any) -> None:
        """Write a run on `version` of its file, with this accuracy in validation and test."""
        version, status = more.get("version", "1f00d"), more.get("status", "finished")
        best = None if accuracy is None else {"step": 5, "accuracy": accuracy, "loss": 1 - accuracy}
        data = {"name": "sequences", "version": version, "train": 80, "validation": 10, "test": 10}
        test = {"accuracy": accuracy} if status == "finished" else None
        summary = {"best": best, "test": test, "dataset": data}
        folder = write_run(self.folder / name, OWN | changes, status=status, steps=50, summary=summary)
        self.written.append(folder)

    def page(self) -> dict[str, Any]:
        return build_contents(collect(self.written), "", datetime(2026, 1, 1))

    def column(self, heading: str, table: str = "seeds") -> list[str]:
        """The texts of a column of the table over seeds, or of the one of runs."""
        found = self.page()[table]
        place = [name for name, _, _ in found["columns"]].index(heading)
        return [row[place][0] for row in found["rows"]]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_a_repeated_seed_counts_once(runs: Runs) -> None:
    for name, seed, accuracy in (("a", 0, 0.98885), ("again", 0, 0.98885), ("b", 1, 0.98335)):
        runs.add(name, FAST | {"train.seed": seed}, accuracy)
    runs.add("slow", SLOW, 0.5)
    page = runs.page()
    ((_, sentence),) = page["best"]
    metrics = "validation accuracy 98.61 ± 0.39 %; test accuracy 98.61 ± 0.39 %"
    assert sentence == f"optimizer.learning_rate = 0.016, 2 seeds: {metrics}"
    assert runs.column("runs") == ["2 finished, 1 repeated", "1 finished"]
    note = "A seed counts once. Equal results of the same config, data and seed: again (as a)."
    assert page["notes"][0] == note


def test_other_results_of_a_seed_are_reported_and_the_first_counts(runs: Runs) -> None:
    """Not the best one, which would be a choice by luck."""
    for name, accuracy in (("first", 0.9), ("second", 0.95), ("third", 0.8)):
        runs.add(name, FAST, accuracy)
    runs.add("cut", FAST, 0.99, status="interrupted")
    page = runs.page()
    assert page["best"][0][1].startswith("first: validation accuracy 90.00 %")
    different = "second (95.00 %) beside first (90.00 %), third (80.00 %) beside first (90.00 %)"
    assert page["notes"][0].endswith(
        f"of which the second counts: {different}, cut (interrupted) beside first (90.00 %)."
    )


def test_an_interrupted_run_does_not_sink_its_group(runs: Runs) -> None:
    for seed, accuracy in enumerate((0.98, 0.96)):
        runs.add(f"fast{seed}", FAST | {"train.seed": seed}, accuracy)
        runs.add(f"slow{seed}", SLOW | {"train.seed": seed}, 0.003)
    for seed, accuracy in ((2, 0.2), (3, None)):
        runs.add(f"fast{seed}", FAST | {"train.seed": seed}, accuracy, status="interrupted")
    ((_, sentence),) = runs.page()["best"]
    expected = "optimizer.learning_rate = 0.016, 2 of 4 seeds finished: validation accuracy 97.00 ± 1.41 %"
    assert sentence.startswith(expected)
    assert runs.column("runs") == ["2 of 4 finished", "2 finished"]
    assert runs.column("validation accuracy") == ["97.00 ± 1.41 %", "0.30 ± 0.00 %"]


@pytest.mark.parametrize("status", ["diverged", "failed", "pruned"])
def test_a_diverged_run_does_sink_its_group(status: str, runs: Runs) -> None:
    runs.add("fast0", FAST, 0.98)
    runs.add("fast1", FAST | {"train.seed": 1}, 0.97, status=status)
    runs.add("slow", SLOW, 0.5)
    assert runs.page()["best"][0][1].startswith("slow: ")


def test_groups_of_unfinished_runs_are_ranked_by_their_best_so_far(runs: Runs) -> None:
    for seed, accuracy in enumerate((0.9, 0.8, None)):
        runs.add(f"fast{seed}", FAST | {"train.seed": seed}, accuracy, status="running")
    runs.add("slow", SLOW, 0.5)
    ((_, sentence),) = runs.page()["best"]
    expected = "optimizer.learning_rate = 0.016, 0 of 3 seeds finished: validation accuracy 85.00 ± 7.07 %"
    assert sentence == expected


def test_the_headline_names_the_key_that_separates_the_winner(runs: Runs) -> None:
    """Losing runs share its other values, though all of these keys differ among the runs."""
    betas = {"optimizer.beta1": 0.8, "optimizer.beta2": 0.99, "optimizer.clip_norm": 5.0}
    for seed in (0, 1):
        runs.add(f"best{seed}", FAST | betas | {"train.seed": seed}, 0.98)
        runs.add(f"slow{seed}", SLOW | betas | {"train.seed": seed}, 0.9)
        runs.add(f"plain{seed}", SLOW | {"train.seed": seed}, 0.8)
    assert runs.page()["best"][0][1].startswith("optimizer.learning_rate = 0.016, 2 seeds: ")


def test_without_a_key_of_its_own_the_winner_is_separated_by_several(runs: Runs) -> None:
    for name, rate, size, clip in (("a", 0.1, 8, 1), ("b", 0.1, 16, 1), ("c", 0.2, 8, 1), ("d", 0.2, 16, 1)):
        keys = {"optimizer.learning_rate": rate, "model.hidden_size": size, "optimizer.clip_norm": clip}
        runs.add(name, keys, {"a": 0.9}.get(name, 0.5))
    sentence = runs.page()["best"][0][1]
    assert "at step 5, with model.hidden_size = 8, optimizer.learning_rate = 0.1;" in sentence


def test_the_table_has_the_key_that_decides(runs: Runs) -> None:
    """Even where more keys differ than it has columns."""
    for name, keys, accuracy in (("a", FAST, 0.9), ("b", SLOW, 0.8), ("c", SLOW, 0.7)):
        runs.add(name, keys | {f"model.key{number}": name == "c" for number in range(14)}, accuracy)
    assert runs.column("optimizer.learning_rate", "table") == ["0.016", "0.001", "0.001"]


def test_the_best_member_of_a_sweep_has_all_of_its_point(tmp_path: Path) -> None:
    points = [
        {"optimizer.learning_rate": rate, "model.layers": layers}
        for rate in (3e-3, 1e-1)
        for layers in (1, 2)
    ]
    found = collect(
        [write_sweep(tmp_path / "sweep", points, final=0.5), write_sweep(tmp_path / "other", points[:1])]
    )
    sentence = build_contents(found, "", datetime(2026, 1, 1))["best"][0][1]
    assert "optimizer.learning_rate = 0.003, model.layers = 1" in sentence


def test_different_data_are_not_compared(runs: Runs) -> None:
    """Two files, and one whose contents have changed: three data sets. A copy of a file is the same."""
    other = {"dataset.file": "b.npz"}
    runs.add("a", FAST, 0.9)
    runs.add("copied", FAST | {"dataset.file": "copy.npz", "train.seed": 1}, 0.8)
    runs.add("edited", FAST, 0.99, version="2f00d")
    runs.add("other", FAST | other, 0.7, version="3f00d")
    runs.add("other_slow", SLOW | other, 0.6, version="3f00d")
    page = runs.page()
    first, edited, other = (
        f"classification on sequences {n}f00d (10 validation, 10 test) from" for n in "123"
    )
    rate, of = "optimizer.learning_rate = 0.016", "validation accuracy"
    assert dict(page["best"]) == {
        f"{first} a.npz, copy.npz": f"a, 2 seeds: {of} 85.00 ± 7.07 %; test accuracy 85.00 ± 7.07 %",
        f"{edited} a.npz": f"edited: {of} 99.00 % at step 5; test accuracy 99.00 %",
        f"{other} b.npz": f"other: {of} 70.00 % at step 5, with {rate}; test accuracy 70.00 %",
    }
    files = [("1f00d", "a"), ("2f00d", "a"), ("3f00d", "b"), ("3f00d", "b")]
    assert runs.column("data") == [f"sequences {version}, {file}.npz" for version, file in files]
    assert [run["name"] for run in page["runs"]] == ["a", "copied", "edited", "other", "other_slow"]
    assert any(
        "sequences 2f00d from a.npz (80 train" in text for name, text in page["facts"] if name == "data"
    )


def test_generated_data_of_other_lengths_are_not_compared(tmp_path: Path) -> None:
    folders = []
    for steps, accuracy in ((20, 0.9), (200, 0.5)):
        keys = {"task.name": "adding", "dataset.name": "generated", "task.time_steps": steps}
        data = {"name": "generated", "version": "1.0.0", "train": 80, "validation": 10, "test": 10}
        summary = {"dataset": data, "best": {"step": 1, "accuracy": accuracy}}
        folders.append(write_run(tmp_path / str(steps), keys, summary=summary))
    best = build_contents(collect(folders), "", datetime(2026, 1, 1))["best"]
    assert [name.partition(" (")[2] for name, _ in best] == [
        f"time_steps = {steps}, 10 validation, 10 test)" for steps in (20, 200)
    ]


def test_tokenizers_of_the_same_texts_are_compared(tmp_path: Path) -> None:
    folders = []
    for tokenizer, accuracy in (("words", 0.8), ("bpe", 0.9)):
        data = {"name": "imdb", "version": tokenizer, "source": "1f00d", "validation": 10, "test": 10}
        summary = {"dataset": data, "best": {"step": 1, "accuracy": accuracy}, "test": None}
        keys = {"dataset.name": "imdb", "dataset.tokenizer": tokenizer}
        folders.append(write_run(tmp_path / tokenizer, keys, summary=summary))
    best = build_contents(collect(folders), "", datetime(2026, 1, 1))["best"]
    sentence = "bpe: validation accuracy 90.00 % at step 1, with dataset.tokenizer = bpe"
    assert best == [("classification on imdb", sentence)]


def test_other_folds_of_the_same_data_are_not_compared(runs: Runs) -> None:
    """Each validates with other examples."""
    for fold, accuracy in enumerate((0.9, 0.8)):
        for seed in (0, 1):
            keys = {"dataset.validation_folds": 5, "dataset.validation_fold": fold, "train.seed": seed}
            runs.add(f"{fold}-{seed}", FAST | keys, accuracy)
    best = runs.page()["best"]
    assert [f"validation_folds = 5, validation_fold = {fold}," in best[fold][0] for fold in (0, 1)] == [
        True
    ] * 2
    assert [sentence.split(": ")[0] for _, sentence in best] == ["0-0, 2 seeds", "1-0, 2 seeds"]


def test_a_run_without_a_summary_has_the_data_of_dataset_json(runs: Runs, tmp_path: Path) -> None:
    runs.add("a", FAST, 0.9)
    runs.add("b", FAST, 0.9, version="2f00d")
    runs.add("new", FAST, 0.9)
    (tmp_path / "new" / "summary.json").unlink()
    (tmp_path / "new" / "dataset.json").write_text('{"name": "sequences", "version": "2f00d"}')
    found = {run.name: run.benchmark for run in collect(runs.written).runs}
    assert found["new"] == found["b"] != found["a"]
