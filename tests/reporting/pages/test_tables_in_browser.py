"""The page in a browser: tables, hyperparameters and details, and that texts are never HTML."""

import json
from pathlib import Path

from browser import errors, visit
from opened_page import HOSTILE, RATES, chart, column
from run_folders import write_run
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from rnn_jax import report
from rnn_jax.reporting.formatting import format_metric


def click_heading(driver: Chrome, heading: str) -> str | None:
    """Click a heading of the results, and return the resulting order."""
    for head in driver.find_elements(By.CSS_SELECTOR, "#results-table thead th"):
        if head.text.strip() == heading:
            head.find_element(By.TAG_NAME, "button").click()
            return head.get_attribute("aria-sort")
    raise AssertionError(f"no heading {heading}")


def test_a_heading_sorts_its_column_both_ways(opened: Chrome) -> None:
    assert click_heading(opened, "optimizer.learning_rate") == "ascending"
    rising = [float(text) for text in column(opened, "optimizer.learning_rate")]
    assert rising == sorted(rising)
    assert rising[0] < rising[-1]
    assert click_heading(opened, "optimizer.learning_rate") == "descending"
    falling = [float(text) for text in column(opened, "optimizer.learning_rate")]
    assert falling == sorted(falling, reverse=True)
    # Missing values are always last; the best accuracies are first.
    for way in ("descending", "ascending"):
        assert click_heading(opened, "test accuracy") == way
        assert column(opened, "test accuracy")[-1] == "–"
        assert column(opened, "test accuracy")[0] != "–"


def test_a_heading_sorts_by_the_keyboard(opened: Chrome) -> None:
    button = opened.find_element(By.CSS_SELECTOR, "#results-table thead th:nth-child(4) button")
    opened.execute_script("arguments[0].focus()", button)
    before = column(opened, "model.cell")
    ActionChains(opened).send_keys("\ue007").perform()
    assert column(opened, "model.cell") != before


def test_runs_that_differ_in_the_seed_share_a_row(opened: Chrome) -> None:
    Select(opened.find_element(By.CSS_SELECTOR, "#results-controls select")).select_by_index(1)
    assert len(opened.find_elements(By.CSS_SELECTOR, "#results-table tbody tr")) == len(RATES) + 2
    assert any("±" in text for text in column(opened, "test accuracy"))


def test_hyperparameters_have_charts_with_links_to_runs(opened: Chrome) -> None:
    charts = opened.find_elements(By.CSS_SELECTOR, "#parameters-charts .chart")
    titles = opened.execute_script("return [...arguments].map(c => c.layout.xaxis.title.text)", *charts)
    assert titles == ["optimizer.learning_rate", "model.cell", "dataset.files"]
    types = opened.execute_script("return [...arguments].map(c => c.layout.xaxis.type)", *charts)
    assert types == ["log", "category", "category"]
    assert len(charts[0].find_elements(By.CSS_SELECTOR, "path.point")) == 14
    lines = opened.find_elements(By.CSS_SELECTOR, "#parallel-chart path.js-line")
    assert len(lines) == 14
    marks = chart(opened, "c.layout.annotations.map(a => a.text)", "parallel-chart")
    assert marks[:3] == ["0.001", "0.01", "0.1"]
    best = chart(opened, "c.layout.annotations.at(-1).text", "parallel-chart")
    assert best == opened.find_element(By.CSS_SELECTOR, "#curves-legend .metric").text
    opened.execute_script("arguments[0].emit('plotly_click', {points: [{customdata: 5}]})", charts[0])
    select = Select(opened.find_element(By.CSS_SELECTOR, "#details-controls select"))
    assert select.options.index(select.first_selected_option) == 5


def test_a_run_has_its_details(opened: Chrome) -> None:
    opened.find_element(By.CSS_SELECTOR, "#results-table tbody .link").click()
    # The keyboard continues from there.
    focused = "return document.querySelector('#details-controls select') === document.activeElement"
    assert opened.execute_script(focused)
    body = opened.find_element(By.ID, "details-body")
    assert len(body.find_elements(By.CSS_SELECTOR, "#confusion .heatmaplayer .hm")) == 2
    assert body.find_element(By.CSS_SELECTOR, "img.mistakes").get_property("naturalWidth") == 1
    samples = [pre.get_attribute("textContent") or "" for pre in body.find_elements(By.TAG_NAME, "pre")]
    assert samples[-2].endswith("at 1000")
    assert samples[-1].endswith("at 500")
    body.find_element(By.TAG_NAME, "summary").click()
    config = {row.text for row in body.find_elements(By.CSS_SELECTOR, "details tr")}
    assert len(config) == 8
    cells = "[...document.querySelectorAll('details td')]"
    assert opened.execute_script(f"return {cells}.filter(c => c.scrollWidth > c.clientWidth).length") == 0
    assert "optimizer.learning_rate 0.02" in config
    assert "optimizer.clip_norm None" in config


def test_hostile_texts_are_shown_verbatim(opened: Chrome) -> None:
    tags = set(opened.execute_script("return [...document.querySelectorAll('*')].map(e => e.localName)"))
    assert opened.find_elements(By.CSS_SELECTOR, "img:not(.mistakes)") == []
    shown = opened.execute_script("return document.body.innerText")
    assert HOSTILE.partition("\u2028")[0] in shown
    assert "run<b>&amp;" in shown
    # Also in charts, which interpret a few tags.
    ticks = opened.execute_script(
        "return [...document.querySelectorAll('#confusion .xtick text')].map(t => t.textContent)"
    )
    assert ticks[0] == "<b>cat</b>"
    assert "tspan" not in tags or not opened.find_elements(By.CSS_SELECTOR, "#confusion .xtick tspan")


def test_metrics_are_formatted_like_on_the_console(opened: Chrome, page: Path) -> None:
    """In the legend, which the browser formats."""
    contents = json.loads(page.read_text().partition('id="data">')[2].partition("</script>")[0])
    accuracies = [run["metrics"]["validation"]["accuracy"] for run in contents["runs"]]
    found = opened.find_elements(By.CSS_SELECTOR, "#curves-legend .metric")
    assert [metric.text for metric in found] == [format_metric("accuracy", value) for value in accuracies]


def test_ties_and_small_and_large_metrics(browser: Chrome, tmp_path: Path) -> None:
    losses = [0.03125, 0.00005, 1234.5, 2.00005, 0.0009999, 0.15625, 1e-12, 10.00015]
    for number, loss in enumerate(losses):
        best = {"step": 1000, "loss": loss}
        summary = {"best": best, "objective": [{"metric": "loss", "direction": "min"}]}
        write_run(tmp_path / str(number), {"task.name": "adding"}, summary=summary)
    page = tmp_path / "page.html"
    assert report.main([*(str(tmp_path / str(number)) for number in range(8)), "--out", str(page)]) == 0
    visit(browser, page.as_uri())
    Select(browser.find_element(By.CSS_SELECTOR, "#curves-controls select")).select_by_visible_text("loss")
    found = browser.find_elements(By.CSS_SELECTOR, "#curves-legend .metric")
    assert [metric.text for metric in found] == [format_metric("loss", loss) for loss in sorted(losses)]
    assert chart(browser, "c.layout.yaxis.title.text") == "loss"  # a squared error, not nats


def test_a_run_without_metrics_has_a_page(browser: Chrome, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for name in ("summary.json", "metrics.jsonl"):
        (run / name).unlink()
    assert report.main([str(run)]) == 0
    errors(browser)
    visit(browser, (run / "report.html").as_uri())
    assert "No run has logged a metric yet." in browser.find_element(By.ID, "curves").text
    assert "no summary yet" in browser.find_element(By.ID, "statuses").text
    assert errors(browser) == []


def test_long_tables_have_pages(browser: Chrome, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{}")
    rows = [
        {"member": n, "point": {"model.hidden_size": n}, "best": {"step": 1, "loss": n / 7}}
        for n in range(250)
    ]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert report.main([str(tmp_path)]) == 0
    visit(browser, (tmp_path / "report.html").as_uri())
    pager = browser.find_element(By.CSS_SELECTOR, "#results-table .pager")
    assert "rows 1–100 of 250" in pager.text
    back, following = pager.find_elements(By.TAG_NAME, "button")
    assert not back.is_enabled()
    following.click()
    following.click()
    assert "rows 201–250 of 250" in pager.text
    assert column(browser, "run") == [str(number) for number in range(200, 250)]
    assert not following.is_enabled()
