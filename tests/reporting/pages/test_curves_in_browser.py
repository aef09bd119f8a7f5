"""The page in a browser: curves, colours, width; and that it loads nothing."""

from pathlib import Path

import numpy as np
import pytest
from browser import errors, prefer, requests, resize, visit
from opened_page import chart
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait


def set_box(driver: Chrome, label: str) -> None:
    driver.find_element(
        By.XPATH, f"//section[@id='curves']//label[normalize-space()='{label}']/input"
    ).click()


def test_there_are_no_errors_and_no_requests(opened: Chrome, page: Path) -> None:
    for select in opened.find_elements(By.CSS_SELECTOR, "select"):
        for place in range(len(Select(select).options)):
            Select(select).select_by_index(place)
    for summary in opened.find_elements(By.TAG_NAME, "summary"):
        summary.click()
    assert errors(opened) == []
    assert requests(opened) == [page.as_uri()]


def test_foreign_scripts_do_not_run(opened: Chrome) -> None:
    """The policy is enforced and violations are logged, so that the test above can fail."""
    opened.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.broken = 1';"
        "document.body.append(s);"
        "const i = document.createElement('img'); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i)"
    )
    assert opened.execute_script("return window.broken") is None
    WebDriverWait(opened, 5).until(lambda driver: len(errors(driver)) >= 1)


def test_all_runs_have_curves(opened: Chrome) -> None:
    lines = opened.find_elements(By.CSS_SELECTOR, "#curves-chart .scatterlayer .trace path.js-line")
    assert len(lines) == 14
    assert chart(opened, "c.layout.yaxis.title.text") == "accuracy (%)"
    command = opened.find_element(By.ID, "command").get_attribute("textContent") or ""
    assert command.startswith("python -m rnn_jax.report")
    assert "0123abc" in opened.find_element(By.ID, "facts").text
    best = [
        trace
        for trace in chart(opened, "c.data.map(t => ({y: t.y, mode: t.mode}))")
        if trace["mode"] == "markers"
    ]
    assert len(best) == 5


def test_metric_and_splits_can_be_selected(opened: Chrome) -> None:
    select = Select(opened.find_element(By.CSS_SELECTOR, "#curves-controls select"))
    assert [option.text for option in select.options][:3] == ["accuracy", "loss", "constructor"]
    select.select_by_visible_text("loss")
    assert chart(opened, "c.layout.yaxis.title.text") == "loss (nats)"
    before = chart(opened, "c.data.length")
    set_box(opened, "train")
    assert chart(opened, "c.data.length") == before + 14


def test_a_run_with_the_selected_metric_has_a_colour(opened: Chrome) -> None:
    """Even the last run of many."""
    select = Select(opened.find_element(By.CSS_SELECTOR, "#curves-controls select"))
    select.select_by_visible_text("only here")
    assert chart(opened, "c.data.length") == 1
    grey = "getComputedStyle(document.documentElement).getPropertyValue('--grey').trim()"
    assert chart(opened, f"c.data[0].line.color === {grey}") is False
    entries = opened.find_elements(By.CSS_SELECTOR, "#curves-legend label")
    dim = [float(entry.value_of_css_property("opacity")) < 1 for entry in entries]
    assert dim == [True] * 13 + [False]


def test_splits_have_line_samples(opened: Chrome) -> None:
    samples = opened.find_elements(By.CSS_SELECTOR, "#curves-controls fieldset i")
    assert [sample.value_of_css_property("border-top-style") for sample in samples][:2] == ["solid", "dotted"]
    assert all(sample.size["width"] == 20 for sample in samples)


def test_logarithmic_axes_move_the_curves(opened: Chrome) -> None:
    path = "c.querySelector('.scatterlayer path.js-line').getAttribute('d')"
    drawn = {chart(opened, path)}
    for axis, label in (("y", "log y"), ("x", "log x")):
        set_box(opened, label)
        assert chart(opened, f"c.layout.{axis}axis.type") == "log"
        drawn.add(chart(opened, path))
    assert len(drawn) == 3
    set_box(opened, "log y")
    assert chart(opened, "c.layout.yaxis.type") == "linear"


def test_smoothing_is_a_bias_corrected_moving_average(opened: Chrome) -> None:
    last = "c.data.filter(t => t.mode !== 'markers').at(-1).y"
    raw = np.array(chart(opened, last))
    slider = opened.find_element(By.CSS_SELECTOR, "#curves-controls input[type=range]")
    opened.execute_script("arguments[0].value = 0.8; arguments[0].dispatchEvent(new Event('input'))", slider)
    assert opened.find_element(By.CSS_SELECTOR, "#curves-controls output").text == "0.8"
    weights = 0.8 ** np.arange(len(raw))
    expected = [weights[: n + 1][::-1] @ raw[: n + 1] / weights[: n + 1].sum() for n in range(len(raw))]
    WebDriverWait(opened, 5).until(lambda driver: chart(driver, last) != raw.tolist())
    np.testing.assert_allclose(chart(opened, last), expected, rtol=1e-9)


def test_dragging_zooms(opened: Chrome) -> None:
    place = opened.find_element(By.CSS_SELECTOR, "#curves-chart .nsewdrag")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", place)
    before = chart(opened, "c.layout.xaxis.range.concat(c.layout.yaxis.range)")
    actions = ActionChains(opened).move_to_element_with_offset(place, -150, -60).click_and_hold()
    actions.move_by_offset(150, 60).move_by_offset(100, 40).release().perform()
    x0, x1, y0, y1 = chart(opened, "c.layout.xaxis.range.concat(c.layout.yaxis.range)")
    assert before[0] < x0 < x1 < before[1]
    assert before[2] < y0 < y1 < before[3]
    set_box(opened, "train")  # keeps the zoom
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


def test_colours_follow_the_preferred_scheme(opened: Chrome) -> None:
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
def test_the_page_fits_narrow_windows(width: int, opened: Chrome) -> None:
    resize(opened, width, 844)
    visit(opened, opened.current_url)
    for summary in opened.find_elements(By.TAG_NAME, "summary"):
        opened.execute_script("arguments[0].click()", summary)
    assert opened.execute_script("return document.documentElement.scrollWidth") == width
    assert opened.execute_script("return document.querySelector('#results-table .box').clientWidth") < width
    assert chart(opened, "c.getBoundingClientRect().width") < width
    assert opened.find_elements(By.CSS_SELECTOR, "#curves-chart path.js-line")
