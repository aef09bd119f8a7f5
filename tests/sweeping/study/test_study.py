"""Workers of a study: claims, requeued trials, and that each trial finishes exactly once."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest

from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping import definition
from rnn_jax.sweeping.command import StudyOptions
from rnn_jax.sweeping.study import storage, study, trials
from rnn_jax.sweeping.study.storage import StudyStorageError
from rnn_jax.sweeping.study.study import Study, open_study
from rnn_jax.sweeping.study.trials import (
    ClaimedTrial,
    TrialFailedError,
    TrialRequeuedError,
    TrialTakenOverError,
)

RANGES = {"a": {"log_uniform": (1e-3, 1.0)}, "b": {"choice": ("x", None, 3)}, "c": {"integer": (1, 9)}}
HEARTBEAT_SECONDS = 100
"""No worker misses six of these during a test."""


def join(folder: Path, *, heartbeat: int = HEARTBEAT_SECONDS, points: Any = (), **more: Any) -> Study:
    """A worker's access to one study."""
    settings: dict[str, Any] = {
        "content": {"model.layers": 1},
        "versions": {"jax": "1"},
        "commit": None,
    }
    objective = more.pop("objective", Objective("loss", "min"))
    settings |= {name: more.pop(name) for name in settings if name in more}
    fields = (
        {"grid": {"a": [point["a"] for point in points]}} if points else {"ranges": RANGES, "num_trials": 3}
    )
    sweep = definition.check({**fields, **more}, "here", in_study=True)
    options = StudyOptions(f"sqlite:///{folder / 'study.db'}", "s", 1, heartbeat)
    return open_study(options, sweep, list(points), objective, settings)


def stored(worker: Study) -> list[optuna.trial.FrozenTrial]:
    return worker._study.get_trials()


def train(trial: ClaimedTrial) -> float:
    return trial.point["a"]


def run_all(worker: Study, run: Callable[[ClaimedTrial], float]) -> None:
    while worker.run_next(run):
        pass


def test_two_workers_share_the_trials(tmp_path: Path) -> None:
    first, second = join(tmp_path), join(tmp_path)
    assert first.run_next(train)
    assert second.run_next(train)
    assert first.run_next(train)
    assert not first.run_next(train)
    assert not second.run_next(train)
    found = second.finished()
    assert [trial.number for trial in found] == [0, 1, 2]
    assert [trial.value for trial in found] == [trial.point["a"] for trial in found]
    assert second.num_unfinished() == 0
    for trial in found:
        assert 1e-3 <= trial.point["a"] <= 1
        assert trial.point["b"] in ("x", None, 3)
        assert trial.point["c"] in range(1, 10)
    assert len({trial.point["a"] for trial in found}) == 3


def test_sampled_points_do_not_depend_on_the_worker(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    alone = join(tmp_path / "alone", num_trials=14)
    run_all(alone, train)
    for number in range(14):
        assert join(tmp_path, num_trials=14).run_next(train), number
    assert [trial.point for trial in join(tmp_path).finished()] == [trial.point for trial in alone.finished()]
    other = tmp_path / "other"
    other.mkdir()
    assert join(other, sampler_seed=1).run_next(train)
    assert join(other, sampler_seed=1).finished()[0].point != alone.finished()[0].point


def test_the_database_has_the_values_that_are_trained(tmp_path: Path) -> None:
    """Equal, and of the same types, as anything that reads the study with Optuna sees them."""
    ranges = {
        **RANGES,
        "d": {"uniform": (0.25, 0.5)},
        "e": {"choice": ("lstm", "gru", '"lstm"')},
        "f": {"choice": (64, 128)},
        "g": {"choice": (True, False, None)},
        "h": {"choice": (0.1, 0.0796323472)},
    }
    for sampler, num_trials in (("random", 2), ("tpe", 12)):  # TPE samples by itself after ten
        folder = tmp_path / sampler
        folder.mkdir()
        worker = join(folder, ranges=ranges, num_trials=num_trials, sampler=sampler)
        seen: list[dict[str, Any]] = []

        def run(trial: ClaimedTrial, seen: list[dict[str, Any]] = seen) -> float:
            seen.append(trial.point)
            return trial.point["a"]

        run_all(worker, run)
        found = optuna.load_study(storage=f"sqlite:///{folder / 'study.db'}", study_name="s").trials
        assert [trial.params for trial in found] == seen
        for trial, point in zip(found, seen, strict=True):
            types = [type(value) for value in point.values()]
            assert [type(trial.params[name]) for name in point] == types
            assert float(f"{point['a']:.5g}") == point["a"]  # a few digits, which can be typed
            assert point["f"] in (64, 128)


def test_choices_of_lists_or_of_equal_values_are_stored_as_json(tmp_path: Path) -> None:
    ranges = {"a": {"choice": (1, 1.0, True)}, "b": {"choice": ([1, 2], "balanced", None)}}
    worker = join(tmp_path, ranges=ranges, num_trials=9)
    seen: list[Any] = []

    def run(trial: ClaimedTrial) -> float:
        seen.append(trial.point)
        return 1.0

    run_all(worker, run)
    assert {type(point["a"]) for point in seen} == {int, float, bool}
    assert [json.loads(trial.params["b"]) for trial in stored(worker)] == [point["b"] for point in seen]


def test_a_study_of_the_former_form_is_an_error(tmp_path: Path) -> None:
    worker = join(tmp_path)
    settings = dict(worker._study.user_attrs[study.SETTINGS])
    del settings["format"]
    worker._study.set_user_attr(study.SETTINGS, settings)
    with pytest.raises(
        UserError, match=r"stores values in the form of another version of rnn_jax; finish it"
    ):
        join(tmp_path)


def test_each_point_of_a_grid_is_trained_once(tmp_path: Path) -> None:
    points = [{"a": value} for value in (3, 1, 2)]
    workers = [join(tmp_path, points=points) for _ in range(2)]
    while any(worker.run_next(train) for worker in workers):
        pass
    assert [trial.point for trial in workers[0].finished()] == points
    assert workers[0].num_trials == 3


def test_a_failed_trial_records_its_reason_and_the_others_continue(tmp_path: Path) -> None:
    worker = join(tmp_path)

    def run(trial: ClaimedTrial) -> float:
        trial.set_attribute("folder", f"trials/{trial.number}")
        if trial.number == 1:
            raise TrialFailedError("diverged at update 3")
        return 1.0

    run_all(worker, run)
    found = worker.finished()
    assert [(trial.status, trial.reason) for trial in found] == [
        ("finished", None),
        ("failed", "diverged at update 3"),
        ("finished", None),
    ]
    assert [trial.attributes["folder"] for trial in found] == ["trials/0", "trials/1", "trials/2"]


def test_a_requeued_trial_keeps_its_point_and_its_reported_evaluations(tmp_path: Path) -> None:
    first, second = join(tmp_path), join(tmp_path)
    seen: list[tuple[int, dict[str, Any]]] = []

    def interrupted(trial: ClaimedTrial) -> float:
        trial.report(1, 0.5)
        seen.append((trial.number, trial.point))
        raise TrialRequeuedError

    def resumed(trial: ClaimedTrial) -> float:
        trial.report(1, 0.7)  # reported before: that value counts
        trial.report(2, 0.4)
        seen.append((trial.number, trial.point))
        return 0.4

    assert first.run_next(interrupted)
    assert second.run_next(resumed)
    assert seen[0] == seen[1]
    last = stored(second)[-1]
    assert last.intermediate_values == {1: 0.5, 2: 0.4}
    assert [trial.number for trial in second.finished()] == [0]


def test_the_worst_trials_are_pruned(tmp_path: Path) -> None:
    worker = join(tmp_path, num_trials=9, pruner={"kind": "percentile"})

    def run(trial: ClaimedTrial) -> float:
        for evaluation in (1, 2, 3):
            trial.report(evaluation, float(trial.number))
        return float(trial.number)

    run_all(worker, run)
    found = worker.finished()
    assert [trial.status for trial in found] == ["finished"] * 5 + ["pruned"] * 4
    assert [trial.value for trial in found] == [float(number) for number in range(9)]
    assert stored(worker)[-1].intermediate_values == {1: 8.0}


@pytest.mark.parametrize(
    ("pruner", "evaluations"),
    [
        ({"kind": "percentile"}, [1] * 4),
        ({"kind": "percentile", "min_evaluations": 2}, [2] * 4),
        ({"kind": "percentile", "min_evaluations": 2, "interval_evaluations": 2}, [2] * 4),
        ({"kind": "percentile", "percentile": 80}, [3] * 4),
        ({"kind": "halving", "min_evaluations": 2}, [2] * 4),
        (None, [3] * 4),
    ],
)
def test_at_which_evaluation_trials_are_pruned(
    tmp_path: Path, pruner: dict[str, Any], evaluations: list[int]
) -> None:
    """Of nine trials the first five, each slightly worse than the one before, are never pruned."""
    worker = join(tmp_path, num_trials=9, pruner=pruner)
    made: list[int] = []

    def run(trial: ClaimedTrial) -> float:
        for evaluation in (1, 2, 3):
            made.append(trial.number)
            # The others are between the third and the fourth of them.
            place = trial.number if trial.number < 5 else 2.5
            trial.report(evaluation, 5.0 - evaluation + place / 1000)
        return 1.0

    run_all(worker, run)
    assert [made.count(number) for number in range(5, 9)] == evaluations


@pytest.mark.parametrize("method", ["_point", "_requeue_own"])
def test_a_dead_workers_trial_is_requeued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """It died between creating the trial and its first heartbeat, or between failing and requeueing it."""
    dead, alive = join(tmp_path), join(tmp_path)

    def interrupted(trial: ClaimedTrial) -> float:
        raise TrialRequeuedError

    class Killed(BaseException):
        pass

    def killed(*arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(study.Study, method, killed)
        with pytest.raises(Killed):
            dead.run_next(interrupted)
    clock = _Clock(monkeypatch)
    if method == "_point":  # it has started: its heartbeats have stopped
        _forget_heartbeats(tmp_path)
        run_all(alive, train)
        assert [trial.number for trial in alive.finished()] == [0, 2, 3]
    else:
        run_all(alive, train)
        assert [trial.number for trial in alive.finished()] == [1, 2]
        clock.now += 6 * HEARTBEAT_SECONDS + 1
        run_all(alive, train)
        assert [trial.number for trial in alive.finished()] == [0, 1, 2]
    assert all(trial.state.is_finished() for trial in stored(alive))


def test_a_trial_whose_worker_died_before_its_first_heartbeat_is_requeued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, alive = join(tmp_path), join(tmp_path)
    dead._study._storage.create_new_trial(dead._study._study_id)
    clock = _Clock(monkeypatch)
    run_all(alive, train)
    assert [trial.number for trial in alive.finished()] == [1, 2]
    clock.now += 6 * HEARTBEAT_SECONDS + 1
    run_all(alive, train)
    assert [trial.number for trial in alive.finished()] == [0, 1, 2]


def test_a_live_worker_whose_trial_was_taken_over_does_not_count(tmp_path: Path) -> None:
    slow, other = join(tmp_path), join(tmp_path)

    def taken_over(trial: ClaimedTrial) -> float:
        _forget_heartbeats(tmp_path)
        assert other.run_next(train)  # finishes the same trial
        return 99.0

    def noticed(trial: ClaimedTrial) -> float:
        _forget_heartbeats(tmp_path)
        assert other.run_next(train)
        with pytest.raises(TrialTakenOverError):
            trial.report(1, 0.0)
        raise TrialTakenOverError

    assert slow.run_next(taken_over)
    assert slow.run_next(noticed)
    run_all(slow, train)
    found = slow.finished()
    assert [trial.number for trial in found] == [0, 2, 4]
    assert [trial.value for trial in found] == [trial.point["a"] for trial in found]


def test_a_superfluous_trial_is_dropped(tmp_path: Path) -> None:
    first, second = join(tmp_path, num_trials=1), join(tmp_path, num_trials=1)

    def run(trial: ClaimedTrial) -> float:
        # As if both workers had claimed at the same moment.
        second._study.optimize(
            lambda trial: second._run(trial, train), n_trials=1, catch=(TrialTakenOverError,)
        )
        return 1.0

    assert first.run_next(run)
    assert [trial.number for trial in first.finished()] == [0]
    assert [trial.user_attrs.get(trials.SUPERFLUOUS) for trial in stored(first)] == [None, 1]
    more = join(tmp_path, num_trials=2)
    assert more.run_next(train)
    assert not more.run_next(train)
    assert [trial.number for trial in more.finished()] == [0, 2]


def test_the_largest_number_of_trials_counts_for_all_workers(tmp_path: Path) -> None:
    few, many = join(tmp_path, num_trials=2), join(tmp_path, num_trials=4)

    def interrupted(trial: ClaimedTrial) -> float:
        raise TrialRequeuedError

    assert few.run_next(train)
    assert few.run_next(train)
    assert not few.run_next(train)
    assert few.num_unfinished() == 0
    assert many.run_next(interrupted)
    assert few.num_unfinished() == 2
    assert few.run_next(train)  # the requeued one, which is not one of its own two
    assert few.run_next(train)
    assert not few.run_next(train)
    assert many.num_unfinished() == 0
    assert len(many.finished()) == 4


def test_a_superfluous_result_does_not_replace_a_missing_one(tmp_path: Path) -> None:
    first, second = join(tmp_path, num_trials=2), join(tmp_path, num_trials=2)

    def run(trial: ClaimedTrial) -> float:
        assert second.run_next(train)
        second._study.optimize(lambda trial: 1.0, n_trials=1)  # a superfluous trial
        assert second.num_unfinished() == 1
        return 1.0

    assert first.run_next(run)
    assert first.num_unfinished() == 0


def test_a_worker_that_cannot_train_ends_and_others_continue(tmp_path: Path) -> None:
    broken, sound = join(tmp_path), join(tmp_path)

    def run(trial: ClaimedTrial) -> float:
        raise UserError("the disk is full")

    with pytest.raises(UserError, match="the disk is full"):
        broken.run_next(run)
    run_all(sound, train)
    assert [trial.status for trial in sound.finished()] == ["finished"] * 3
    assert trials.num_deaths(stored(sound), 0) == 0


@pytest.mark.parametrize("error", [ValueError("unexpected"), KeyError("unexpected"), AssertionError()])
def test_a_bug_fails_the_trial_and_is_raised(error: Exception, tmp_path: Path) -> None:
    """Optuna raises ValueError itself, for the result of a trial that was taken over."""
    worker, other = join(tmp_path), join(tmp_path)

    def run(trial: ClaimedTrial) -> float:
        raise error

    with pytest.raises(type(error)):
        worker.run_next(run)
    run_all(other, train)
    found = other.finished()
    assert [trial.status for trial in found] == ["failed", "finished", "finished"]
    assert found[0].reason == f"a bug: {error!r}"


def test_a_database_error_during_a_trial_does_not_fail_the_trial(tmp_path: Path) -> None:
    worker = join(tmp_path)

    def run(trial: ClaimedTrial) -> float:
        raise optuna.exceptions.StorageInternalError("gone for a moment")

    with pytest.raises(StudyStorageError):
        worker.run_next(run)
    assert worker.finished() == []
    assert trials.REASON not in stored(worker)[0].user_attrs


def test_all_workers_need_the_same_folder(tmp_path: Path) -> None:
    first, second = join(tmp_path), join(tmp_path)
    first.require_folder("a1", "runs/sweep")
    second.require_folder("a1", "runs/sweep")
    with pytest.raises(UserError, match="other/sweep: not the folder of study s"):
        second.require_folder("b2", "other/sweep")


def test_the_commit_that_created_a_study_is_known_if_it_differs(tmp_path: Path) -> None:
    assert join(tmp_path, commit="abc").created_by is None
    assert join(tmp_path, commit="abc").created_by is None
    assert join(tmp_path).created_by is None  # whose own commit is unknown
    assert join(tmp_path, commit="def").created_by == "abc"


def test_a_trial_that_kills_its_workers_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "MAX_DEATHS", 3)
    for _ in range(3):
        dead = join(tmp_path, num_trials=1)
        dead._requeue_lost()
        if not any(trial.state.name == "WAITING" for trial in stored(dead)):
            dead._study._storage.create_new_trial(dead._study._study_id)
        else:
            dead._study._pop_waiting_trial_id()
        number = stored(dead)[-1]._trial_id
        dead._study._storage.record_heartbeat(number)  # pyright: ignore[reportAttributeAccessIssue]
        _forget_heartbeats(tmp_path)
    alive = join(tmp_path, num_trials=1)
    run_all(alive, train)
    (found,) = alive.finished()
    assert (found.status, found.reason) == (
        "failed",
        "3 workers died during it; most likely it ran out of memory",
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"content": {"model.layers": 2}}, "model.layers is 1 there and 2 here"),
        ({"versions": {"jax": "2"}}, "has other versions: jax is '1' there and '2' here"),
        ({"objective": Objective("accuracy", "max")}, "objective is 'loss' there and 'accuracy' here"),
        ({"heartbeat": 5}, "has --heartbeat 100, not 5"),
    ],
)
def test_a_study_with_other_settings_is_an_error(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    join(tmp_path)
    with pytest.raises(UserError) as error:
        join(tmp_path, **more)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) <= 2


def test_settings_of_a_dead_creator_are_recorded_and_a_foreign_study_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    monkeypatch.setattr("rnn_jax.sweeping.study.study.SETTINGS_TIMEOUT_SECONDS", 0.3)
    theirs = optuna.create_study(storage=url, study_name="s")
    assert join(tmp_path).run_next(train)
    with pytest.raises(UserError, match=r"model\.layers is 1 there and 7 here"):
        join(tmp_path, content={"model.layers": 7})
    (tmp_path / "other").mkdir()
    theirs = optuna.create_study(storage=f"sqlite:///{tmp_path / 'other' / 'study.db'}", study_name="s")
    theirs.ask()
    with pytest.raises(UserError, match="give another --study"):
        join(tmp_path / "other")


def _lose(folder: Path, table: str) -> None:
    with _database(folder) as database:
        database.execute(f"alter table {table} rename to lost")


def _find(folder: Path, table: str) -> None:
    with _database(folder) as database:
        database.execute(f"alter table lost rename to {table}")


@pytest.mark.parametrize("when", ["before", "within", "at the end of"])
def test_a_lost_database_is_an_error(when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "RETRY_PAUSES_SECONDS", (0.01,))
    worker = join(tmp_path)

    def run(trial: ClaimedTrial) -> float:
        if when != "before":
            _lose(tmp_path, "trials")
        if when == "within":
            trial.report(1, 1.0)
        return 1.0

    if when == "before":
        _lose(tmp_path, "trials")
    with pytest.raises(StudyStorageError, match="cannot be reached any more"):
        worker.run_next(run)


def test_a_short_outage_of_the_database_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "RETRY_PAUSES_SECONDS", (0.01, 0.02))
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: seconds == 0.02 and _find(tmp_path, "trials"))
    worker = join(tmp_path)

    def run(trial: ClaimedTrial) -> float:
        _lose(tmp_path, "trials")
        trial.report(1, 0.5)
        return 1.0

    assert worker.run_next(run)
    assert stored(worker)[0].intermediate_values == {1: 0.5}


def test_a_waiting_worker_retries_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "RETRY_PAUSES_SECONDS", (0.01, 0.02))
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: seconds == 0.02 and _find(tmp_path, "trials"))
    worker, other = join(tmp_path, num_trials=1), join(tmp_path, num_trials=1)

    def run(trial: ClaimedTrial) -> float:
        for ask, expected in (
            (lambda: other.run_next(train), False),
            (other.num_unfinished, 1),
            (other.finished, []),
        ):
            _lose(tmp_path, "trials")
            assert ask() == expected
        return 1.0

    assert worker.run_next(run)


class _Clock:
    """Replaces the clock of `study`; it only moves when `now` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(study.time, "monotonic", lambda: self.now)


@contextmanager
def _database(folder: Path) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(folder / "study.db")
    try:
        with database:
            yield database
    finally:
        database.close()


def _forget_heartbeats(folder: Path) -> None:
    with _database(folder) as database:
        database.execute("update trial_heartbeats set heartbeat = '2020-01-01 00:00:00'")
