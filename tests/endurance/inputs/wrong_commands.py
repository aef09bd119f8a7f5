"""Wrong command lines, with the key or file that the error must name.

`{at}` in an argument stands for the folder in which `wrong_files.prepare` writes files.
"""

from typing import NamedTuple

import newcomer
from wrong_files import CHANGED, DAMAGED, FILES, SWEEPS, VARIANTS

DIGITS = "configs/digits.py:smoke"
SHAKESPEARE = "configs/shakespeare.py:smoke"


class Wrong(NamedTuple):
    """A command that must be rejected."""

    command: str
    """`main`, `sweep`, `predict`, `generate`, `report`, `draw` or `__main__`, which runs the others."""
    arguments: tuple[str, ...]
    named: str
    """The key or file that the message must name."""
    status: int = 2
    environment: tuple[tuple[str, str], ...] = ()


def _of(config: str, named: str, *values: str) -> list[Wrong]:
    """Return a command per value, each with a wrong value of the key `named`."""
    return [Wrong("main", ("--config", config, f"--config.{named}={value}"), named) for value in values]


def _typed(config: str, named: str, *arguments: str) -> Wrong:
    return Wrong("main", ("--config", config, *arguments), named)


def values() -> list[Wrong]:
    """Return commands with values that are missing, not finite, out of range or of the wrong type."""
    real = ("-1", "nan", "inf", "-inf", "many", "[]", "[1e-3]", "1e-3,1e-2", "1e400", "0x", "True", "{}")
    whole = ("0", "-3", "1.5", "many", "[8]", "8,9", "nan", "1e400", "9" * 30, "1" + "0" * 5_000, "None")
    found = _of(DIGITS, "optimizer.learning_rate", *real, "None", "''", "(1", "1e-3e", "μ", "0.1 0.2")
    found += _of(DIGITS, "model.hidden_size", *whole, "acht", "True", "b'8'", "8; rm", "--8", "1/2")
    for key in ("dataset.batch_size", "model.layers", "train.duration_steps", "log.every_steps"):
        found += _of(DIGITS, key, "0", "1.5", "x", "9" * 30)
    for key in ("runtime.devices", "checkpoint.keep", "train.evaluate_every_steps", "dataset.examples"):
        found += _of(DIGITS, key, "0", "-1", "9" * 30)
    found += _of(DIGITS, "train.seed", "-1", "4294967296", "1e20", "None", "7.5", "seven")
    for key in ("optimizer.clip_norm", "optimizer.weight_decay", "model.init_scale"):
        found += _of(DIGITS, key, "-1", "nan", "x")
    for key in ("model.dropout", "model.output_dropout", "task.label_smoothing", "optimizer.beta1"):
        found += _of(DIGITS, key, "1", "-0.1", "nan")
    for key in ("model.bidirectional", "train.report_test", "log.tensorboard"):
        found += _of(DIGITS, key, "1", "yes", "None")
    found += _of(DIGITS, "train.duration_epochs", "0", "-1", "inf", "'3'")
    found += _of(DIGITS, "runtime.devices", "1000000", "2000000000")
    found += _of(DIGITS, "optimizer.epsilon", "0") + _of(DIGITS, "task.shift_pixels", "-1", "9" * 30)
    found += _of("configs/mnist_pixels.py:smoke", "task.permutation_seed", "-1", "4294967296")
    found += _of("configs/imdb.py:smoke", "task.buckets", "0", "65")
    found += _of("configs/imdb.py:smoke", "model.embedding_size", "0", "9" * 30)
    found += _of("configs/adding.py:smoke", "task.time_steps", "1", "9" * 30)
    found += _of("configs/copying.py:smoke", "task.alphabet_size", "1", "9" * 30)
    return found + _of(SHAKESPEARE, "task.bptt_steps", "0", "9" * 30)


def names() -> list[Wrong]:
    """Return commands with choices, keys, sections, variants and files that do not exist."""
    found = []
    for key in ("model.cell", "optimizer.name", "task.name", "model.implementation", "optimizer.schedule"):
        found += _of(DIGITS, key, "lsmt", "''", "None", "3")
    found += _of(
        DIGITS, "dataset.name", "mnits", "MNIST", "tfds:", "tfds:a b", "tfds", "ＭＮＩＳＴ", "None", "[]"
    )
    for key in ("model.pool", "model.kernel_init", "model.recurrent_init", "runtime.matmul_precision"):
        found += _of(DIGITS, key, "zufall", "[]")
    found += _of(DIGITS, "task.reading", "columns", "None") + _of(DIGITS, "dataset.template", "mnits", "None")
    for key in ("model.cel", "optimizer.lr", "train.sed", "modl.cell", "model", "dataset.", ".name", "a.b.c"):
        found += _of(DIGITS, key, "1")
    found += _of(DIGITS, "model.cell.name", "1") + _of(DIGITS, "модель.ячейка", "1") + _of(DIGITS, "", "1")
    for source in (
        "configs/digit.py",
        "configs/",
        "configs",
        "nowhere.py",
        "/",
        "",
        "digit",
        "config\ns.py",
    ):
        found.append(Wrong("main", ("--config", source), source.strip() or "--config"))
    for variant in ("smok", "", "smoke,", "smoke,fast", "smoke smoke", "ｓｍｏｋｅ"):
        found.append(Wrong("main", ("--config", f"configs/digits.py:{variant}"), "configs/digits.py"))
    return found


def contradictions() -> list[Wrong]:
    """Return commands with keys that the chosen kind does not have, and with keys that exclude each other."""
    lacking = {
        ("--config.model.cell=gru", "--config.model.forget_bias=1"): "model.forget_bias",
        ("--config.model.cell=lru", "--config.model.recurrent_dropout=0.1"): "model.recurrent_dropout",
        ("--config.optimizer.name=adam", "--config.optimizer.weight_decay=0.1"): "optimizer.weight_decay",
        ("--config.optimizer.name=sgd", "--config.optimizer.beta1=0.9"): "optimizer.beta1",
        ("--config.optimizer.momentum=0.9",): "optimizer.momentum",
        ("--config.optimizer.decay_factor=0.5",): "optimizer.decay_factor",
        ("--config.optimizer.schedule=step",): "optimizer.decay_factor",
        ("--config.optimizer.schedule=constant", "--config.optimizer.final_fraction=0"): "final_fraction",
        ("--config.train.divergence=skip",): "train.divergence_limit",
        ("--config.task.permutation_seed=1",): "task.permutation_seed",
        ("--config.task.bptt_steps=5",): "task.bptt_steps",
        ("--config.model.tied_embedding=True",): "model.tied_embedding",
        ("--config.dataset.file=a.txt",): "dataset.file",
        ("--config.dataset.folder=a",): "dataset.folder",
        ("--config.dataset.max_length=9",): "dataset.max_length",
        ("--config.log.sample_tokens=9",): "log.sample_tokens",
        ("--config.train.duration_steps=9", "--config.train.duration_epochs=1"): "train.duration_epochs",
        ("--config.train.duration_steps=None",): "train.duration_epochs",
        ("--config.train.evaluate_every_steps=None",): "train.evaluate_every_epochs",
        ("--config.optimizer.warmup_steps=9", "--config.optimizer.warmup_epochs=1"): "warmup_epochs",
        ("--config.optimizer.average_decay=0.9", "--config.optimizer.average_from_steps=1"): "average_decay",
        ("--config.task.name=language_modelling",): "dataset.template",
        ("--config.task.name=adding",): "dataset.template",
        ("--config.dataset.name=synthetic", "--config.dataset.template=ptb"): "dataset.template",
        ("--config.dataset.name=generated",): "dataset.name",
        ("--config.dataset.name=idx",): "dataset.folder",
        ("--config.model.implementation=parallel",): "model.implementation",
        ("--config.model.cell=gru", "--config.model.implementation=fused"): "model.implementation",
    }
    found = [_typed(DIGITS, named, *arguments) for arguments, named in lacking.items()]
    text = "configs/text.py"
    return [
        *found,
        _typed(SHAKESPEARE, "model.bidirectional", "--config.model.bidirectional=True"),
        _typed(SHAKESPEARE, "model.pool", "--config.model.pool=last"),
        _typed(
            SHAKESPEARE,
            "model.embedding_size",
            *("--config.model.tied_embedding=True", "--config.model.embedding_size=5"),
        ),
        _typed(SHAKESPEARE, "task.eval_batch_size", "--config.task.eval_batch_size=100000"),
        _typed(SHAKESPEARE, "dataset.batch_size", "--config.dataset.batch_size=100000"),
        _typed(text, "dataset.test_file", "--config.dataset.validation_file=a", "--config.dataset.file=b"),
        _typed(text, "dataset.vocabulary_size", "--config.dataset.tokenizer=bpe"),
        _typed(f"{text}:bpe", "dataset.vocabulary_size", "--config.dataset.vocabulary_size=2"),
    ]


def files() -> list[Wrong]:
    """Return commands with wrong config files."""
    found = [Wrong("main", ("--config", f"{{at}}/{name}"), name) for name in FILES]
    found += [Wrong("main", ("--config", f"{{at}}/{name}"), named) for name, (_, named) in CHANGED.items()]
    found += [
        Wrong("main", ("--config", f"{{at}}/{name}:small"), named) for name, (_, named) in VARIANTS.items()
    ]
    return [
        *found,
        Wrong("main", ("--config", "{at}/pipe.py"), "pipe.py"),
        Wrong("main", ("--config", "{at}"), "{at}"),
    ]


def folders() -> list[Wrong]:
    """Return commands with folders that are not run folders, damaged, or of another run."""
    found = []
    for name in DAMAGED:
        at = f"{{at}}/damaged/{name}"
        found.append(Wrong("main", ("--workdir", at), at))
        found.append(Wrong("main", ("--config", DIGITS, "--workdir", at), at))
    for name in ("torn", "deep"):
        for command in ("predict", "generate"):
            found.append(Wrong(command, ("--workdir", f"{{at}}/damaged/{name}"), name))
        found.append(Wrong("sweep", ("--workdir", f"{{at}}/damaged_sweeps/{name}"), name))
    evaluated = ("--mode", "eval", "--workdir")
    grid = ("--config", DIGITS, "--grid", "optimizer.clip_norm=1,2", "--workdir")
    for command, begin in (("main", ("--config", DIGITS, "--workdir")), ("sweep", grid)):
        for place in ("a_file", "a_file/below", "others", "/dev/null/run", "/proc/run", "x" * 300):
            at = place if place.startswith(("/", "x")) else f"{{at}}/{place}"
            found.append(Wrong(command, (*begin, at), at))
    return [
        *found,
        Wrong(
            "main",
            ("--config", DIGITS, "--workdir", "{at}/digits", "--config.model.layers=2"),
            "model.layers",
        ),
        Wrong("main", ("--config", "configs/ptb.py:smoke", "--workdir", "{at}/digits"), "{at}/digits"),
        Wrong("main", ("--workdir", "{at}/digits", "--config.model.hidden_size=5"), "model.hidden_size"),
        Wrong("main", ("--workdir", "{at}/directory"), "{at}/directory"),
        Wrong("main", ("--workdir", "{at}/damaged_summary"), "summary.json"),
        Wrong("main", ("--workdir", "{at}/nowhere"), "{at}/nowhere"),
        Wrong("main", (*evaluated, "{at}/nowhere"), "{at}/nowhere"),
        Wrong("main", (*evaluated, "{at}/others"), "{at}/others"),
        Wrong("main", (*evaluated, "{at}/a_file"), "{at}/a_file"),
        Wrong("main", (*evaluated, "{at}/digits"), "{at}/digits", 4),
        Wrong("main", (*evaluated, "{at}/file_for_checkpoints"), "{at}/file_for_checkpoints", 4),
        Wrong("main", (*evaluated, "{at}/digits", "--checkpoint", "last"), "--checkpoint"),
        Wrong("main", (*evaluated, "{at}/digits", "--config.model.layers=2"), "model.layers"),
    ]


def flags() -> list[Wrong]:
    """Return commands with flags that do not exist, have no value or a wrong one."""
    typed = {
        ("--workdri", "x"): "--workdri",
        ("--workdir",): "--workdir",
        ("--workdir=",): "--workdir",
        ("--mode", "test"): "--mode",
        ("--mode",): "--mode",
        ("--mode", "eval"): "--mode eval",
        ("--checkpoint", "best"): "--checkpoint",
        ("--config.train.seed",): "train.seed",
        ("--config.train.seed=",): "train.seed",
        ("--config.",): "--config.",
        ("--config.=1",): "--config.",
        ("train",): "train",
        ("-v",): "-v",
        ("--",): "--",
        ("-",): "-",
        ("--=",): "--",
        ("",): "not a flag",
        ("--config.train.seed", "1", "2"): "2",
        ("--train.seed=1",): "--train.seed",
        ("--seed=1",): "--seed",
        ("--батч=1",): "--батч",
        ("--\udcff",): "flag",
        ("--config.model.cell=\udcff",): "model.cell",
        ("--grid", "model.layers=1,2"): "--grid",
        ("--config.model.layers=\x1b[31m",): "model.layers",
        ("--config.model.layers=1\n2",): "model.layers",
    }
    found = [_typed(DIGITS, named, *arguments) for arguments, named in typed.items()]
    return [
        *found,
        Wrong("main", (), "--config"),
        Wrong("main", ("--config",), "--config"),
        Wrong("sweep", (), "--config"),
    ]


def sweeps() -> list[Wrong]:
    """Return commands with wrong grids, seeds, sweep files or flags of a sweep."""
    grids = {
        "optimizer.learing_rate=1,2": "optimizer.learing_rate",
        "optimizer.learning_rate=1e-3,x": "optimizer.learning_rate",
        "optimizer.learning_rate=nan": "optimizer.learning_rate",
        "optimizer.learning_rate=": "optimizer.learning_rate",
        "optimizer.learning_rate=,": "optimizer.learning_rate",
        "optimizer.learning_rate": "--grid",
        "=1": "--grid",
        "model=1": "model",
        "model.cell=lstm,gruu": "model.cell",
        "model.cell=lstm,lstm": "model.cell",
        "model.layers=1,1.5": "model.layers",
        "model.layers=0": "model.layers",
        "train.seed=1,2": "train.seed",
        "train.duration_steps=1,2": "train.duration_steps",
        "optimizer.momentum=0.1,0.2": "optimizer.momentum",
        "dataset.batch_size=9" + "0" * 30: "dataset.batch_size",
    }
    found = [Wrong("sweep", ("--config", DIGITS, "--grid", grid), named) for grid, named in grids.items()]
    ordinary = ("--config", DIGITS, "--grid", "optimizer.clip_norm=1,2")
    for seeds in ("0", "-1", "x", "1.5", "True", "1e9", "4294967297", "9" * 30):
        found.append(Wrong("sweep", (*ordinary, "--seeds", seeds), "seeds"))
    for name, text in SWEEPS.items():
        named = "objective" if "objective" in text else name
        found.append(Wrong("sweep", ("--config", DIGITS, "--sweep", f"{{at}}/{name}"), named))
    return [
        *found,
        Wrong("sweep", (*ordinary, "--sweep", "{at}/sweep_0.py"), "--sweep and --grid"),
        Wrong("sweep", (*ordinary, "--grid", "optimizer.clip_norm=3"), "optimizer.clip_norm"),
        Wrong("sweep", (*ordinary, "--mode", "eval"), "--mode"),
        Wrong("sweep", ("--config", DIGITS), "--sweep"),
        Wrong("sweep", ("--config", DIGITS, "--sweep", "nowhere.py"), "nowhere.py"),
        Wrong("sweep", ("--grid", "optimizer.clip_norm=1,2"), "--config"),
        Wrong("sweep", ("--workdir", "{at}/nowhere"), "{at}/nowhere"),
        Wrong("sweep", (*ordinary, "--workdir", "{at}/digits"), "{at}/digits"),
        Wrong("sweep", (*ordinary, "--config.model.cell=foo"), "model.cell"),
    ]


def data() -> list[Wrong]:
    """Return commands with missing or wrong data."""
    mnist, text = "configs/mnist.py", "configs/text.py"
    at_mnist = ("--config.dataset.data_dir={at}/data", "--config.dataset.manual_dir")
    own = {
        ("configs/images.py", "dataset.folder"): ("nowhere", "a_file", "hollow", ""),
        ("configs/images.py:idx", "dataset.folder"): ("nowhere", "hollow"),
        ("configs/sequences.py", "dataset.file"): ("nowhere", "hollow", "empty.txt", "short.txt"),
        ("configs/labelled_text.py", "dataset.file"): ("nowhere", "hollow", "empty.txt", "short.txt"),
        (text, "dataset.file"): ("nowhere", "hollow", "empty.txt", "latin.txt", "\udcff"),
    }
    found = [
        _typed(
            config,
            key if name == "\udcff" else name or "{at}",
            f"--config.{key}={{at}}/{name}",
        )
        for (config, key), many in own.items()
        for name in many
    ]
    short = "--config.dataset.file={at}/short.txt"
    return [
        *found,
        _typed(mnist, "nowhere", f"{at_mnist[0]}", f"{at_mnist[1]}={{at}}/nowhere"),
        _typed(mnist, "hollow", f"{at_mnist[0]}", f"{at_mnist[1]}={{at}}/hollow"),
        _typed(mnist, "a_file", f"{at_mnist[0]}", f"{at_mnist[1]}={{at}}/a_file"),
        _typed(mnist, "damaged_mnist", f"{at_mnist[0]}", f"{at_mnist[1]}={{at}}/damaged_mnist"),
        _typed("configs/ptb.py", "hollow", f"{at_mnist[0]}", f"{at_mnist[1]}={{at}}/hollow"),
        _typed("configs/imdb.py", "hollow", f"{at_mnist[0]}", f"{at_mnist[1]}={{at}}/hollow"),
        _typed(mnist, "data_dir", "--config.dataset.data_dir=gs://bucket/data"),
        _typed(text, "dataset.data_dir", short, "--config.dataset.data_dir={at}/a_file"),
        _typed(text, "dataset.encoding", short, "--config.dataset.encoding=utf-9"),
        _typed(text, "short.txt", short, "--config.dataset.encoding=utf-16"),
        _typed(text, "dataset.encoding", short, "--config.dataset.encoding=base64"),
        _typed("configs/labelled_text.py", "label", "--config.dataset.file={at}/table.tsv"),
        _typed(
            "configs/labelled_text.py",
            "dataset.label_column",
            *("--config.dataset.file={at}/table.tsv", "--config.dataset.label_column=9"),
        ),
        _typed(DIGITS, "tfds:nowhere", "--config.dataset.name=tfds:nowhere_to_be_found"),
    ]


def inference() -> list[Wrong]:
    """Return wrong commands of `predict` and `generate`."""
    digits, letters = ("--workdir", "{at}/digits"), ("--workdir", "{at}/letters")
    ranges = {
        "temperature": ("-1", "nan", "inf", "hot", ""),
        "top_k": ("0", "-1", "1.5", "many"),
        "top_p": ("0", "1.1", "nan", "-1"),
        "length": ("0", "-5", "long", "1e3"),
        "seed": ("-1", "4294967296", "x"),
    }
    found = [
        Wrong("generate", (*letters, f"--{flag}={value}"), f"--{flag}")
        for flag, many in ranges.items()
        for value in many
    ]
    found += [Wrong(command, (), "--workdir") for command in ("predict", "generate")]
    for command in ("predict", "generate"):
        found += [
            Wrong(command, ("--workdir",), "--workdir"),
            Wrong(command, ("--workdir=",), "--workdir"),
            Wrong(command, ("--workdir", "{at}/nowhere"), "{at}/nowhere"),
            Wrong(command, ("--workdir", "{at}/a_file"), "{at}/a_file"),
            Wrong(command, ("--workdir", "{at}/others"), "{at}/others"),
            Wrong(command, (*digits, "--checkpoint", "newest"), "--checkpoint"),
            Wrong(command, (*digits, "--wrokdir=x"), "--wrokdir"),
        ]
    return [
        *found,
        Wrong("predict", digits, "images"),
        Wrong("predict", (*letters, "hello"), "{at}/letters"),
        Wrong("predict", (*digits, "--checkpoint=latest", "{at}/picture.png"), "{at}/digits", 4),
        Wrong("generate", (*digits,), "{at}/digits"),
        Wrong("generate", (*letters, "--prime", "é☃"), "--prime"),
        Wrong("generate", (*letters, "--prime", "\udcff"), "--prime"),
        Wrong("generate", (*letters, "--score", "{at}/nowhere"), "{at}/nowhere"),
        Wrong("generate", (*letters, "--score", "{at}"), "{at}"),
        Wrong("generate", (*letters, "--score", "{at}/empty.txt"), "{at}/empty.txt"),
        Wrong("generate", (*letters, "--score", "{at}/latin.txt"), "{at}/latin.txt"),
        Wrong("generate", (*letters, "--score", "{at}/short.txt", "--length=5"), "--length"),
        Wrong("generate", letters, "{at}/letters", 4),
        Wrong("generate", (*letters, "extra"), "extra"),
    ]


def cases() -> list[Wrong]:
    """Return all wrong commands."""
    kinds = (values, names, contradictions, files, folders, flags, sweeps, data, inference)
    return [*(case for kind in kinds for case in kind()), *(Wrong(*case) for case in newcomer.cases())]
