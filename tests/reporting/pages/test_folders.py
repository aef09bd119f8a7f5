"""The run folders of a sweep."""

import json
import os
from pathlib import Path

import pytest
from run_folders import write_lines, write_run, write_sweep

from rnn_jax.reporting.pages.reading import find_runs
from rnn_jax.runtime.errors import UserError

RATES = [{"optimizer.learning_rate": rate} for rate in (1e-3, 3e-3, 1e-2)]


def places(sweep: Path) -> list[str]:
    return [found.folder.relative_to(sweep).as_posix() for found in find_runs(sweep)]


def test_members_have_the_order_of_their_rows_and_those_without_follow(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    rows = [json.loads(line) for line in (sweep / "results.jsonl").read_text().splitlines()]
    write_lines(sweep / "results.jsonl", [rows[2], rows[0]])
    for number in (10, 9):
        write_run(sweep / "members" / str(number))
    assert places(sweep) == ["members/2", "members/0", "members/1", "members/9", "members/10"]
    assert [found.row is None for found in find_runs(sweep)] == [False, False, True, True, True]


def test_rows_give_the_folders_of_trials(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES, trials=True)
    assert places(sweep) == ["trials/000000", "trials/000001", "trials/000002"]


@pytest.mark.parametrize("trials", [False, True])
def test_a_running_sweep_has_no_rows_yet(trials: bool, tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES, trials=trials)
    expected = places(sweep)
    (sweep / "results.jsonl").unlink()
    assert places(sweep) == expected
    assert all(found.row is None for found in find_runs(sweep))


@pytest.mark.parametrize("status", ["finished", "pruned"])
def test_the_runs_of_a_trial_with_several_seeds_are_its_members(status: str, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    seeds = write_sweep(sweep / "trials" / "ab12", [{"train.seed": 0}, {"train.seed": 1}])
    (sweep / "sweep.json").write_text(json.dumps({"sweep": {}}))
    point = {"optimizer.learning_rate": 0.02}
    write_lines(sweep / "results.jsonl", [{"folder": "trials/ab12", "point": point, "status": status}])
    found = find_runs(sweep)
    assert [one.folder for one in found] == [seeds / "members" / "0", seeds / "members" / "1"]
    for one in found:
        assert one.row is not None
        assert one.row["point"] == point
        assert one.row["status"] == status
        assert one.row["best"]["accuracy"] > 0.5


def test_a_row_without_a_folder_is_reported(tmp_path: Path) -> None:
    sweep = tmp_path
    (sweep / "sweep.json").write_text("{}")
    row = {"folder": "trials/gone", "status": "failed", "reason": "out of memory", "step": None}
    write_lines(sweep / "results.jsonl", [row])
    assert [(one.folder.name, one.row) for one in find_runs(sweep)] == [("gone", row)]


@pytest.mark.parametrize("folder", ["../other", "/etc", "trials/../../x", "link", "a\0b", "trials/../.."])
def test_no_row_leads_out_of_the_sweep_folder(folder: str, tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    write_run(tmp_path / "other")
    (sweep / "link").symlink_to(tmp_path / "other")
    write_lines(sweep / "results.jsonl", [{"folder": folder, "status": "finished"}])
    with pytest.raises(UserError, match=r"results\.jsonl: damaged.*outside of the sweep folder"):
        find_runs(sweep)


def test_links_among_the_members_are_skipped(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    (sweep / "members" / "7").symlink_to(write_run(tmp_path / "other"))
    assert "members/7" not in places(sweep)


def test_a_torn_last_row_is_dropped_and_a_damaged_one_reported(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    text = (sweep / "results.jsonl").read_text()
    (sweep / "results.jsonl").write_text(text + '{"member": 3, "sta')
    assert len(places(sweep)) == 3
    (sweep / "results.jsonl").write_text('{"member": 0, \n' + text)
    with pytest.raises(UserError, match=r"results.jsonl: damaged, line 1"):
        find_runs(sweep)


@pytest.mark.parametrize("name", ["results.jsonl"])
def test_pipes_are_not_read(name: str, tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", RATES)
    (sweep / name).unlink()
    os.mkfifo(sweep / name)
    with pytest.raises(UserError, match=f"{name}: not a regular file"):
        find_runs(sweep)
