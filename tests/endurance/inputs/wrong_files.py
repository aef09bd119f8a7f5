"""Wrong files and folders: configs, sweeps, run folders and data."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rnn_jax.config.command_line import parse
from rnn_jax.config.run_folder import open_run
from rnn_jax.datasets import dataset_info
from rnn_jax.training.build import build

FILES = {
    "syntax.py": "def get_config(:\n",
    "indent.py": "def get_config():\nreturn 1\n",
    "raises.py": "raise RuntimeError('not today')\n",
    "fails.py": "def get_config():\n    return 1 / 0\n",
    "none.py": "VALUE = 3\n",
    "empty.py": "",
    "uncallable.py": "get_config = 3\n",
    "dictionary.py": "def get_config():\n    return {}\n",
    "nothing.py": "def get_config():\n    pass\n",
    "wants.py": "def get_config(name):\n    return name\n",
    "imports.py": "import nowhere_to_be_found\n",
    "leaves.py": "import sys\nsys.exit(3)\n",
    "leaves_later.py": "def get_config():\n    raise SystemExit\n",
    "recurs.py": "def get_config():\n    return get_config()\n",
    "nul.py": "x = 1\0\n",
    "latin.py": b"x = '\xe9'\n",
    "binary.py": bytes(range(256)),
    "aborts.py": "class Odd(BaseException): pass\nraise Odd('odd')\n",
    "mute.py": "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd\n",
}
CHANGED = {
    "section_missing.py": ("del config.dataset", "dataset.name"),
    "section_extra.py": ("config.modell = dict(cell='lstm')", "modell"),
    "section_number.py": ("config.model = 3", "model"),
    "section_none.py": ("config.model = None", "model"),
    "section_list.py": ("config.model = [1, 2]", "model"),
    "section_empty.py": ("config.task = dict()", "task.name"),
    "key_missing.py": ("del config.dataset.name", "dataset.name"),
    "key_extra.py": ("config.model.cel = 'gru'", "model.cel"),
    "key_section.py": ("config.model.cell = dict(name='gru')", "key_section.py"),
    "key_number.py": ("config.model.cell = 3", "key_number.py"),
    "number_text.py": ("config.model.hidden_size = '64'", "number_text.py"),
    "number_none.py": ("config.model.hidden_size = None", "model.hidden_size"),
    "number_object.py": ("config.model.hidden_size = object()", "number_object.py"),
    "number_function.py": ("config.model.hidden_size = len", "number_function.py"),
    "number_numpy.py": ("import numpy; config.model.hidden_size = numpy.int64(-8)", "model.hidden_size"),
    "number_half.py": ("import numpy; config.model.hidden_size = numpy.float32(8.5)", "model.hidden_size"),
    "number_truth.py": ("import numpy; config.train.seed = numpy.float64('nan')", "train.seed"),
    "number_scalar.py": ("import numpy; config.model.layers = numpy.array(0)", "model.layers"),
    "number_date.py": ("import numpy; config.train.seed = numpy.datetime64('2020')", "train.seed"),
    "text_numpy.py": ("import numpy; config.model.cell = numpy.str_('lsmt')", "model.cell"),
    "truth_numpy.py": ("import numpy; config.log.tensorboard = numpy.int8(7)", "log.tensorboard"),
    "beside.py": ("import not_beside_it", "beside.py"),
    "number_array.py": ("import numpy; config.model.hidden_size = numpy.ones(3)", "number_array.py"),
    "number_complex.py": ("config.optimizer.learning_rate = 1j", "number_complex.py"),
    "number_nan.py": ("config.optimizer.learning_rate = float('nan')", "optimizer.learning_rate"),
    "number_huge.py": ("config.model.hidden_size = 10**400", "model.hidden_size"),
    "number_huger.py": ("config.model.hidden_size = 10**9999", "model.hidden_size"),
    "text_bytes.py": ("config.dataset.data_dir = b'here'", "dataset.data_dir"),
    "text_path.py": ("import pathlib; config.dataset.data_dir = pathlib.Path()", "dataset.data_dir"),
    "text_set.py": ("config.dataset.data_dir = {'a'}", "dataset.data_dir"),
    "text_mute.py": (
        "config.dataset.data_dir = type('M', (), {'__repr__': lambda self: 1 / 0})()",
        "dataset.data_dir",
    ),
    "text_nul.py": (
        "config.dataset.update(name='text', file='a\\0b', template=None, examples=None, tokenizer='bytes', "
        "encoding='utf-8')",
        "dataset",
    ),
    "placeholder.py": (
        "from ml_collections import config_dict; config.model.cell = config_dict.placeholder(str, True)",
        "placeholder.py",
    ),
    "cycle.py": ("config.model.cell = config", "cycle.py"),
    "both.py": ("config.train.duration_epochs = 3.0", "train.duration_epochs"),
    "neither.py": ("config.train.duration_steps = None", "train.duration_epochs"),
}
VARIANTS = {
    "variants_list.py": ("VARIANTS = ['small']", "variants_list.py"),
    "variants_none.py": ("VARIANTS = None", "variants_none.py"),
    "variants_text.py": ("VARIANTS = {'small': 'smaller'}", "variants_text.py"),
    "variants_wants.py": ("VARIANTS = {'small': lambda: None}", "variants_wants.py"),
    "variants_fails.py": ("VARIANTS = {'small': lambda config: 1 / 0}", "variants_fails.py"),
    "variants_odd.py": ("VARIANTS = {3: len}", "variants_odd.py"),
}
SWEEPS = {
    "sweep_syntax.py": "def get_sweep(:\n",
    "sweep_none.py": "X = 1\n",
    "sweep_leaves.py": "raise SystemExit(0)\n",
    **{
        f"sweep_{number}.py": f"def get_sweep():\n    return {text}\n"
        for number, text in enumerate(
            (
                "3",
                "None",
                "{}",
                "dict(girds={})",
                "dict(grid=3)",
                "dict(grid={'model.cell': 'lstm'})",
                "dict(grid={'model.cell': 3})",
                "dict(grid={3: (1,)})",
                "dict(grid={'model.cel': ('lstm',)})",
                "dict(grid={'model.cell': ()})",
                "dict(grid={'model.cell': (object(),)})",
                "dict(grid={'model.cell': ({},)})",
                "dict(ranges={'model.layers': (1, 2)}, num_trials=2)",
                "dict(ranges={'model.layers': dict(integer=(1, 2))})",
                "dict(ranges={'model.layers': dict(integer=(1, 2))}, num_trials=10**30)",
                "dict(ranges={'model.layers': dict(integer=(1, 10**30))}, num_trials=2)",
                "dict(ranges={'model.layers': dict(integer=(1.5, 2))}, num_trials=2)",
                "dict(ranges={'optimizer.learning_rate': dict(log_uniform=(0, 1))}, num_trials=2)",
                "dict(ranges={'optimizer.learning_rate': dict(uniform=(0, float('inf')))}, num_trials=2)",
                "dict(ranges={'optimizer.learning_rate': dict(uniform=(-1e308, 1e308))}, num_trials=2)",
                "dict(ranges={'model.cell': dict(choice=('lstm', 'gruu'))}, num_trials=9)",
                "dict(grid={'model.layers': (1, 2)}, seeds=10**30)",
                "dict(grid={'model.layers': (1, 2)}, halving=3)",
                "dict(grid={'model.layers': (1,)}, halving=dict(min_resource_fraction=2))",
                "dict(grid={'model.layers': (1, 2)}, objective='perplexity')",
                "dict(grid={'model.layers': (1, 2)}, duration_steps=0)",
                "dict(grid={'model.layers': (1, 2)}, duration_steps=9, duration_epochs=9)",
            )
        )
    },
}

DAMAGED = {
    "torn": '{"model": {"cell": "ls',
    "empty": "",
    "list": "[]",
    "null": "null",
    "number": "3",
    "no_sections": "{}",
    "latin": b'{"model": "\xe9"}',
    "binary": bytes(range(256)),
    "deep": "[" * 100_000,
    "long": '{"train": {"seed": ' + "9" * 5_000 + "}}",
    "nan": '{"train": {"seed": NaN}}',
    "other": '{"name": "left-pad", "version": "1.0.0"}',
}
"""Damaged contents of a config.json or sweep.json, by name."""


HEAD = """from . import digits

def get_config():
    config = digits.get_config()
    digits.smoke(config)
"""
"""The first lines of a config file; `prepare` appends a wrong line."""


def prepare(at: Path) -> None:
    """Write all files and folders of the wrong commands."""
    texts = {
        **FILES,
        **SWEEPS,
        **{
            name: f"{HEAD}    config.unlock()\n    {line}\n    return config\n"
            for name, (line, _) in CHANGED.items()
        },
        **{name: f"{HEAD}    return config\n\n{line}\n" for name, (line, _) in VARIANTS.items()},
        "a_file": "",
        "empty.txt": "",
        "short.txt": "hi",
        "latin.txt": b"caf\xe9\n" * 100,
        "table.tsv": "words\tmood\n" + "fine\tgood\nawful\tbad\n" * 50,
        "others/theirs.txt": "",
        **{f"damaged/{name}/config.json": text for name, text in DAMAGED.items()},
        **{f"damaged_sweeps/{name}/sweep.json": text for name, text in DAMAGED.items()},
        **{
            f"damaged_mnist/{part}-{kind}-ubyte.gz": b"\x1f\x8b damaged"
            for part in ("train", "t10k")
            for kind in ("images-idx3", "labels-idx1")
        },
    }
    _write(at, texts)
    for folder in ("hollow", "directory/config.json"):
        (at / folder).mkdir(parents=True)
    from PIL import Image

    os.mkfifo(at / "pipe.py")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(at / "picture.png")
    for name in ("digits", "damaged_summary", "file_for_checkpoints"):
        _begin(at / name, "configs/digits.py:smoke")
    _begin(at / "letters", "configs/shakespeare.py:smoke")
    _write(
        at,
        {
            "damaged_summary/summary.json": "{",
            "file_for_checkpoints/checkpoints": "",
        },
    )


def _write(at: Path, texts: Mapping[str, str | bytes]) -> None:
    for name, text in texts.items():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def _begin(workdir: Path, config: str) -> None:
    """Write the folder of a run before its first checkpoint."""
    found = parse(["--config", config]).config
    dataset_info.save(build(found).data, open_run(workdir, found), has_checkpoint=False)
