"""The page that tests open in a browser, and access to its charts and tables."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from run_folders import write_run, write_sweep
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from rnn_jax import report

RATES = (1e-3, 2e-3, 3e-3, 6e-3, 1e-2, 1e-1)
HOSTILE = "<img src=x onerror=alert(1)></script><b>bold</b> %{x} &lt; \u2028 שלום"


def write_page(folder: Path) -> Path:
    """The page of a sweep, a run with every attachment and hostile names, and a diverged run."""
    points = [{"optimizer.learning_rate": rate, "train.seed": seed} for rate in RATES for seed in (0, 1)]
    sweep = write_sweep(folder / "sweep", points)
    hostile = {"model.cell": HOSTILE, "optimizer.learning_rate": 0.02, "dataset.files": "long " * 60}
    run = write_run(folder / "run<b>&amp;", hostile, final=0.97)
    matrix = np.random.default_rng(0).integers(0, 9, size=(3, 3)).tolist()
    counts = {"classes": ["<b>cat</b>", HOSTILE, "dog"], "matrix": matrix, "split": "test", "step": 1000}
    (run / "confusion.json").write_text(json.dumps(counts))
    picture = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    )
    (run / "mistakes.png").write_bytes(picture)
    text = "".join(f"── step {step:,} ──\n{HOSTILE} at {step}\n\n" for step in (500, 1_000))
    (run / "samples.txt").write_bytes(text.encode("utf-8", errors="replace"))
    names = {"constructor": 0.5, HOSTILE: 0.25}
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 1000, "split": "__proto__", **names}) + "\n")
    summary = json.loads((run / "summary.json").read_text())
    summary["best"] |= names
    (run / "summary.json").write_text(json.dumps(summary))
    bad = write_run(folder / "bad", status="diverged", summary={"reason": HOSTILE})
    with (bad / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 1000, "split": "validation", "only_here": 0.5}) + "\n")
    page = folder / "page.html"
    assert report.main([str(path) for path in (sweep, run, bad, "--out", page)]) == 0
    return page


def chart(driver: Chrome, script: str, place: str = "curves-chart") -> Any:
    """The result of a script about the chart `c` in an element."""
    return driver.execute_script(f"const c = document.getElementById('{place}'); return {script}")


def column(driver: Chrome, heading: str) -> list[str]:
    """The texts of a column of the table of results."""
    heads = [head.text.strip() for head in driver.find_elements(By.CSS_SELECTOR, "#results-table thead th")]
    rows = driver.find_elements(By.CSS_SELECTOR, "#results-table tbody tr")
    cells = [row.find_elements(By.CSS_SELECTOR, "th, td")[heads.index(heading)] for row in rows]
    return [cell.text for cell in cells]
