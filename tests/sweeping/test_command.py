"""The command line of a sweep, and the members it defines."""

import json
from pathlib import Path

import pytest

from rnn_jax.config.objective import Objective
from rnn_jax.config.schema import split_hyper
from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping.command import parse, without
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import groups

ACCURACY = Objective("accuracy", "max")
CONFIG = ["--config", "configs/digits.py:smoke"]
RATES = ["--grid", "optimizer.learning_rate=1e-3,3e-3,1e-2"]


def write(folder: Path, text: str) -> list[str]:
    path = folder / "sweep.py"
    path.write_text(text)
    return [*CONFIG, "--sweep", str(path)]


def test_a_grid_has_every_combination_and_every_seed() -> None:
    found = parse(
        [*CONFIG, *RATES, "--grid", "optimizer.clip_norm=0.5,1", "--seeds", "2", "--config.train.seed=5"]
    )
    assert [member.number for member in found.members] == list(range(12))
    assert [member.seed for member in found.members] == [5, 6] * 6
    assert [member.point for member in found.members[::2]] == [
        {"optimizer.learning_rate": rate, "optimizer.clip_norm": clip}
        for rate in (1e-3, 3e-3, 1e-2)
        for clip in (0.5, 1.0)
    ]
    for member in found.members:
        assert member.config.optimizer.learning_rate == member.point["optimizer.learning_rate"]
        assert member.config.train.report_test is False
    assert len(groups(found.members)) == 1


def test_members_with_other_shapes_or_mechanisms_are_other_groups() -> None:
    found = parse(
        [
            *CONFIG,
            "--grid",
            "model.hidden_size=8,16",
            "--grid",
            "optimizer.clip_norm=None,1,2",
            "--seeds",
            "2",
        ]
    )
    parts = groups(found.members)
    assert sorted(map(len, parts)) == [2, 2, 4, 4]
    for part in parts:
        assert len({member.config.model.hidden_size for member in part}) == 1
        assert len({frozenset(split_hyper(member.config)[1]) for member in part}) == 1


def test_sampled_points_are_in_their_ranges_and_do_not_depend_on_num_trials(tmp_path: Path) -> None:
    text = """
def get_sweep():
    return dict(
        ranges={
            "optimizer.learning_rate": dict(log_uniform=(1e-4, 1e-1)),
            "optimizer.clip_norm": dict(uniform=(0.5, 2.0)),
            "model.hidden_size": dict(integer=(8, 10)),
            "model.cell": dict(choice=("lstm", "gru")),
        },
        num_trials=NUMBER,
        duration_steps=7,
    )
"""
    many = parse(write(tmp_path, text.replace("NUMBER", "40"))).members
    few = parse(write(tmp_path, text.replace("NUMBER", "3"))).members
    assert [member.point for member in few] == [member.point for member in many[:3]]
    rates = sorted(member.config.optimizer.learning_rate for member in many)
    assert (
        1e-4 <= rates[0] < 1e-3 < 1e-2 < rates[-1] <= 1e-1
    )  # a uniform distribution would leave the low end empty
    assert {member.config.model.hidden_size for member in many} == {8, 9, 10}
    assert {member.config.model.cell for member in many} == {"lstm", "gru"}
    assert {member.config.train.duration_steps for member in many} == {7}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grid", "optimizer.learing_rate=1"], "did you mean optimizer.learning_rate?"),
        (
            ["--grid", "optimizer.learning_rate=1e-3,x"],
            "optimizer.learning_rate = 'x': must be a finite number",
        ),
        (["--grid", "optimizer.learning_rate=-1"], "optimizer.learning_rate = -1: must be at least 0"),
        (["--grid", "optimizer.learning_rate="], "grid of optimizer.learning_rate: empty"),
        (["--grid", "optimizer.learning_rate"], "must be SECTION.KEY=V1,V2,..."),
        (["--grid", "train.seed=1,2"], "train.seed: cannot be varied; use seeds"),
        (["--grid", "train.report_test=true"], "a sweep evaluates test once"),
        (["--grid", "optimizer=1"], "is a section"),
        ([*RATES, "--seeds", "0"], "--seeds 0: must be a whole number, at least 1"),
        ([*RATES, "--sweep", "x.py"], "--sweep and --grid: give one of them"),
        ([*RATES, *RATES], "--grid optimizer.learning_rate: given twice"),
        (["--grid", "optimizer.learning_rate=1,2,1.0"], "1.0 occurs twice"),
        (
            [*RATES, "--seeds", "3", "--config.train.seed=4294967294"],
            "3 seeds from train.seed = 4294967294: seeds are less than",
        ),
        ([*RATES, "--config.model.hidden_size=0"], "--config.model.hidden_size = 0: must be at least 1"),
        ([*RATES, "--gird", "a=1"], "did you mean --grid?"),
        (["--sweep", "nowhere.py"], "--sweep nowhere.py: no such file"),
        ([*RATES, "--seeds", "1e9"], "3 points with 1000000000 seeds are too many members"),
        ([], "--sweep FILE or --grid KEY=V1,V2 is missing"),
        ([*RATES, "--config.model.cell=foo"], "model.cell = 'foo'"),
    ],
)
def test_errors_of_the_command_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        parse([*CONFIG, *arguments])
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) <= 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", "a grid or ranges are missing"),
        ("grid={'model.layers': (1,)}, ranges={'model.layers': dict(choice=(1,))}, num_trials=1", "not both"),
        ("ranges={'model.layers': dict(integer=(1, 2))}", "num_trials: must be given"),
        ("ranges={'model.layers': dict(integer=(2, 1))}, num_trials=1", "the smaller number comes first"),
        ("ranges={'model.layers': dict(log_uniform=(0, 1))}, num_trials=1", "must be more than 0"),
        (
            "ranges={'optimizer.clip_norm': dict(uniform=(-1e308, 1e308))}, num_trials=1",
            "the difference is not finite",
        ),
        ("ranges={'model.layers': dict(integer=(1, 2))}, num_trials=10**30", "are too many members"),
        ("ranges={'model.layers': dict()}, num_trials=1", "must be one of uniform"),
        ("ranges={'model.layers': dict(intger=(1, 2))}, num_trials=1", "did you mean integer?"),
        ("ranges={'model.layers': dict(uniform=None)}, num_trials=1", "must be one of uniform"),
        (
            "grid={'model.layers': (1,)}, halving=dict(min_resource_fraction=0.5)",
            "halving.reduction_factor: must be given",
        ),
        ("girds={}", "did you mean grid?"),
        ("grid={'model.layers': (1,)}, num_trials=3", "only with ranges"),
        ("grid={'model.layers': (1,)}, sampler='tpe'", "sampler: only with --storage"),
        ("grid={'model.layers': (1,)}, pruner=dict(kind='halving')", "pruner: only with --storage"),
        ("grid={'model.layers': (1,)}, pruner=dict(kin='halving')", "did you mean kind?"),
        # Earlier names.
        ("grid={'model.layers': (1,)}, draws=3", "did you mean num_trials?"),
        ("grid={'model.layers': (1,)}, draw_seed=3", "did you mean sampler_seed?"),
        ("grid={'model.layers': (1,)}, pruning=dict(kind='halving')", "did you mean pruner?"),
        ("grid={'model.layers': (1,)}, pruner=dict(kind='percentile', keep=0.8)", "did you mean percentile?"),
        ("grid={'model.layers': (1,)}, pruner=dict(from_evaluation=1)", "did you mean min_evaluations?"),
        (
            "grid={'model.layers': (1,)}, pruner=dict(every_evaluations=1)",
            "did you mean interval_evaluations?",
        ),
        ("grid={'model.layers': (1,)}, halving=dict(keep=0.5)", "did you mean reduction_factor?"),
        ("grid={'model.layers': (1,)}, halving=dict(growth=2)", "did you mean resource_factor?"),
        ("grid={'model.layers': (1,)}, pruner=dict(kind='x')", "pruner.kind = 'x'"),
        ("grid={'model.layers': (1,)}, seeds=0", "seeds = 0"),
        ("grid={'model.layers': (1,)}, duration_steps=1, duration_epochs=1.0", "exclude each other"),
    ],
)
def test_errors_of_a_sweep_file(fields: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        parse(write(tmp_path, f"def get_sweep():\n    return dict({fields})\n"))
    assert message in str(error.value)


def test_a_sweep_resumes_from_its_folder_alone_and_another_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    first = parse([*CONFIG, *RATES, "--seeds", "2", "--config.optimizer.clip_norm=3"])
    SweepFolder(folder).open(first.base, first.sweep, ACCURACY)
    again = parse(["--workdir", str(folder)])
    assert [member.config for member in again.members] == [member.config for member in first.members]
    SweepFolder(folder).open(again.base, again.sweep, ACCURACY)
    same = parse(
        [*CONFIG, *RATES, "--seeds", "2", "--config.optimizer.clip_norm=3", "--config.runtime.devices=1"]
    )
    SweepFolder(folder).check(same.base, same.sweep)  # the devices may differ
    other = parse([*CONFIG, *RATES, "--seeds", "3", "--config.optimizer.clip_norm=2"])
    with pytest.raises(
        UserError, match=r"contains another sweep: seeds is 2 there and 3 here; optimizer\.clip_norm is 3"
    ):
        SweepFolder(folder).open(other.base, other.sweep, ACCURACY)


def test_a_sweep_folder_keeps_the_order_of_keys(tmp_path: Path) -> None:
    """Sampled points and the members' numbers depend on it."""
    text = "def get_sweep():\n    return dict(ranges={RANGES}, num_trials=5)\n"
    ranges = (
        "'optimizer.learning_rate': dict(log_uniform=(1e-4, 1)), "
        "'optimizer.clip_norm': dict(uniform=(0.1, 9))"
    )
    first = parse(write(tmp_path, text.replace("RANGES", ranges)))
    SweepFolder(tmp_path / "sweep").open(first.base, first.sweep, ACCURACY)
    again = parse(["--workdir", str(tmp_path / "sweep")])
    assert [list(member.point.items()) for member in again.members] == [
        list(member.point.items()) for member in first.members
    ]


def test_repeated_points_are_left_out(tmp_path: Path) -> None:
    text = "def get_sweep():\n    return dict(ranges={'model.layers': dict(choice=(1, 2))}, num_trials=9)\n"
    assert sorted(member.config.model.layers for member in parse(write(tmp_path, text)).members) == [1, 2]


def test_a_study_resumes_from_its_folder_and_database(tmp_path: Path) -> None:
    storage, folder = ["--storage", "sqlite:///x.db"], tmp_path / "sweep"
    first = parse([*CONFIG, *RATES, *storage, "--study", "mine"])
    assert first.study is not None
    SweepFolder(folder).open(first.base, first.sweep, ACCURACY, first.study.name)
    again = parse(["--workdir", str(folder), *storage])
    assert again.study is not None
    assert (again.study.name, again.sweep) == ("mine", first.sweep)
    with pytest.raises(UserError, match="--storage, its database, is missing"):
        parse(["--workdir", str(folder)])
    with pytest.raises(UserError, match="--trials: only with ranges"):
        parse(["--workdir", str(folder), *storage, "--trials", "3"])
    with pytest.raises(UserError, match=r"study is 'mine' there and 'other' here"):
        SweepFolder(folder).check(first.base, first.sweep, "other")


@pytest.mark.parametrize("content", ["{}", '{"format": 2}', '{"format": 2, "sweep": {}, "base": []}', "[]"])
def test_a_damaged_sweep_folder_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text(content)
    given = parse([*CONFIG, *RATES])
    with pytest.raises(UserError, match=r"sweep\.json: damaged"):
        SweepFolder(tmp_path).check(given.base, given.sweep)
    with pytest.raises(UserError, match=r"sweep\.json: damaged"):
        parse(["--workdir", str(tmp_path)])


def test_an_invalid_sweep_in_a_folder_is_reported_once(tmp_path: Path) -> None:
    given = parse([*CONFIG, *RATES])
    folder = SweepFolder(tmp_path)
    folder.open(given.base, given.sweep, ACCURACY)
    content = json.loads(folder.sweep.read_text())
    content["sweep"]["grid"] = {}
    folder.sweep.write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        folder.read()
    assert str(caught.value) == f"{folder.sweep}: a grid or ranges are missing"


def test_removing_a_flag_from_arguments() -> None:
    given = ["--storage", "a", "--grid", "x=1", "--storage=b", "--workdir", "c"]
    assert without(given, "storage") == ["--grid", "x=1", "--workdir", "c"]
