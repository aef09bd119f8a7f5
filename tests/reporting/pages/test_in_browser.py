"""The page in a browser: that it shows what it is given, does what it offers, and asks nobody."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import errors, open_browser, prefer, requests, resize
from run_folders import write_run, write_sweep
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from rnn_jax import report
from rnn_jax.reporting.formatting import format_figure

RATES = (1e-3, 2e-3, 3e-3, 6e-3, 1e-2, 1e-1)
HOSTILE = "<img src=x onerror=alert(1)></script><b>bold</b> %{x} &lt; \u2028 שלום"


def write_page(folder: Path) -> Path:
    """The page of a sweep, a run with all there is, and one that diverged, with hostile names."""
    points = [{"optimizer.learning_rate": rate, "train.seed": seed} for rate in RATES for seed in (0, 1)]
    sweep = write_sweep(folder / "sweep", points)
    hostile = {"model.cell": HOSTILE, "optimizer.learning_rate": 0.02}
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
    bad = write_run(folder / "bad", status="diverged", summary={"reason": HOSTILE})
    page = folder / "page.html"
    assert report.main([str(path) for path in (sweep, run, bad, "--out", page)]) == 0
    return page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with open_browser(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("report"))


@pytest.fixture
def opened(browser: Chrome, page: Path) -> Chrome:
    """The page, newly opened, on a desktop with light colours."""
    resize(browser, 1280, 900)
    prefer(browser, "light")
    errors(browser)
    requests(browser)
    browser.get(page.as_uri())
    return browser


def chart(driver: Chrome, script: str, place: str = "curves-chart") -> Any:
    """What a script says of the chart `c` in a place of the page."""
    return driver.execute_script(f"const c = document.getElementById('{place}'); return {script}")


def column(driver: Chrome, heading: str) -> list[str]:
    """The texts of a column of the results."""
    heads = [head.text.strip() for head in driver.find_elements(By.CSS_SELECTOR, "#results-table thead th")]
    rows = driver.find_elements(By.CSS_SELECTOR, "#results-table tbody tr")
    cells = [row.find_elements(By.CSS_SELECTOR, "th, td")[heads.index(heading)] for row in rows]
    return [cell.text for cell in cells]


def click_heading(driver: Chrome, heading: str) -> str | None:
    """Clicks a heading of the results, and says which way they then are."""
    for head in driver.find_elements(By.CSS_SELECTOR, "#results-table thead th"):
        if head.text.strip() == heading:
            head.find_element(By.TAG_NAME, "button").click()
            return head.get_attribute("aria-sort")
    raise AssertionError(f"no heading {heading}")


def set_box(driver: Chrome, label: str) -> None:
    driver.find_element(
        By.XPATH, f"//section[@id='curves']//label[normalize-space()='{label}']/input"
    ).click()


def test_nothing_goes_wrong_and_nobody_is_asked(opened: Chrome, page: Path) -> None:
    for select in opened.find_elements(By.CSS_SELECTOR, "select"):
        for place in range(len(Select(select).options)):
            Select(select).select_by_index(place)
    for summary in opened.find_elements(By.TAG_NAME, "summary"):
        summary.click()
    assert errors(opened) == []
    assert requests(opened) == [page.as_uri()]


def test_a_script_that_is_not_the_pages_own_does_not_run(opened: Chrome) -> None:
    """So that the test above can fail: the policy is heeded, and a breach of it is told."""
    opened.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.broken = 1';"
        "document.body.append(s);"
        "const i = document.createElement('img'); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i)"
    )
    assert opened.execute_script("return window.broken") is None
    WebDriverWait(opened, 5).until(lambda driver: len(errors(driver)) >= 1)


def test_the_curves_of_all_runs_are_drawn(opened: Chrome) -> None:
    lines = opened.find_elements(By.CSS_SELECTOR, "#curves-chart .scatterlayer .trace path.js-line")
    assert len(lines) == 14
    assert chart(opened, "c.layout.yaxis.title.text") == "accuracy (%)"
    best = [
        trace
        for trace in chart(opened, "c.data.map(t => ({y: t.y, mode: t.mode}))")
        if trace["mode"] == "markers"
    ]
    assert len(best) == 5


def test_another_figure_and_another_split(opened: Chrome) -> None:
    select = Select(opened.find_element(By.CSS_SELECTOR, "#curves-controls select"))
    assert [option.text for option in select.options] == ["accuracy", "loss"]
    select.select_by_visible_text("loss")
    assert chart(opened, "c.layout.yaxis.title.text") == "loss (nats)"
    before = chart(opened, "c.data.length")
    set_box(opened, "train")
    assert chart(opened, "c.data.length") == before + 14


def test_a_logarithmic_axis_draws_the_curves_elsewhere(opened: Chrome) -> None:
    path = "c.querySelector('.scatterlayer path.js-line').getAttribute('d')"
    drawn = {chart(opened, path)}
    for axis, label in (("y", "log y"), ("x", "log x")):
        set_box(opened, label)
        assert chart(opened, f"c.layout.{axis}axis.type") == "log"
        drawn.add(chart(opened, path))
    assert len(drawn) == 3
    set_box(opened, "log y")
    assert chart(opened, "c.layout.yaxis.type") == "linear"


def test_smoothing_is_the_average_that_it_is_said_to_be(opened: Chrome) -> None:
    last = "c.data.filter(t => t.mode !== 'markers').at(-1).y"
    raw = np.array(chart(opened, last))
    slider = opened.find_element(By.CSS_SELECTOR, "#curves-controls input[type=range]")
    opened.execute_script("arguments[0].value = 0.8; arguments[0].dispatchEvent(new Event('input'))", slider)
    assert opened.find_element(By.CSS_SELECTOR, "#curves-controls output").text == "0.8"
    weights = 0.8 ** np.arange(len(raw))
    expected = [weights[: n + 1][::-1] @ raw[: n + 1] / weights[: n + 1].sum() for n in range(len(raw))]
    np.testing.assert_allclose(chart(opened, last), expected, rtol=1e-9)


def test_a_part_that_is_dragged_over_is_zoomed_into(opened: Chrome) -> None:
    place = opened.find_element(By.CSS_SELECTOR, "#curves-chart .nsewdrag")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", place)
    before = chart(opened, "c.layout.xaxis.range.concat(c.layout.yaxis.range)")
    actions = ActionChains(opened).move_to_element_with_offset(place, -150, -60).click_and_hold()
    actions.move_by_offset(150, 60).move_by_offset(100, 40).release().perform()
    x0, x1, y0, y1 = chart(opened, "c.layout.xaxis.range.concat(c.layout.yaxis.range)")
    assert before[0] < x0 < x1 < before[1]
    assert before[2] < y0 < y1 < before[3]
    set_box(opened, "train")  # which leaves the zoom as it is
    assert chart(opened, "c.layout.xaxis.range") == [x0, x1]


def test_the_legend_hides_and_shows_runs(opened: Chrome) -> None:
    entries = opened.find_elements(By.CSS_SELECTOR, "#curves-legend label")
    assert len(entries) == 14
    before = chart(opened, "c.data.filter(t => t.mode !== 'markers').map(t => t.meta)")
    entries[3].find_element(By.TAG_NAME, "input").click()
    after = chart(opened, "c.data.filter(t => t.mode !== 'markers').map(t => t.meta)")
    assert sorted(before) == sorted([*after, 3])
    buttons = {b.text: b for b in opened.find_elements(By.CSS_SELECTOR, "#curves-controls button")}
    buttons["none"].click()
    assert chart(opened, "c.data.length") == 0
    buttons["best 10"].click()
    assert sorted(set(chart(opened, "c.data.map(t => t.meta)"))) == list(range(10))
    colours = chart(opened, "c.data.filter(t => t.mode !== 'markers').map(t => t.line.color)")
    assert len(set(colours)) == 10


def test_a_heading_sorts_its_column_both_ways(opened: Chrome) -> None:
    assert click_heading(opened, "optimizer.learning_rate") == "ascending"
    rising = [float(text) for text in column(opened, "optimizer.learning_rate")]
    assert rising == sorted(rising)
    assert rising[0] < rising[-1]
    assert click_heading(opened, "optimizer.learning_rate") == "descending"
    falling = [float(text) for text in column(opened, "optimizer.learning_rate")]
    assert falling == sorted(falling, reverse=True)
    # What has no figure stands last, whichever way.
    for _ in range(2):
        click_heading(opened, "test accuracy")
        assert column(opened, "test accuracy")[-1] == "–"
        assert column(opened, "test accuracy")[0] != "–"


def test_a_heading_sorts_by_the_keyboard(opened: Chrome) -> None:
    button = opened.find_element(By.CSS_SELECTOR, "#results-table thead th:nth-child(2) button")
    opened.execute_script("arguments[0].focus()", button)
    before = column(opened, "model.cell")
    ActionChains(opened).send_keys("\ue007").perform()
    assert column(opened, "model.cell") != before


def test_what_differs_by_the_seed_alone_is_one_row(opened: Chrome) -> None:
    Select(opened.find_element(By.CSS_SELECTOR, "#results-controls select")).select_by_index(1)
    assert len(opened.find_elements(By.CSS_SELECTOR, "#results-table tbody tr")) == len(RATES) + 2
    assert any("±" in text for text in column(opened, "test accuracy"))


def test_the_parameters_are_drawn_and_lead_to_their_runs(opened: Chrome) -> None:
    charts = opened.find_elements(By.CSS_SELECTOR, "#parameters-charts .chart")
    titles = opened.execute_script("return [...arguments].map(c => c.layout.xaxis.title.text)", *charts)
    assert titles == ["optimizer.learning_rate", "model.cell"]
    types = opened.execute_script("return [...arguments].map(c => c.layout.xaxis.type)", *charts)
    assert types == ["log", "category"]
    assert len(charts[0].find_elements(By.CSS_SELECTOR, "path.point")) == 14
    lines = opened.find_elements(By.CSS_SELECTOR, "#parallel-chart path.js-line")
    assert len(lines) == 14
    opened.execute_script("arguments[0].emit('plotly_click', {points: [{customdata: 5}]})", charts[0])
    select = Select(opened.find_element(By.CSS_SELECTOR, "#details-controls select"))
    assert select.options.index(select.first_selected_option) == 5


def test_a_run_has_its_details(opened: Chrome) -> None:
    opened.find_element(By.CSS_SELECTOR, "#results-table tbody .link").click()
    body = opened.find_element(By.ID, "details-body")
    assert len(body.find_elements(By.CSS_SELECTOR, "#confusion .heatmaplayer .hm")) == 2
    assert body.find_element(By.CSS_SELECTOR, "img.mistakes").get_property("naturalWidth") == 1
    samples = [pre.get_attribute("textContent") or "" for pre in body.find_elements(By.TAG_NAME, "pre")]
    assert samples[-2].endswith("at 1000")
    assert samples[-1].endswith("at 500")
    body.find_element(By.TAG_NAME, "summary").click()
    config = {row.text for row in body.find_elements(By.CSS_SELECTOR, "details tr")}
    assert len(config) == 7
    assert "optimizer.learning_rate 0.02" in config
    assert "optimizer.clip None" in config


def test_hostile_texts_are_shown_as_they_are(opened: Chrome) -> None:
    tags = set(opened.execute_script("return [...document.querySelectorAll('*')].map(e => e.localName)"))
    assert opened.find_elements(By.CSS_SELECTOR, "img:not(.mistakes)") == []
    shown = opened.execute_script("return document.body.innerText")
    assert HOSTILE.partition("\u2028")[0] in shown
    assert "run<b>&amp;" in shown
    # In charts too, which know a few tags: a class's name is not set in bold.
    ticks = opened.execute_script(
        "return [...document.querySelectorAll('#confusion .xtick text')].map(t => t.textContent)"
    )
    assert ticks[0] == "<b>cat</b>"
    assert "tspan" not in tags or not opened.find_elements(By.CSS_SELECTOR, "#confusion .xtick tspan")


def test_colours_follow_what_the_reader_prefers(opened: Chrome) -> None:
    def colours() -> list[str]:
        return opened.execute_script(
            "const c = document.getElementById('curves-chart');"
            "const of = (e, name) => getComputedStyle(e)[name];"
            "return [of(document.body, 'backgroundColor'), of(document.body, 'color'),"
            "of(c.querySelector('.xtick text'), 'fill'), of(c.querySelector('path.js-line'), 'stroke'),"
            "of(document.querySelector('#curves-legend i'), 'backgroundColor'),"
            "of(document.querySelector('#parameters-charts path.point'), 'fill'),"
            "of(document.querySelector('#confusion .xtick text'), 'fill')]"
        )

    light = colours()
    prefer(opened, "dark")
    WebDriverWait(opened, 5).until(
        lambda _: all(one != other for one, other in zip(light, colours(), strict=True))
    )
    prefer(opened, "light")
    WebDriverWait(opened, 5).until(lambda _: colours() == light)


@pytest.mark.parametrize("width", [390, 768])
def test_a_narrow_page_is_not_wider_than_its_window(width: int, opened: Chrome) -> None:
    resize(opened, width, 844)
    opened.refresh()
    for summary in opened.find_elements(By.TAG_NAME, "summary"):
        opened.execute_script("arguments[0].click()", summary)
    assert opened.execute_script("return document.documentElement.scrollWidth") == width
    assert opened.execute_script("return document.querySelector('#results-table .box').clientWidth") < width
    assert chart(opened, "c.getBoundingClientRect().width") < width
    assert opened.find_elements(By.CSS_SELECTOR, "#curves-chart path.js-line")


def test_figures_are_written_as_the_console_writes_them(opened: Chrome, page: Path) -> None:
    """Those of the legend, which the browser writes."""
    told = json.loads(page.read_text().partition('id="data">')[2].partition("</script>")[0])
    accuracies = [run["figures"]["validation"]["accuracy"] for run in told["runs"]]
    found = opened.find_elements(By.CSS_SELECTOR, "#curves-legend .figure")
    assert [figure.text for figure in found] == [format_figure("accuracy", value) for value in accuracies]


def test_ties_and_small_and_large_figures(browser: Chrome, tmp_path: Path) -> None:
    losses = [0.03125, 0.00005, 1234.5, 2.00005, 0.0009999, 0.15625, 1e-12, 10.00015]
    for number, loss in enumerate(losses):
        best = {"step": 1000, "loss": loss}
        write_run(tmp_path / str(number), {"task.name": "adding"}, summary={"best": best})
    page = tmp_path / "page.html"
    assert report.main([*(str(tmp_path / str(number)) for number in range(8)), "--out", str(page)]) == 0
    browser.get(page.as_uri())
    Select(browser.find_element(By.CSS_SELECTOR, "#curves-controls select")).select_by_visible_text("loss")
    found = browser.find_elements(By.CSS_SELECTOR, "#curves-legend .figure")
    assert [figure.text for figure in found] == [format_figure("loss", loss) for loss in sorted(losses)]


def test_a_run_without_figures_has_a_page(browser: Chrome, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for name in ("summary.json", "metrics.jsonl"):
        (run / name).unlink()
    assert report.main([str(run)]) == 0
    errors(browser)
    browser.get((run / "report.html").as_uri())
    assert "No run has logged a figure yet." in browser.find_element(By.ID, "curves").text
    assert "no figures yet" in browser.find_element(By.ID, "statuses").text
    assert errors(browser) == []


def test_long_tables_have_pages(browser: Chrome, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{}")
    rows = [
        {"member": n, "point": {"model.hidden_size": n}, "best": {"step": 1, "loss": n / 7}}
        for n in range(250)
    ]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert report.main([str(tmp_path)]) == 0
    browser.get((tmp_path / "report.html").as_uri())
    pager = browser.find_element(By.CSS_SELECTOR, "#results-table .pager")
    assert "rows 1–100 of 250" in pager.text
    back, on = pager.find_elements(By.TAG_NAME, "button")
    assert not back.is_enabled()
    on.click()
    on.click()
    assert "rows 201–250 of 250" in pager.text
    assert column(browser, "run") == [str(number) for number in range(200, 250)]
    assert not on.is_enabled()
