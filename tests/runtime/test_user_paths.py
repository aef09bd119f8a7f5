"""The home folder `~` in every path that a user gives."""

import pwd
from pathlib import Path

import pytest
from run_folders import write_run

from rnn_jax import generate, predict, report
from rnn_jax.config import command_line
from rnn_jax.config.arguments import Parser
from rnn_jax.config.config_files import load
from rnn_jax.config.plugins import load_plugins
from rnn_jax.datasets.prepared import root_of
from rnn_jax.datasets.safe_reading import existing_path
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import user_path
from rnn_jax.sweeping import command
from rnn_jax.sweeping.study.storage import connect

SWEEP = "def get_sweep():\n    return dict(grid={'model.hidden_size': (4, 8)})\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder; the working directory is another, empty one."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_the_home_folder_is_replaced_as_in_shells(home: Path) -> None:
    paths = {"~/x": home / "x", "~": home, "~nobody-has-this-name/x": Path("~nobody-has-this-name/x")}
    for text, expected in paths.items() | {"./~/x": Path.cwd() / "~/x", "/a/~": Path("/a/~")}.items():
        assert user_path(text) == expected
    assert user_path("~root") == Path(pwd.getpwnam("root").pw_dir)


@pytest.mark.parametrize("is_empty", [True, False])
def test_an_unknown_home_folder_is_an_error(
    is_empty: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some containers run as a user without a name."""

    def fail(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setenv("HOME", "")
    if not is_empty:
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(pwd, "getpwuid", fail)
    with pytest.raises(
        UserError, match=r"^~/x: ~ is the home folder, and HOME is (empty|not set); give another"
    ):
        user_path("~/x")
    with pytest.raises(UserError, match=r"^dataset\.data_dir = ~/tensorflow_datasets: ~ is the home folder"):
        root_of(None)


def test_every_path_on_a_command_line_may_be_below_the_home_folder(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "conf.py").write_text(
        "from . import digits\n\ndef get_config():\n    return digits.get_config()\n"
    )
    (home / "sweep.py").write_text(SWEEP)
    (home / "text.txt").write_text("text")
    (home / "picture.png").touch()
    write_run(home / "run")
    assert command_line.parse(["--config=~/conf.py", "--workdir=~/new"]).workdir == home / "new"
    assert (
        command.parse(["--config=~/conf.py", "--sweep=~/sweep.py", "--workdir=~/new"]).workdir == home / "new"
    )
    assert load("~/conf.py").to_dict()["dataset"]["name"] == "digits"
    load_plugins(["~/conf.py"])
    parser = Parser("predict", "", "")
    parser.add_run("")
    assert parser.parse(["--workdir=~/run"]).workdir == home / "run"
    assert predict._expanded("~/picture.png") == str(home / "picture.png")
    assert predict._expanded("~/nothing.png") == "~/nothing.png"
    assert predict._expanded("~ a text") == "~ a text"
    assert report.main(["~/run", "--out=~/page.html"]) == 0
    assert (home / "page.html").exists()
    capsys.readouterr()
    assert generate.main(["--workdir=~/nothing"]) == 2
    assert f"error: {home / 'nothing'}: not a run folder" in capsys.readouterr().err
    assert not any(Path().iterdir())


def test_paths_of_data_and_databases_may_be_below_the_home_folder(home: Path) -> None:
    (home / "x.txt").touch()
    assert existing_path("dataset.file", "~/x.txt") == home / "x.txt"
    assert root_of("~/data") == home / "data"
    assert root_of(None) == home / "tensorflow_datasets"
    connect("sqlite:///~/x.db", 10)
    assert (home / "x.db").exists()
    assert not any(Path().iterdir())
