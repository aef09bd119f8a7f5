"""The tables and the figure of this experiment, from results.jsonl and the other records beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import records
from measure import PLAIN_ALLOCATOR
from records import Record
from workloads import LIMIT_GIGAFLOP, WORKLOADS

from rnn_jax.reporting.charts import log_scale, new_figure, styled

PEERS = {
    "torch": "PyTorch",
    "flax": "Flax",
    "flax_optimized": "Flax, OptimizedLSTMCell",
    "keras": "Keras on JAX",
}
HERE = Path(__file__).resolve().parent
LABELS = {"batch": "batch size", "units": "units", "time": "time steps"}
COLOURS = {"torch": "#e0752d", "flax": "#3b6fb6", "flax_optimized": "#7fa8d6", "keras": "#b0436b"}


def side_by_side(rows: Sequence[Record]) -> str:
    """Return milliseconds per step of each framework, and its time relative to this package."""
    lines = [
        f"| workload | rnn_jax | {' | '.join(PEERS.values())} | share of the limit |",
        "|---|" + "---:|" * (len(PEERS) + 2),
    ]
    for workload, found in _by_workload(rows).items():
        ours = found["ours"]
        cells = [f"**{_ms(ours)}**"]
        for peer in PEERS:
            row = found.get(peer)
            cells.append("–" if row is None else f"{_ms(row)} ({row['times_ours']:.2f} ×)")
        speed = WORKLOADS[workload].gigaflop / ours["ms_per_step"]
        share = speed / (LIMIT_GIGAFLOP / found["limit"]["ms_per_step"])
        lines.append(f"| {workload} | {' | '.join(cells)} | {100 * share:.0f} % |")
    return "\n".join(lines)


def ourselves(rows: Sequence[Record]) -> str:
    """Return time, devices, compilation time and memory of the variants of this package."""
    lines = [
        "| workload | cell | implementation | ms/step | devices | compilation | memory per device |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        if "growth" in row or "implementation" not in row:
            continue
        cells = [row["workload"], row["cell"], row["implementation"], _ms(row), str(row["devices"])]
        cells += [f"{row['compile_seconds']:.1f} s", f"{row['temporary_bytes'] / 1e6:.1f} MB"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def as_shipped(rows: Sequence[Record]) -> str:
    """Return the same comparison with the default allocator settings of each framework."""
    lines = [f"| workload | rnn_jax | {' | '.join(PEERS.values())} |", "|---|" + "---:|" * (len(PEERS) + 1)]
    ours = {workload: found["ours"] for workload, found in _by_workload(rows).items()}
    for workload, found in _by_workload(rows, PLAIN_ALLOCATOR).items():
        cells = [f"{_ms(found[peer])} ({found[peer]['times_ours']:.2f} ×)" for peer in PEERS]
        lines.append(f"| {workload} | **{_ms(ours[workload])}** | {' | '.join(cells)} |")
    return "\n".join(lines)


def populations(rows: Sequence[Record]) -> str:
    """Return milliseconds for one step of every model, and the time relative to a population by `map`."""
    lines = [
        "| models | population, `map` | population, `vmap` | separate, sequential | separate, concurrent |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        together, *others = (
            row["ms"][way]
            for way in ("population, map", "population, vmap", "one after another", "dispatched")
        )
        cells = [f"{row['models']} × {row['workload']}", f"**{together:.1f}**"]
        cells += [f"{ms:.1f} ({ms / together:.2f} ×)" for ms in others]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def commands(rows: Sequence[Record]) -> str:
    """Return the seconds from the command to the results."""
    lines = [
        "| models | steps | one sweep (s) | one process per model, two at a time (s) |",
        "|---|---:|---:|---:|",
    ]
    for row in rows:
        ratio = row["processes_seconds"] / row["sweep_seconds"]
        cells = [
            f"{row['models']} × {row['workload']}",
            f"{row['steps']:,}",
            f"**{row['sweep_seconds']:.0f}**",
        ]
        cells.append(f"{row['processes_seconds']:.0f} ({ratio:.2f} ×)")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def buckets(rows: Sequence[Record]) -> str:
    """Return the seconds of an epoch in batches of similar lengths, and in batches padded to the longest."""
    lines = [
        "| reviews | batches of similar lengths | padded to the longest | time steps, similar and padded |",
        "|---:|---:|---:|---:|",
    ]
    for row in rows:
        bucketed, padded = (row["seconds"][way] for way in ("bucketed", "padded"))
        steps = " and ".join(f"{row['read_steps'][way] / 1e6:.1f} M" for way in ("bucketed", "padded"))
        times = f"{padded:.0f} s ({padded / bucketed:.2f} ×)"
        lines.append(f"| {row['steps'] * row['batch_size']:,} | **{bucketed:.0f} s** | {times} | {steps} |")
    return "\n".join(lines)


def answers(rows: Sequence[Record]) -> str:
    """Return the throughput of `rnn_jax.predict` in texts per second, with and without the time to start."""
    lines = [
        "| texts | mean words | command | command for one text | texts/s | texts/s, without startup |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        every, one, texts = row["seconds"]["all"], row["seconds"]["one"], row["texts"]
        cells = [f"{texts:,}", str(row["words"]), f"{every:.1f} s", f"{one:.1f} s"]
        cells += [f"**{texts / every:,.0f}**", f"{texts / (every - one):,.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


TABLES = {
    "speed": side_by_side,
    "speed_shipped": as_shipped,
    "speed_ours": ourselves,
    "speed_populations": lambda _: populations(records.read(HERE / "populations.jsonl")),
    "speed_answers": lambda _: answers(records.read(HERE / "answers.jsonl")),
    "speed_buckets": lambda _: buckets(records.read(HERE / "buckets.jsonl")),
    "speed_commands": lambda _: commands(records.read(HERE / "commands.jsonl")),
}


@styled()
def draw(folder: Path) -> Path:
    """Draw figure.png from results.jsonl; return its path."""
    rows = records.read(folder / "results.jsonl")
    growth = [row for row in rows if "growth" in row]
    sizes = list(dict.fromkeys(row["growth"] for row in growth))
    figure = new_figure(5 + 3.2 * (1 + len(sizes)), 4.2)
    axes = figure.add_subplot(1, 2 + len(sizes), (1, 2) if sizes else 1)
    _draw_ratios(axes, _by_workload(rows))
    for number, size in enumerate(sizes):
        axes = figure.add_subplot(1, 2 + len(sizes), 3 + number)
        _draw_growth(axes, size, [row for row in growth if row["growth"] == size])
    path = folder / "figure.png"
    figure.savefig(path)
    return path


def _draw_ratios(axes: Any, found: Mapping[str, Mapping[str, Record]]) -> None:
    """Plot the time of each framework relative to this package, a group of bars per workload."""
    for place, (peer, name) in enumerate(PEERS.items()):
        heights = [group[peer]["times_ours"] if peer in group else 0 for group in found.values()]
        places = [number + 0.2 * (place - 1.5) for number in range(len(found))]
        axes.bar(places, heights, 0.18, label=name, color=COLOURS[peer])
    axes.axhline(1, color="#444444", linewidth=1)
    axes.set_xticks(range(len(found)), list(found))
    axes.set_ylabel("time per step (rnn_jax = 1)")
    axes.set_title("time per training step, relative to rnn_jax")
    axes.legend(loc="upper right")


def _draw_growth(axes: Any, size: str, rows: Sequence[Record]) -> None:
    """Plot milliseconds per step by a size, on logarithmic axes."""
    for name, colour in (("ours", "#2f9e6e"), ("torch", COLOURS["torch"])):
        own = sorted((row["value"], row["ms_per_step"]) for row in rows if name in row["options"])
        label = "rnn_jax" if name == "ours" else PEERS[name]
        axes.plot(*zip(*own, strict=True), color=colour, marker="o", label=label)
    log_scale(axes, "x", base=2)
    log_scale(axes, "y")
    axes.set_xlabel(LABELS[size])
    axes.set_ylabel("ms/step")
    axes.set_title(f"rows, by {LABELS[size]}")
    axes.legend()


def _by_workload(rows: Sequence[Record], *more: str) -> dict[str, dict[str, Record]]:
    """Return by workload the records of the frameworks that were measured with exactly these options."""
    found: dict[str, dict[str, Record]] = {}
    for workload in WORKLOADS:
        for row in rows:
            option, framework, *others = row["options"]
            is_plain = option == "--framework" and others == list(more) and "growth" not in row
            if row["workload"] == workload and is_plain:
                found.setdefault(workload, {})[framework] = row
    return found


def _ms(row: Record) -> str:
    ms = row["ms_per_step"]
    return f"{ms:.2f}" if ms < 10 else f"{ms:.1f}" if ms < 100 else f"{ms:.0f}"
