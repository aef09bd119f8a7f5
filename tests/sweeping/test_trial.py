"""A trial in a process of its own: its results, failures and interruptions."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.lock import locked
from rnn_jax.runtime.signals import StopSignal
from rnn_jax.sweeping import trial_process
from rnn_jax.sweeping.command import parse
from rnn_jax.sweeping.study.trials import TrialFailedError, TrialPrunedError, TrialRequeuedError
from rnn_jax.sweeping.trial import TrialSettings, train_trial

RATE = "optimizer.learning_rate"
FAKE = """
import json, os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[-1])
def summarize(**summary):
    (folder / "summary.json").write_text(json.dumps(summary))
def evaluated(*values):
    with (folder / "metrics.jsonl").open("w") as file:
        for step, value in enumerate(values):
            file.write(json.dumps(dict(step=step, split="validation", accuracy=value)) + "\\n")
def stopped(*_):
    (folder / "stopped").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, stopped)
"""


class Recorded:
    """Replaces `ClaimedTrial`."""

    number = 4

    def __init__(self, rate: float = 1e-3, prunes_after: int | None = None) -> None:
        self.point: dict[str, Any] = {RATE: rate}
        self.attributes: dict[str, Any] = {}
        self.reported: list[float] = []
        self._prunes_after = prunes_after

    def set_attribute(self, name: str, value: Any) -> None:
        self.attributes[name] = value

    def report(self, evaluation: int, value: float) -> None:
        self.reported = [*self.reported[: evaluation - 1], value]
        if evaluation == self._prunes_after:
            raise TrialPrunedError


@pytest.fixture
def settings(tmp_path: Path) -> TrialSettings:
    grid = ["--grid", f"{RATE}=1e-3,1e-2", "--storage", "sqlite:///x.db"]
    command = parse(["--config", "configs/digits.py:smoke", *grid, "--workdir", str(tmp_path / "sweep")])
    return TrialSettings(command, Objective("accuracy", "max"), is_run=True)


def train(
    trial: Recorded,
    settings: TrialSettings,
    body: str,
    monkeypatch: pytest.MonkeyPatch,
    stop: StopSignal | None = None,
) -> float:
    script = settings.command.workdir.parent / "fake.py"
    script.write_text(FAKE + body)
    monkeypatch.setattr(trial_process, "CHILD", (str(script),))
    return train_trial(trial, settings, stop or StopSignal())  # pyright: ignore[reportArgumentType]


def folder_of(trial: Recorded, settings: TrialSettings) -> Path:
    return settings.command.workdir / trial.attributes["folder"]


def test_the_objective_and_the_reported_evaluations(
    settings: TrialSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Recorded()
    body = "evaluated(0.4, 0.6, 0.5)\nsummarize(status='finished', best=dict(step=1, accuracy=0.6), step=3)"
    assert train(trial, settings, body, monkeypatch) == 0.6
    assert trial.reported == [0.4, 0.6, 0.5]
    (result,) = trial.attributes["results"]
    assert (result["status"], result["best"]["step"]) == ("finished", 1)
    config = json.loads((folder_of(trial, settings) / "config.json").read_text())
    assert config["optimizer"]["learning_rate"] == 1e-3
    assert config["train"]["report_test"] is False
    assert config["runtime"]["allow_device_change"] is True


def test_equal_configs_have_the_same_folder(settings: TrialSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "summarize(status='finished', best=dict(step=1, accuracy=0.6), step=3)"
    names = []
    for rate in (1e-3, 1e-2, 1e-3):
        trial = Recorded(rate)
        train(trial, settings, body, monkeypatch)
        names.append(trial.attributes["folder"])
    assert names[0] == names[2] != names[1]


def test_every_varied_key_changes_the_folder(
    settings: TrialSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even one that may differ between a run and its resumption."""
    body = "summarize(status='finished', best=dict(step=1, accuracy=0.6), step=3)"
    names = set()
    for precision in ("float32", "bfloat16"):
        trial = Recorded()
        trial.point["runtime.matmul_precision"] = precision
        train(trial, settings, body, monkeypatch)
        names.add(trial.attributes["folder"])
        config = json.loads((folder_of(trial, settings) / "config.json").read_text())
        assert config["runtime"]["matmul_precision"] == precision
    assert len(names) == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "summarize(status='diverged', reason='not finite at update 3', best=None)\nsys.exit(3)",
            "diverged: not fin",
        ),
        ("print('error: out of memory: a smaller batch')\nsys.exit(5)", "out of memory: a smaller batch"),
        ("raise ValueError('unexpected')", "ValueError: unexpected"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "most likely it ran out of memory"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed (SIGSEGV)"),
        ("summarize(status='finished', best=None, step=3)", "validation had no finite accuracy"),
        ("summarize(status='finished', best=dict(step=1, accuracy=None), step=3)", "no finite accuracy"),
        ("sys.exit(7)", "exit status 7"),
        ("print('error: out of memory on CPU\\nmore'); sys.exit(5)", "out of memory on CPU"),
        ("print('error: 3 members need 2 GB, and 1 GB are free'); sys.exit(5)", "1 GB are free"),
    ],
)
def test_failures_of_a_trial(
    body: str, message: str, settings: TrialSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TrialFailedError) as error:
        train(Recorded(), settings, body, monkeypatch)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("print('error: the disk is full'); sys.exit(5)", "trial 4: the disk is full"),
        ("print('error: no such data'); sys.exit(2)", "trial 4: no such data"),
        ("sys.exit(143)", "trial 4: stopped by another process (exit status 143)"),
        ("os.kill(os.getpid(), signal.SIGUSR1)", "trial 4: stopped by another process (exit status -10)"),
    ],
)
def test_an_error_of_the_machine_ends_the_worker(
    body: str, message: str, settings: TrialSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError) as error:
        train(Recorded(), settings, body, monkeypatch)
    assert str(error.value) == message


def test_a_trial_with_an_invalid_config_fails(
    settings: TrialSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If other configs are valid: as an error of the worker it would end all workers, one by one."""
    body = "print('error: task.shift_pixels = 20: out of sight'); sys.exit(2)"
    trial = Recorded()
    trial.point["task.shift_pixels"] = 20
    with pytest.raises(TrialFailedError, match=r"task\.shift_pixels = 20: out of sight"):
        train(trial, settings, body, monkeypatch)
    member = settings.command.members[0]
    task = member.config.task.model_copy(update={"shift_pixels": 20})
    invalid = member._replace(config=member.config.model_copy(update={"task": task}))
    with pytest.raises(UserError, match="trial 4"):  # for instance without the data
        train(
            trial, settings._replace(command=settings.command._replace(members=[invalid])), body, monkeypatch
        )


def test_the_message_is_that_of_the_last_attempt(
    settings: TrialSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in ("error: the disk is full\\n", "ValueError: a bug\\n"):
        with pytest.raises((TrialFailedError, UserError)) as error:
            train(
                Recorded(),
                settings,
                f"print('{words}'); sys.exit(5 if 'disk' in '{words}' else 1)",
                monkeypatch,
            )
    assert str(error.value) == "ValueError: a bug"


def test_the_command_is_a_single_process_in_a_cluster_too(
    settings: TrialSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Recorded()
    train(
        trial,
        settings,
        "summarize(status='finished', best=dict(accuracy=1.0), arguments=sys.argv[2:])",
        monkeypatch,
    )
    arguments = json.loads((folder_of(trial, settings) / "summary.json").read_text())["arguments"]
    assert arguments[:2] == ["main", "--config.runtime.process_count=1"]


def test_trials_with_the_same_point_train_one_after_the_other(
    settings: TrialSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits even before the first's process has locked the folder."""
    body = (
        "(folder / 'n').open('a').write('(')\ntime.sleep(0.6)\n(folder / 'n').open('a').write(')')\n"
        "summarize(status='finished', best=dict(step=1, accuracy=0.6), step=3)"
    )
    both = [Recorded(), Recorded()]
    threads = [threading.Thread(target=train, args=(trial, settings, body, monkeypatch)) for trial in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (folder_of(both[0], settings) / "n").read_text() == "()()"


def test_a_trial_with_contradicting_values_fails(
    settings: TrialSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Recorded(-1.0)
    with pytest.raises(TrialFailedError, match=r"optimizer\.learning_rate = -1\.0: must be at least 0"):
        train(trial, settings, "", monkeypatch)
    assert not trial.attributes


def test_a_pruned_trial_receives_sigterm(settings: TrialSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Recorded(prunes_after=2)
    body = "evaluated(0.4, 0.3)\nsummarize(status='running', best=dict(step=0, accuracy=0.4))\ntime.sleep(60)"
    with pytest.raises(TrialPrunedError):
        train(trial, settings, body, monkeypatch)
    assert (folder_of(trial, settings) / "stopped").exists()
    assert trial.attributes["results"][0]["best"]["accuracy"] == 0.4


def test_a_signal_requeues_the_trial(settings: TrialSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Recorded()
    with StopSignal() as stop:
        killer = threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM))
        killer.start()
        with pytest.raises(TrialRequeuedError):
            train(trial, settings, "time.sleep(60)", monkeypatch, stop)
        killer.join()
    assert (folder_of(trial, settings) / "stopped").exists()


def test_a_trial_waits_while_its_folder_is_locked(
    settings: TrialSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "summarize(status='finished', best=dict(step=1, accuracy=0.6), step=3, at=time.time())"
    first = Recorded()
    train(first, settings, body, monkeypatch)
    folder, until = folder_of(first, settings), []

    def hold() -> None:
        with locked(folder):
            holding.set()
            time.sleep(0.7)
            until.append(time.time())

    holding = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    holding.wait()
    train(Recorded(), settings, body, monkeypatch)
    holder.join()
    assert json.loads((folder / "summary.json").read_text())["at"] > until[0]


def test_a_command_does_not_outlive_its_worker(tmp_path: Path) -> None:
    command = tmp_path / "command.py"
    command.write_text(
        f"#!{sys.executable}\nimport pathlib, signal, sys, time\n"
        f"marks = pathlib.Path({str(tmp_path)!r})\n"
        "def stop(*_):\n    (marks / 'stopped').touch()\n    sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "(marks / 'begun').write_text(' '.join(sys.argv[1:]))\ntime.sleep(60)\n"
    )
    command.chmod(0o755)
    child = f"import sys; from rnn_jax.sweeping import child; sys.executable = {str(command)!r}; child.main()"
    worker_program = (
        "import os, subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}, str(os.getpid()), 'main', '--workdir', 'x'])\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    worker = subprocess.Popen([sys.executable, "-c", worker_program], env=environment)
    _wait_for(tmp_path / "begun")
    worker.kill()
    worker.wait()
    _wait_for(tmp_path / "stopped")
    assert (tmp_path / "begun").read_text() == "-m rnn_jax.main --workdir x"


def _wait_for(file: Path) -> None:
    end = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < end, f"no {file.name}"
        time.sleep(0.02)
