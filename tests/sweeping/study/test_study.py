"""A study as workers see it: who takes what, what is put back, and that each trial ends just once."""

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
from rnn_jax.sweeping.study import storage, study, trials
from rnn_jax.sweeping.study.claimed import (
    ClaimedTrial,
    TrialFailedError,
    TrialRequeuedError,
    TrialTakenOverError,
)
from rnn_jax.sweeping.study.opening import open_study
from rnn_jax.sweeping.study.storage import StudyStorageError
from rnn_jax.sweeping.study.study import Study

RANGES = {"a": {"log_uniform": (1e-3, 1.0)}, "b": {"choice": ("x", None, 3)}, "c": {"integer": (1, 9)}}
MANY_BEATS = 100
"""Seconds without a heartbeat after which nobody here is taken for dead, divided by six."""


def join(folder: Path, *, heartbeat: int = MANY_BEATS, points: Any = (), **more: Any) -> Study:
    """A worker's view of one and the same study."""
    said: dict[str, Any] = {
        "content": {"model.layers": 1},
        "versions": {"jax": "1"},
        "objective": Objective.of("loss", "min"),
    }
    said |= {name: more.pop(name) for name in [*said, "commit"] if name in more}
    fields = (
        {"grid": {"a": [point["a"] for point in points]}} if points else {"ranges": RANGES, "num_trials": 3}
    )
    sweep = definition.check({**fields, **more}, "here", in_study=True)
    url = f"sqlite:///{folder / 'study.db'}"
    return open_study(url, "s", sweep, list(points), heartbeat_seconds=heartbeat, **said)


def stored(worker: Study) -> list[optuna.trial.FrozenTrial]:
    return worker._study.get_trials()


def train(trial: ClaimedTrial) -> float:
    return trial.point["a"]


def all_of(worker: Study, run: Callable[[ClaimedTrial], float]) -> None:
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


def test_what_is_drawn_does_not_depend_on_who_draws_it(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    alone = join(tmp_path / "alone", num_trials=14)
    all_of(alone, train)
    for number in range(14):
        assert join(tmp_path, num_trials=14).run_next(train), number
    assert [trial.point for trial in join(tmp_path).finished()] == [trial.point for trial in alone.finished()]
    other = tmp_path / "other"
    other.mkdir()
    assert join(other, sampler_seed=1).run_next(train)
    assert join(other, sampler_seed=1).finished()[0].point != alone.finished()[0].point


def test_the_points_of_a_grid_are_each_tried_once(tmp_path: Path) -> None:
    points = [{"a": value} for value in (3, 1, 2)]
    workers = [join(tmp_path, points=points) for _ in range(2)]
    while any(worker.run_next(train) for worker in workers):
        pass
    assert [trial.point for trial in workers[0].finished()] == points
    assert workers[0].num_trials == 3


def test_one_that_fails_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    worker = join(tmp_path)

    def run(trial: ClaimedTrial) -> float:
        trial.set_attribute("folder", f"trials/{trial.number}")
        if trial.number == 1:
            raise TrialFailedError("diverged at update 3")
        return 1.0

    all_of(worker, run)
    found = worker.finished()
    assert [(trial.status, trial.reason) for trial in found] == [
        ("finished", None),
        ("failed", "diverged at update 3"),
        ("finished", None),
    ]
    assert [trial.attributes["folder"] for trial in found] == ["trials/0", "trials/1", "trials/2"]


def test_one_that_is_put_back_goes_on_with_its_point_and_what_was_reported(tmp_path: Path) -> None:
    first, second = join(tmp_path), join(tmp_path)
    seen: list[tuple[int, dict[str, Any]]] = []

    def stop(trial: ClaimedTrial) -> float:
        trial.report(1, 0.5)
        seen.append((trial.number, trial.point))
        raise TrialRequeuedError

    def go_on(trial: ClaimedTrial) -> float:
        trial.report(1, 0.7)  # known: the first one counts
        trial.report(2, 0.4)
        seen.append((trial.number, trial.point))
        return 0.4

    assert first.run_next(stop)
    assert second.run_next(go_on)
    assert seen[0] == seen[1]
    last = stored(second)[-1]
    assert last.intermediate_values == {1: 0.5, 2: 0.4}
    assert [trial.number for trial in second.finished()] == [0]


def test_one_that_falls_behind_is_given_up(tmp_path: Path) -> None:
    worker = join(tmp_path, num_trials=9, pruner={"kind": "percentile"})

    def run(trial: ClaimedTrial) -> float:
        for evaluation in (1, 2, 3):
            trial.report(evaluation, float(trial.number))
        return float(trial.number)

    all_of(worker, run)
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
def test_when_trials_are_given_up(tmp_path: Path, pruner: dict[str, Any], evaluations: list[int]) -> None:
    """Of nine trials the first five, each a bit worse than the one before it, are never given up."""
    worker = join(tmp_path, num_trials=9, pruner=pruner)
    made: list[int] = []

    def run(trial: ClaimedTrial) -> float:
        for evaluation in (1, 2, 3):
            made.append(trial.number)
            # The others lie between the third and the fourth of them.
            place = trial.number if trial.number < 5 else 2.5
            trial.report(evaluation, 5.0 - evaluation + place / 1000)
        return 1.0

    all_of(worker, run)
    assert [made.count(number) for number in range(5, 9)] == evaluations


@pytest.mark.parametrize("method", ["_point", "_requeue_own"])
def test_a_dead_workers_trial_is_taken_once_it_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Between beginning it and its first word; between giving it up and putting it back."""
    dead, alive = join(tmp_path), join(tmp_path)

    def put_back(trial: ClaimedTrial) -> float:
        raise TrialRequeuedError

    class Killed(BaseException):
        pass

    def killed(*arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(study.Study, method, killed)
        with pytest.raises(Killed):
            dead.run_next(put_back)
    clock = _Clock(monkeypatch)
    if method == "_point":  # it had begun: heartbeats tell of it, or their absence
        _forget_heartbeats(tmp_path)
        all_of(alive, train)
        assert [trial.number for trial in alive.finished()] == [0, 2, 3]
    else:
        all_of(alive, train)
        assert [trial.number for trial in alive.finished()] == [1, 2]
        clock.now += 6 * MANY_BEATS + 1
        all_of(alive, train)
        assert [trial.number for trial in alive.finished()] == [0, 1, 2]
    assert all(trial.state.is_finished() for trial in stored(alive))


def test_a_trial_whose_worker_died_before_its_first_heartbeat_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, alive = join(tmp_path), join(tmp_path)
    dead._study._storage.create_new_trial(dead._study._study_id)
    clock = _Clock(monkeypatch)
    all_of(alive, train)
    assert [trial.number for trial in alive.finished()] == [1, 2]
    clock.now += 6 * MANY_BEATS + 1
    all_of(alive, train)
    assert [trial.number for trial in alive.finished()] == [0, 1, 2]


def test_a_worker_that_was_taken_for_dead_lets_go_and_its_result_counts_once(tmp_path: Path) -> None:
    slow, other = join(tmp_path), join(tmp_path)

    def taken(trial: ClaimedTrial) -> float:
        _forget_heartbeats(tmp_path)
        assert other.run_next(train)  # its trial, which comes to an end there
        return 99.0

    def noticed(trial: ClaimedTrial) -> float:
        _forget_heartbeats(tmp_path)
        assert other.run_next(train)
        with pytest.raises(TrialTakenOverError):
            trial.report(1, 0.0)
        raise TrialTakenOverError

    assert slow.run_next(taken)
    assert slow.run_next(noticed)
    all_of(slow, train)
    found = slow.finished()
    assert [trial.number for trial in found] == [0, 2, 4]
    assert [trial.value for trial in found] == [trial.point["a"] for trial in found]


def test_one_too_many_is_given_up(tmp_path: Path) -> None:
    first, second = join(tmp_path, num_trials=1), join(tmp_path, num_trials=1)

    def run(trial: ClaimedTrial) -> float:
        # As if both had seen at once that there is room.
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


def test_whoever_asks_for_most_trials_counts_for_all(tmp_path: Path) -> None:
    few, many = join(tmp_path, num_trials=2), join(tmp_path, num_trials=4)

    def put_back(trial: ClaimedTrial) -> float:
        raise TrialRequeuedError

    assert few.run_next(train)
    assert few.run_next(train)
    assert not few.run_next(train)
    assert few.num_unfinished() == 0
    assert many.run_next(put_back)
    assert few.num_unfinished() == 2
    assert few.run_next(train)  # the one that was put back, which is none of its own first two
    assert few.run_next(train)
    assert not few.run_next(train)
    assert many.num_unfinished() == 0
    assert len(many.finished()) == 4


def test_what_ended_beyond_the_last_one_does_not_count_for_it(tmp_path: Path) -> None:
    first, second = join(tmp_path, num_trials=2), join(tmp_path, num_trials=2)

    def run(trial: ClaimedTrial) -> float:
        assert second.run_next(train)
        second._study.optimize(lambda trial: 1.0, n_trials=1)  # one too many, told by somebody else's hand
        assert second.num_unfinished() == 1
        return 1.0

    assert first.run_next(run)
    assert first.num_unfinished() == 0


def test_where_no_trial_can_be_trained_the_worker_ends_and_others_go_on(tmp_path: Path) -> None:
    broken, sound = join(tmp_path), join(tmp_path)

    def run(trial: ClaimedTrial) -> float:
        raise UserError("the disk is full")

    with pytest.raises(UserError, match="the disk is full"):
        broken.run_next(run)
    all_of(sound, train)
    assert [trial.status for trial in sound.finished()] == ["finished"] * 3
    assert trials.num_deaths(stored(sound), 0) == 0


@pytest.mark.parametrize("error", [ValueError("unheard of"), KeyError("unheard of"), AssertionError()])
def test_with_a_bug_a_trial_has_come_to_its_end_and_the_worker_says_so(
    error: Exception, tmp_path: Path
) -> None:
    """Optuna raises the first kind itself, where a result is late."""
    worker, other = join(tmp_path), join(tmp_path)

    def run(trial: ClaimedTrial) -> float:
        raise error

    with pytest.raises(type(error)):
        worker.run_next(run)
    all_of(other, train)
    found = other.finished()
    assert [trial.status for trial in found] == ["failed", "finished", "finished"]
    assert found[0].reason == f"a bug: {error!r}"


def test_a_database_that_fails_within_a_trial_is_no_bug_of_the_trial(tmp_path: Path) -> None:
    worker = join(tmp_path)

    def run(trial: ClaimedTrial) -> float:
        raise optuna.exceptions.StorageInternalError("gone for a moment")

    with pytest.raises(StudyStorageError):
        worker.run_next(run)
    assert worker.finished() == []
    assert trials.REASON not in stored(worker)[0].user_attrs


def test_workers_have_one_folder(tmp_path: Path) -> None:
    first, second = join(tmp_path), join(tmp_path)
    first.require_folder("a1", "runs/sweep")
    second.require_folder("a1", "runs/sweep")
    with pytest.raises(UserError, match="other/sweep: not the folder that study s has"):
        second.require_folder("b2", "other/sweep")


def test_another_commit_is_told(tmp_path: Path) -> None:
    assert join(tmp_path, commit="abc").created_by is None
    assert join(tmp_path, commit="abc").created_by is None
    assert join(tmp_path).created_by is None  # who does not know his own
    assert join(tmp_path, commit="def").created_by == "abc"


def test_a_trial_that_kills_its_workers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "MAX_DEATHS", 3)
    for _ in range(3):
        dead = join(tmp_path, num_trials=1)
        dead._requeue_lost()
        if not trials.any_waiting(stored(dead)):
            dead._study._storage.create_new_trial(dead._study._study_id)
        else:
            dead._study._pop_waiting_trial_id()
        number = stored(dead)[-1]._trial_id
        dead._study._storage.record_heartbeat(number)  # pyright: ignore[reportAttributeAccessIssue]
        _forget_heartbeats(tmp_path)
    alive = join(tmp_path, num_trials=1)
    all_of(alive, train)
    (found,) = alive.finished()
    assert (found.status, found.reason) == (
        "failed",
        "3 workers died of it; most likely memory was not enough",
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"content": {"model.layers": 2}}, "model.layers is 1 there and 2 here"),
        ({"versions": {"jax": "2"}}, "of other versions: jax is '1' there and '2' here"),
        ({"objective": Objective.of("accuracy", "max")}, "objective is 'loss' there and 'accuracy' here"),
        ({"heartbeat": 5}, "has --heartbeat 100, and here is 5"),
    ],
)
def test_a_study_of_something_else_is_refused(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    join(tmp_path)
    with pytest.raises(UserError) as told:
        join(tmp_path, **more)
    assert said in str(told.value)
    assert len(str(told.value).splitlines()) <= 2


def test_a_creator_that_died_is_made_up_for_and_somebody_elses_study_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    monkeypatch.setattr("rnn_jax.sweeping.study.opening.SETTINGS_TIMEOUT_SECONDS", 0.3)
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
def test_a_database_that_is_lost_is_told(when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_database_that_is_away_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "RETRY_PAUSES_SECONDS", (0.01, 0.02))
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: seconds == 0.02 and _find(tmp_path, "trials"))
    worker = join(tmp_path)

    def run(trial: ClaimedTrial) -> float:
        _lose(tmp_path, "trials")
        trial.report(1, 0.5)
        return 1.0

    assert worker.run_next(run)
    assert stored(worker)[0].intermediate_values == {1: 0.5}


def test_who_only_waits_for_others_waits_for_the_database_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    """Stands still until it is moved."""

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
