"""The command line."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_jax.config.command_line import load_config, parse
from rnn_jax.config.config_files import listed
from rnn_jax.config.run_folder import open_run
from rnn_jax.runtime.errors import UserError

MNIST = ("--config", "configs/mnist.py")
CONFIGS = listed()


def errors_of(*arguments: str) -> list[str]:
    """The lines of the error that a command line raises."""
    with pytest.raises(UserError) as caught:
        parse(arguments)
    assert caught.value.exit_status == 2
    return str(caught.value).splitlines()


def test_a_config_with_variants_and_other_values():
    command = parse(
        [
            "--config.optimizer.learning_rate=1e-2",
            "--workdir=somewhere",
            "--config.train.duration_steps",
            "1e3",
            "--config=configs/mnist.py:seed,smoke",
            "--config.log.tensorboard",
            "false",
            "--config.model.input_projection_size=None",
            "--config.task.label_smoothing",
            "0",
            "--config.dataset.data_dir='a folder'",
        ]
    )
    config = command.config
    assert (config.optimizer.name, config.optimizer.learning_rate) == ("adam", 0.01)
    assert (config.train.duration_steps, config.model.hidden_size) == (1000, 32)
    assert (config.log.tensorboard, config.model.input_projection_size) == (False, None)
    assert (config.task.label_smoothing, config.dataset.data_dir) == (0.0, "a folder")
    assert command.source == "configs/mnist.py:seed,smoke"
    assert command.workdir == Path("somewhere")
    assert (command.mode, command.checkpoint, command.notes) == ("train", "best", [])
    assert command.typed == {
        "optimizer.learning_rate",
        "train.duration_steps",
        "log.tensorboard",
        "model.input_projection_size",
        "task.label_smoothing",
        "dataset.data_dir",
    }


FLAGS = {
    "--config": "configs/digits.py",
    "--workdir": "a",
    "--config.train.seed": "7",
    "--config.optimizer.clip_norm": "None",
    "--config.optimizer.learning_rate": "-0.0",
}


@settings(deadline=None)
@given(st.permutations(list(FLAGS)), st.lists(st.booleans(), min_size=len(FLAGS), max_size=len(FLAGS)))
def test_order_and_equals_signs_do_not_matter(names, joined):
    arguments = []
    for name, together in zip(names, joined, strict=True):
        arguments += [f"{name}={FLAGS[name]}"] if together else [name, FLAGS[name]]
    command = parse(arguments)
    assert command == parse([f"{name}={value}" for name, value in FLAGS.items()])
    assert (command.config.train.seed, command.config.optimizer.clip_norm) == (7, None)


def test_the_last_value_of_a_key_counts():
    assert parse([*MNIST, "--config.train.seed=1", "--config.train.seed=2"]).config.train.seed == 2


def test_ignored_keys_are_noted():
    command = parse([*MNIST, "--config.optimizer.name=adam"])
    assert command.notes == ["optimizer.weight_decay ignored: optimizer.name is adam"]


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ((), ["--config: must be given, or the --workdir of a run", CONFIGS]),
        (
            ("--config", "configs/mnst.py"),
            ["--config configs/mnst.py: no such file; did you mean configs/mnist.py?", CONFIGS],
        ),
        (("--config", "zzz"), ["--config zzz: no such file", CONFIGS]),
        (("--config", "z" * 5000), [f"--config {'z' * 5000}: no such file", CONFIGS]),
        (
            ("--config", "configs/mnist.py:sead,smok"),
            [
                "configs/mnist.py:sead: no such variant; did you mean seed?",
                "configs/mnist.py:smok: no such variant; did you mean smoke?",
            ],
        ),
        (
            ("--config", "configs/mnist.py:"),
            ["configs/mnist.py:: no such variant; it has seed, shifted, smoke"],
        ),
        ((*MNIST, "--wrkdir=a"), ["--wrkdir: no such flag; did you mean --workdir?"]),
        ((*MNIST, "--wrkdir", "a"), ["--wrkdir: no such flag; did you mean --workdir?"]),
        ((*MNIST, "-workdir", "a"), ["-workdir: no such flag; did you mean --workdir?"]),
        ((*MNIST, "--zzz"), ["--zzz: no such flag; --help lists them"]),
        (
            (*MNIST, "--optimizer.lr=1", "--confg.train.sed=1", "--seed=1"),
            [
                "--optimizer.lr: no such flag; did you mean --config.optimizer.learning_rate?",
                "--confg.train.sed: no such flag; did you mean --config.train.seed?",
                "--seed: no such flag; did you mean --config.train.seed?",
            ],
        ),
        ((*MNIST, "3"), ["3: not a flag"]),
        ((*MNIST, "--workdir"), ["--workdir: needs a value, --workdir=VALUE"]),
        ((*MNIST, "--workdir="), ["--workdir: needs a value, --workdir=VALUE"]),
        (
            (*MNIST, "--config.train.seed", "--config.train.report_test=1"),
            [
                "--config.train.seed: needs a value, --config.train.seed=VALUE",
                "--config.train.report_test = 1: must be True or False",
            ],
        ),
        ((*MNIST, "--mode", "evl"), ["--mode evl: must be one of train, eval"]),
        ((*MNIST, "--checkpoint", "latest"), ["--checkpoint: only with --mode eval"]),
        (
            (*MNIST, "--config.optimizer.lerning_rate=1", "--config.model.hiden_size=3"),
            [
                "--config.optimizer.lerning_rate: no such key; did you mean optimizer.learning_rate?",
                "--config.model.hiden_size: no such key; did you mean model.hidden_size?",
            ],
        ),
        (
            (*MNIST, "--config.task=1"),
            [
                "--config.task: is a section, with the keys name, label_smoothing, class_weights, reading, "
                "permutation_seed, shift_pixels, buckets, time_steps, delay_steps, copied_symbols, "
                "alphabet_size, bptt_steps, eval_batch_size, loss_per"
            ],
        ),
        (
            (*MNIST, "--config.optimizer.learning_rate=nan", "--config.optimizer.clip_norm", "-1"),
            [
                "--config.optimizer.learning_rate = nan: must be a finite number, at least 0",
                "--config.optimizer.clip_norm = -1: must be more than 0",
            ],
        ),
        (
            (*MNIST, "--config.train.seed=true"),
            ["--config.train.seed = True: must be a whole number, at least 0 and less than 4294967296"],
        ),
        (
            (*MNIST, "--config.dataset.name=synthetic", "--config.dataset.examples=100"),
            [
                "--config.dataset.template: must be given where dataset.name is synthetic: one of mnist, "
                "fashion_mnist, digits, ptb, tiny_shakespeare, imdb, sequences, measurements"
            ],
        ),
        (
            ("--mode=eval", "--workdir=zzz"),
            ["--mode eval: needs the --workdir of a run; zzz is not a run folder (no config.json)"],
        ),
        (
            (*MNIST, "--mode=eval"),
            ["--mode eval: needs the --workdir of a run"],
        ),
        (
            ("--workdir=zzz",),
            [
                "--config: must be given, or the --workdir of a run; zzz is not a run folder "
                "(no config.json)",
                CONFIGS,
            ],
        ),
    ],
)
def test_mistyped_command_lines(arguments, lines):
    assert errors_of(*arguments) == lines


def test_a_config_where_a_flag_should_be():
    assert errors_of(
        "configs/mnist.py", "--config.optimizer.clip_norm=-1", "--config.optimizer.clp_norm=1"
    ) == [
        "configs/mnist.py: not a flag; did you mean --config configs/mnist.py?",
        "--config.optimizer.clp_norm: no such key; did you mean optimizer.clip_norm?",
        "--config: must be given, or the --workdir of a run",
        CONFIGS,
        "--config.optimizer.clip_norm = -1: must be more than 0",
    ]


@settings(deadline=None)
@given(st.lists(st.text(alphabet="-=.:, abc1\u00e9\n") | st.sampled_from([*FLAGS, *FLAGS.values(), "--"])))
def test_no_command_line_ends_in_a_traceback(arguments):
    with contextlib.suppress(UserError):
        parse(arguments)


def test_a_run_folder_alone_resumes_with_its_own_config(tmp_path):
    first = parse([*MNIST, "--config.train.seed=5"])
    open_run(tmp_path, first.config)
    again = parse(["--workdir", str(tmp_path), "--config.log.every_steps=7"])
    assert (again.config.train.seed, again.config.log.every_steps) == (5, 7)
    assert (again.source, again.workdir) == (None, tmp_path)
    assert parse(["--workdir", str(tmp_path)]).config == first.config


def test_the_run_folder_is_checked_first(tmp_path):
    (tmp_path / "file").touch()
    assert errors_of(*MNIST, "--workdir", str(tmp_path / "file")) == [
        f"{tmp_path / 'file'}: not a folder; give another --workdir"
    ]
    open_run(tmp_path / "run", parse(MNIST).config)
    (line, _) = errors_of(*MNIST, "--workdir", str(tmp_path / "run"), "--config.model.layers=3")
    assert line == f"{tmp_path / 'run'} holds a run of another config: model.layers is 1 there and 3 here"


def test_a_run_folder_can_be_evaluated(tmp_path):
    open_run(tmp_path, parse(MNIST).config)
    command = parse(["--mode", "eval", "--checkpoint", "latest", "--workdir", str(tmp_path)])
    assert (command.mode, command.checkpoint) == ("eval", "latest")


def test_a_damaged_config_json_is_reported(tmp_path):
    open_run(tmp_path, parse(MNIST).config)
    file = tmp_path / "config.json"
    file.write_text(file.read_text().replace('"seed": 0', '"seed": -3'))
    seed = "must be at least 0 and less than 4294967296"
    assert errors_of("--workdir", str(tmp_path)) == [f"{file}: train.seed = -3: {seed}"]
    file.write_text("{")
    (line,) = errors_of("--workdir", str(tmp_path))
    assert line.startswith(f"{file}: damaged, not valid JSON")


def test_a_config_from_python():
    config = load_config("configs/mnist.py:smoke", {"train.seed": 3, "train.duration_steps": 10})
    sections = config.to_dict()
    assert (sections["train"]["seed"], sections["train"]["duration_steps"]) == (3, 10)
    assert sections["dataset"]["name"] == "synthetic"
    assert sections["optimizer"]["momentum"] is None


def test_errors_in_a_config_from_python():
    with pytest.raises(UserError, match=r"train\.sed: no such key; did you mean train\.seed\?"):
        load_config("configs/mnist.py", {"train.sed": 3})
    # Nobody has typed `--config.train.seed`.
    with pytest.raises(UserError, match=r"^train\.seed = 'a': must be a whole number"):
        load_config("configs/mnist.py", {"train.seed": "a"})
