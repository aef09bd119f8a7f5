"""Cross-validation: runs of the folds, their mean and deviation, and the last model."""

import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from rnn_jax.checkpoints import store
from rnn_jax.config.command_line import load_config
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.config.schema import Config, validate
from rnn_jax.inference.evaluation import evaluate_run
from rnn_jax.reporting.console import Console
from rnn_jax.reporting.formatting import scalars
from rnn_jax.reporting.pages.collection import collect
from rnn_jax.reporting.pages.facts import facts_of
from rnn_jax.runtime.errors import UserError
from rnn_jax.training import cross_validation
from rnn_jax.training.build import build
from rnn_jax.training.cross_validation import gather, last_job
from rnn_jax.training.population.folds import join
from rnn_jax.training.run import train

FOLDS = 3
CHANGES: dict[str, Any] = {
    "dataset.batch_size": 5,
    "dataset.validation_folds": FOLDS,
    "model.cell": "rnn",
    "model.hidden_size": 3,
    "model.bidirectional": False,
    "model.output_dropout": None,
    "optimizer.learning_rate": 0.03,
    "train.duration_epochs": 3.0,
    "train.evaluate_every_epochs": 0.5,
    "log.every_steps": 2,
    "log.tensorboard": False,
    "runtime.devices": 1,
}


class Stopping(Console):
    """Sends this process a signal at the tick with some number, counted over all models."""

    def __init__(self, tick: int | None = None) -> None:
        self.text = io.StringIO()
        super().__init__(self.text)
        self._left = tick

    def tick(self, step: int) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGTERM)


def configured(folder: Path, **changes: Any) -> Config:
    """Waves of 26 examples in two classes, 7 of them rare: 3 for test, 7 in a fold, 2 that always train."""
    file = folder / "waves.npz"
    if not file.exists():
        random = np.random.default_rng(0)
        y = np.repeat([0, 1], [19, 7])
        np.savez(file, x=random.normal(size=(26, 5, 2)) * 4 + 50 + 3 * y[:, None, None], y=y)
    given = (
        CHANGES | {"dataset.file": str(file)} | {key.replace("__", "."): own for key, own in changes.items()}
    )
    return validate(load_config("configs/sequences.py", given))[0]


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def parameters(folder: Path) -> list[np.ndarray]:
    return jax.tree.leaves(store.find(folder / "checkpoints").read())


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("straight")
    config = configured(folder)
    return config, folder / "run", train(config, folder / "run", console=Stopping())


def test_means_deviations_and_steps_are_those_of_the_folds(
    straight: tuple[Config, Path, dict[str, Any]],
) -> None:
    _, run, summary = straight
    written = json.loads((run / "summary.json").read_text())
    bests = [json.loads((run / "folds" / str(n) / "summary.json").read_text())["best"] for n in range(FOLDS)]
    for name in ("loss", "accuracy"):
        values = np.array([best[name] for best in bests])
        assert written["folds"]["mean"][name] == pytest.approx(values.mean(), rel=1e-12)
        assert written["folds"]["deviation"][name] == pytest.approx(
            np.sqrt(((values - values.mean()) ** 2).sum() / 2), rel=1e-12
        )
        assert [own[name] for own in written["folds"]["metrics"]] == values.tolist()
    steps = [best["step"] for best in bests]
    assert written["folds"]["best_steps"] == steps
    assert len(set(steps)) > 1  # otherwise their mean proves little
    assert written["folds"]["steps"] == written["step"] == round(sum(steps) / FOLDS)
    assert written["best"] == {"step": written["step"], **written["folds"]["mean"]}
    assert written["dataset"]["train"] == 23
    assert "validation" not in written["dataset"]
    assert written == json.loads(json.dumps(summary))


def test_the_last_parameters_are_the_best_and_are_tested(
    straight: tuple[Config, Path, dict[str, Any]],
) -> None:
    config, run, summary = straight
    best, latest = (store.find(run / "checkpoints", which) for which in ("best", "latest"))
    assert best.step == latest.step == summary["step"]
    evaluation = evaluate_run(config, run, "best")
    assert evaluation.metrics.keys() == {"test"}
    assert scalars(evaluation.metrics["test"]) == pytest.approx(scalars(summary["test"]), rel=1e-5)
    assert [
        json.loads((run / "folds" / str(n) / "summary.json").read_text())["test"] for n in range(FOLDS)
    ] == [None] * FOLDS


def test_the_last_model_has_the_learning_rates_of_the_folds(
    straight: tuple[Config, Path, dict[str, Any]],
) -> None:
    """A cosine over the 16 · 3 / 5 steps of a fold, and not over the longer epochs of all 23 examples."""
    config, _, summary = straight
    job = last_job(build(config), config, summary["folds"])
    fold = build(
        config.model_copy(update={"dataset": config.dataset.model_copy(update={"validation_fold": 0})})
    )
    assert fold.plan.last_step == 10  # 16 of 23 examples train, in batches of 5, for three epochs
    assert job.plan.last_step == summary["folds"]["steps"]
    hyper: Any = job.hyper
    trained: Any = {"params": {"input": {"kernel": np.ones((2, 2), np.float32)}}}
    for step in (1, 5, 9):
        rates = []
        for own in (job, fold):
            state = own.optimizer.init(trained, hyper)
            updated, _ = own.optimizer.update(trained, state, trained, jnp.asarray(step), hyper)
            rates.append(np.asarray(updated["params"]["input"]["kernel"]))
        np.testing.assert_array_equal(*rates)


def assert_resumed(config: Config, before: Path, folder: Path, cuts: tuple[int, ...]) -> None:
    """A run that is cut after these numbers of updates, each since the last cut, equals the run before."""
    for cut in cuts:
        stopped = train(config, folder, console=Stopping(cut))
        assert (stopped["status"], stopped["reason"]) == ("interrupted", "SIGTERM")
        assert json.loads((folder / "summary.json").read_text())["status"] == "interrupted"
    found, expected = (
        train(config, folder, console=Stopping()),
        json.loads((before / "summary.json").read_text()),
    )
    for one, other in zip(parameters(folder), parameters(before), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (found["folds"], found["test"]) == (expected["folds"], expected["test"])


def test_cut_anywhere_and_resumed_equals_straight(
    straight: tuple[Config, Path, dict[str, Any]], tmp_path: Path
) -> None:
    """Once among the ten updates of the folds, which are one population, and once in the last model."""
    config, before, _ = straight
    assert (before / "folds" / "population").exists()
    assert_resumed(config, before, tmp_path / "run", (7, 6))


def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_validation, "join", lambda jobs, config: None)


def test_a_fold_in_the_population_equals_its_run_alone(
    straight: tuple[Config, Path, dict[str, Any]], tmp_path: Path
) -> None:
    config, together, expected = straight
    found = train(cross_validation._config_of(config, 1), tmp_path / "1", console=Stopping())
    assert found["best"]["step"] == expected["folds"]["best_steps"][1]
    assert found["dataset"] == expected["dataset"] | {"train": 16, "validation": 7}
    for one, other in zip(rows(tmp_path / "1"), rows(together / "folds" / "1"), strict=True):
        for row in (one, other):
            del row["split"]
        assert scalars(one) == pytest.approx(scalars(other), rel=1e-4, abs=1e-6)
    alone, member = (
        store.find(folder / "checkpoints", "best").read("params")
        for folder in (tmp_path / "1", together / "folds" / "1")
    )
    for one, other in zip(*map(jax.tree.leaves, (alone, member)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.matrix
def test_cut_one_after_another_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_by_one(monkeypatch)
    config = configured(tmp_path)
    train(config, tmp_path / "straight", console=Stopping())
    assert_resumed(config, tmp_path / "straight", tmp_path / "run", (2, 13, 4, 13))


def test_folds_of_several_lengths_or_of_real_numbers_are_trained_one_after_another(tmp_path: Path) -> None:
    random, config = np.random.default_rng(0), configured(tmp_path)

    def is_joined(**arrays: Any) -> bool:
        np.savez(tmp_path / "other.npz", **arrays)
        own = configured(tmp_path, dataset__file=str(tmp_path / "other.npz"))
        if arrays["y"].dtype.kind == "f":
            own = own.model_copy(update={"task": own.task.model_copy(update={"name": "sequence_regression"})})
        configs = [cross_validation._config_of(own, number) for number in range(FOLDS)]
        return join([build(each) for each in configs], configs[0]) is not None

    x, y = random.normal(size=(60, 5, 2)), np.arange(60) % 2
    assert config.task.buckets == 4
    assert is_joined(x=x, y=y)
    assert not is_joined(x=x, y=y, lengths=1 + np.arange(60) % 5)
    assert not is_joined(x=x, y=y + 0.5)


def test_a_finished_run_trains_nothing(straight: tuple[Config, Path, dict[str, Any]]) -> None:
    config, run, summary = straight
    times = {file: file.stat().st_mtime_ns for file in run.glob("**/checkpoints/**/*")}
    assert train(config, run, console=Stopping(1)) == json.loads(json.dumps(summary))
    assert {file: file.stat().st_mtime_ns for file in run.glob("**/checkpoints/**/*")} == times


def test_wrong_input_comes_before_anything_is_written(tmp_path: Path) -> None:
    many = configured(tmp_path, dataset__validation_folds=24)
    with pytest.raises(
        UserError, match=r"validation_folds = 24: must be at most 23, the examples of .* not for"
    ):
        train(many, tmp_path / "run", console=Stopping())
    several = configured(
        tmp_path, runtime__process_count=2, runtime__process_index=0, runtime__coordinator="a:1"
    )
    with pytest.raises(UserError, match="validation_folds: not with several processes"):
        train(several, tmp_path / "run", console=Stopping())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset.validation_folds": 1}, "at least 2"),
        (
            {"dataset.validation_folds": None, "dataset.validation_fold": 1},
            "only with dataset.validation_folds",
        ),
        ({"dataset.validation_fold": 3}, "less than dataset.validation_folds = 3; the first is 0"),
        ({"dataset.validation_file": "b.npz"}, "give it or dataset.validation_file .*, not both"),
    ],
)
def test_wrong_keys(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_config("configs/sequences.py", CHANGES | changes)


@pytest.mark.parametrize("name", ["mnist", "text", "digits"])
def test_only_own_data_with_targets_have_folds(name: str) -> None:
    with pytest.raises(
        UserError, match=r"validation_folds = 3: only for .*labelled_text.*, and dataset.name is"
    ):
        load_config(f"configs/{name}.py", {"dataset.validation_folds": 3})


def test_training_longer_is_another_cross_validation(straight: tuple[Config, Path, dict[str, Any]]) -> None:
    config, run, _ = straight
    longer = config.model_copy(update={"train": config.train.model_copy(update={"duration_epochs": 9.0})})
    with pytest.raises(UserError, match="without a cross-validation, may training be longer"):
        train(longer, run, console=Stopping())


@pytest.mark.parametrize("together", [False, pytest.param(True, marks=pytest.mark.matrix)])
def test_a_fold_that_diverges_ends_the_run(
    together: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not together:
        one_by_one(monkeypatch)
    config = configured(tmp_path, optimizer__learning_rate=1e38, optimizer__clip_norm=None)
    summary = train(config, tmp_path / "run", console=Stopping())
    assert summary["status"] == "diverged"
    assert summary["reason"].startswith("fold 0: ")
    assert RunFolder(tmp_path / "run").read_summary() == summary


def test_a_metric_that_is_not_finite_in_a_fold_has_no_mean() -> None:
    found = gather([{"step": 3, "accuracy": 0.5, "loss": None}, {"step": 4, "accuracy": 0.75, "loss": 1.0}])
    assert (found["steps"], found["mean"]["accuracy"]) == (4, 0.625)
    assert np.isnan(found["mean"]["loss"])


def test_a_report_shows_the_spread_over_folds(straight: tuple[Config, Path, dict[str, Any]]) -> None:
    _, run, summary = straight
    (found,) = collect([run]).runs
    facts, values = dict(facts_of(found)), [each["accuracy"] for each in summary["folds"]["metrics"]]
    spread = f"accuracy {100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1):.2f} %"
    assert spread in facts["validation over folds"]
    assert facts["steps of the models"].endswith(f"in the folds; {summary['step']} in the last model")
    assert found.metric("accuracy") == pytest.approx(np.mean(values), rel=1e-12)
    for damaged in (
        3,
        {},
        {"mean": {"loss": 1.0}},
        {"mean": {"loss": 1.0}, "metrics": [{}], "best_steps": []},
    ):
        run = found._replace(summary={**found.summary, "folds": damaged})
        assert "validation over folds" not in dict(facts_of(run))


def test_joined_images_are_those_of_each_fold(tmp_path: Path) -> None:
    for number in range(30):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 3), 8 * number).save(path)
    given = {"dataset.folder": str(tmp_path / "images"), "dataset.data_dir": str(tmp_path / "data")}
    given |= {"dataset.batch_size": 4, "dataset.validation_folds": FOLDS, "task.shift_pixels": 0}
    config = validate(load_config("configs/images.py", given | {"log.batch_accuracy_every_steps": None}))[0]
    configs = [cross_validation._config_of(config, number) for number in range(FOLDS)]
    jobs = [build(own) for own in configs]
    joined = join(jobs, configs[0])
    assert joined is not None
    _, members = joined
    assert members.select is not None
    assert members.arrays is not None
    for split in ("train", "validation"):
        for member, job in enumerate(jobs):
            for step in range(3):
                own, found = (
                    job.task.select(split, config.train.seed, step),
                    members.select(split, member, step),
                )
                np.testing.assert_array_equal(own < 0, found < 0)
                for name, array in job.data.splits[split].items():
                    kept = own >= 0
                    np.testing.assert_array_equal(members.arrays[split][name][found[kept]], array[own[kept]])
