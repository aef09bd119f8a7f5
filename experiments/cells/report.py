"""The tables and the figure of this experiment, from results.jsonl and curves.jsonl."""

from collections.abc import Callable, Sequence
from pathlib import Path

import records
from records import Column, Record

from rnn_jax.reporting.charts import new_figure, styled

TITLES = {
    "configs/mnist.py": "MNIST by rows",
    "configs/adding.py": "adding, 200 steps",
    "configs/copying.py": "copying, 100 steps",
    "configs/mnist_pixels.py": "MNIST by pixels",
}


def _override(key: str) -> Callable[[Sequence[Record]], str]:
    return lambda rows: str(rows[0]["overrides"].get(key, "–"))


def _of(config: str, columns: Sequence[Column]) -> Callable[[Sequence[Record]], str]:
    return lambda rows: records.table([row for row in rows if row["config"] == config], columns)


CELL = Column("cell", _override("model.cell"))
ACCURACY = Column("test accuracy", records.percent("test.accuracy"))
LOSS = Column("test loss", records.spread("test.loss", digits=4))
PARAMETERS = Column("parameters", records.spread("parameters"))
SEEDS = Column("seeds", records.count)
TIME = Column("time", records.duration("wall_seconds"))

TABLES = {
    "cells_rows": _of(
        "configs/mnist.py",
        [CELL, Column("units", _override("model.hidden_size")), PARAMETERS, ACCURACY, LOSS, SEEDS, TIME],
    ),
    "cells_adding": _of("configs/adding.py", [CELL, PARAMETERS, LOSS, ACCURACY, SEEDS, TIME]),
    "cells_copying": _of("configs/copying.py", [CELL, PARAMETERS, LOSS, ACCURACY, SEEDS, TIME]),
    "cells_pixels": _of("configs/mnist_pixels.py", [CELL, PARAMETERS, ACCURACY, LOSS, SEEDS, TIME]),
}


@styled()
def draw(folder: Path) -> Path:
    """Draw figure.png from curves.jsonl: validation accuracy by step, a colour per cell."""
    from matplotlib import colormaps

    curves = [row for row in records.read(folder / "curves.jsonl") if row["split"] == "validation"]
    names = list(dict.fromkeys(row["overrides"]["model.cell"] for row in curves))
    colours = {name: colormaps["tab20"](number) for number, name in enumerate(names)}
    configs = [config for config in TITLES if any(row["config"] == config for row in curves)]
    columns, lines = min(2, max(1, len(configs))), max(1, -(-len(configs) // 2))
    figure = new_figure(5.5 * columns, 4.0 * lines + 0.8)
    handles = {}
    for number, config in enumerate(configs):
        axes = figure.add_subplot(lines, columns, 1 + number)
        for row in curves:
            if row["config"] == config:
                name = row["overrides"]["model.cell"]
                accuracy = [100 * value for value in row["accuracy"]]
                (handles[name],) = axes.plot(row["steps"], accuracy, color=colours[name])
        axes.set_title(TITLES[config])
        axes.set_xlabel("step")
        axes.set_ylabel("validation accuracy (%)")
        axes.xaxis.set_major_formatter("{x:,.0f}")
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=6)
    if "configs/mnist.py" in configs:
        figure.axes[0].set_ylim(90, 100)
    path = folder / "figure.png"
    figure.savefig(path)
    return path
