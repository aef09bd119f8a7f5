"""A cell that only a config file defines: its plug-in in the run folder, and the commands that load it."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_jax import draw, generate, main, predict, sweep
from rnn_jax.catalogue import CELLS
from rnn_jax.config.command_line import load_config, parse
from rnn_jax.config.plugins import load_plugins
from rnn_jax.config.run_folder import read_config
from rnn_jax.runtime.errors import UserError

ROOT = Path(__file__).parents[1]
CONFIG = '''"""Digits with a cell of its own."""

import jax
from flax import linen as nn
from pydantic import BaseModel, Field

from rnn_jax.catalogue import register_cell
from rnn_jax.models.cells import Cell, Mask, masked, sigmoid, tanh

from . import digits


class Options(BaseModel):
    sharpness: float = Field(1.0, gt=0, description="factor on the gate before its sigmoid")


class UGRNN(Cell):
    sharpness: float = 1.0

    @nn.compact
    def __call__(self, carry: jax.Array, inputs: jax.Array, mask: Mask = None) -> tuple[jax.Array, jax.Array]:
        read = masked(carry, mask)
        z = sigmoid(self.sharpness * self.dense_both("z", inputs, read))
        h = z * carry + (1 - z) * tanh(self.dense_both("c", inputs, read))
        return h, h


register_cell("ugrnn", UGRNN, gates=2, state_kernels=("hz", "hc"), forget_bias="hz", options=Options)


def get_config():
    config = digits.get_config()
    digits.VARIANTS["smoke"](config)
    config.model.update(cell="ugrnn", hidden_size=4)
    config.train.update(duration_steps=2, evaluate_every_steps=2)
    config.log.tensorboard = False
    return config
'''

pytestmark = pytest.mark.usefixtures("unregistered")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("own") / "my_config.py"
    file.write_text(CONFIG)
    return file


@pytest.fixture(scope="module")
def trained(config: Path) -> Path:
    """Train a run of two steps, then remove its cell from the catalogue."""
    run = config.parent / "run"
    cells = dict(CELLS)
    assert main.main(["--config", str(config), "--workdir", str(run), "--config.model.sharpness=2"]) == 0
    CELLS.clear()
    CELLS.update(cells)
    return run


def missing(config: Path, file: Path) -> str:
    """Return the error that names the missing plug-in."""
    return (
        f"error: {file}: model.cell = 'ugrnn' comes from '{config.resolve()}'; "
        f"add --plugin '{config.resolve()}'\n"
    )


def test_a_run_folder_names_the_file_and_has_the_options(config: Path, trained: Path) -> None:
    settings = json.loads((trained / "config.json").read_text())
    assert settings["plugins"] == {"model.cell": {"ugrnn": str(config.resolve())}}
    assert settings["model"]["sharpness"] == 2.0


def test_options_have_defaults_help_and_errors(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_config(str(config)).to_dict()["model"]["sharpness"] == 1.0
    with pytest.raises(UserError, match=r"^--config.model.sharpness = 0: must be more than 0$"):
        parse(["--config", str(config), "--config.model.sharpness=0"])
    with pytest.raises(UserError, match=r"sharpness = 3: only for ugrnn, and model.cell is gru"):
        parse(["--config", str(config), "--config.model.cell=gru", "--config.model.sharpness=3"])
    with pytest.raises(SystemExit):
        parse(["--help", "--plugin", str(config)])
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "factor on the gate before its sigmoid [float > 0 | None, default 1.0, only with cell = ugrnn]"
        in text
    )


@pytest.mark.parametrize("flag", ["--config", "--plugin"])
def test_a_run_is_resumed_with_its_file(
    flag: str, config: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    capsys.readouterr()
    assert main.main(["--workdir", str(run)]) == 2
    assert capsys.readouterr().err == missing(config, run / "config.json")
    typed = ["--config.model.sharpness=2"] if flag == "--config" else []
    assert main.main([flag, str(config), "--workdir", str(run), *typed]) == 0


COMMANDS = {
    "predict": (predict.main, ["nothing.png"], "nothing.png: cannot be read"),
    "generate": (generate.main, [], "generate needs one of language_modelling"),
    "draw": (draw.main, [], "Address already in use"),
    "eval": (main.main, ["--mode", "eval"], None),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_load_the_plugin_again(
    name: str, config: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the plug-in, a command exits with one line; with it, it continues to the next error."""
    command, arguments, error = COMMANDS[name]
    arguments = ["--workdir", str(trained), *arguments]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        if name == "draw":
            arguments += ["--port", str(taken.getsockname()[1])]
        assert command(arguments) == 2
        assert capsys.readouterr().err == missing(config, trained / "config.json")
        status = command([*arguments, "--plugin", str(config)])
    err = capsys.readouterr().err
    assert (status == 0) if error is None else (status in (1, 2) and error in err)


def test_python_loads_it_after_load_plugins(config: Path, trained: Path) -> None:
    with pytest.raises(UserError, match="add --plugin"):
        read_config(trained)
    load_plugins([str(config)])
    assert read_config(trained).model.cell == "ugrnn"


def test_nothing_in_a_run_folder_is_run(trained: Path, tmp_path: Path) -> None:
    """The plug-ins that config.json names are not loaded."""
    run, harm = tmp_path / "run", tmp_path / "harm.py"
    shutil.copytree(trained, run)
    harm.write_text("raise SystemExit('harmed')")
    file = run / "config.json"
    for origin in (str(harm), "harm", 3, {"a": "b"}):
        settings = json.loads(file.read_text())
        settings["plugins"] = {"model.cell": {"ugrnn": origin}}
        file.write_text(json.dumps(settings))
        with pytest.raises(UserError, match=r"model\.cell = 'ugrnn' comes from"):
            read_config(run)
    for plugins in ([], 3, None, {"model.cell": "ugrnn"}):
        file.write_text(json.dumps(settings | {"plugins": plugins}))
        with pytest.raises(UserError, match=r"model\.cell = 'ugrnn': must be one of rnn, lstm"):
            read_config(run)


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        ("nothing.py", "--plugin nothing.py: no such file"),
        ("nothing_there", "--plugin nothing_there: ModuleNotFoundError: No module named 'nothing_there'"),
        ("{folder}/wrong.py", "wrong.py, line 1: ZeroDivisionError: division by zero"),
        ("wrong_module", "--plugin wrong_module: ZeroDivisionError: division by zero"),
    ],
)
def test_wrong_plugins(plugin: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wrong.py", "wrong_module.py"):
        (tmp_path / name).write_text("1 / 0")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(UserError) as caught:
        load_plugins([plugin.format(folder=tmp_path)])
    assert message in str(caught.value)


def test_a_module_may_be_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_cells.py").write_text(
        "from rnn_jax.catalogue import register_cell\n"
        "class Cell: ...\n"
        "register_cell('mine', 'my_cells:Cell', gates=1)\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    load_plugins(["my_cells"])
    assert CELLS["mine"].origin == "my_cells"


def test_a_population_is_resumed_with_its_file(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    grid = ["--grid", "optimizer.learning_rate=1e-3,2e-3"]
    assert sweep.main(["--config", str(config), *grid, "--workdir", str(folder)]) == 0
    assert str(config) in (folder / "report.md").read_text()
    del CELLS["ugrnn"]
    (folder / "results.jsonl").unlink()
    capsys.readouterr()
    assert sweep.main(["--workdir", str(folder)]) == 2
    assert capsys.readouterr().err == missing(config, folder / "sweep.json")
    assert sweep.main(["--workdir", str(folder), "--plugin", str(config)]) == 0
    assert len((folder / "results.jsonl").read_text().splitlines()) == 2


@pytest.mark.matrix
def test_workers_of_a_sweep_get_the_plugin(config: Path, tmp_path: Path) -> None:
    """The sweep varies the cell; the config has another one."""
    arguments = [
        *(
            "--config",
            "configs/digits.py:smoke",
            "--plugin",
            str(config),
            "--workdir",
            str(tmp_path / "sweep"),
        ),
        *("--grid", "model.cell=ugrnn", "--storage", f"sqlite:///{tmp_path}/study.db", "--workers", "2"),
        *("--config.train.duration_steps=2", "--config.train.evaluate_every_steps=2"),
        *("--config.log.tensorboard=False", "--config.model.hidden_size=4"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "rnn_jax.sweep", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = map(json.loads, (tmp_path / "sweep" / "results.jsonl").read_text().splitlines())
    assert (row["status"], row["point"]) == ("finished", {"model.cell": "ugrnn"})
