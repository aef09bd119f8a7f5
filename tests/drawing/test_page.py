"""The page, in a browser: digits are drawn with the mouse, and really trained networks answer."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import errors, open_browser, prefer, requests
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from trained import DIGITS, train_once

from rnn_jax import draw
from rnn_jax.drawing.server import PAGE, Server
from rnn_jax.runtime.draw_command import Command
from rnn_jax.runtime.run_folder import read_config

Stroke = list[tuple[float, float]]
# Shares of what is drawn on, from the left and from the top.
DRAWN: dict[str, list[Stroke]] = {
    "0": [
        [
            (0.5, 0.15),
            (0.35, 0.22),
            (0.28, 0.45),
            (0.32, 0.72),
            (0.48, 0.85),
            (0.65, 0.75),
            (0.72, 0.5),
            (0.66, 0.25),
            (0.5, 0.15),
        ]
    ],
    "1": [[(0.52, 0.15), (0.5, 0.5), (0.48, 0.85)]],
    "3": [
        [
            (0.32, 0.2),
            (0.5, 0.14),
            (0.66, 0.25),
            (0.6, 0.42),
            (0.46, 0.48),
            (0.64, 0.56),
            (0.68, 0.72),
            (0.5, 0.85),
            (0.3, 0.78),
        ]
    ],
    "4": [[(0.4, 0.15), (0.3, 0.5), (0.7, 0.52)], [(0.62, 0.2), (0.6, 0.86)]],
    "7": [[(0.28, 0.2), (0.72, 0.2), (0.55, 0.5), (0.45, 0.85)]],
}
FILES = [path[1:] for path in PAGE]
CROSSED_SEVEN = [[(0.3, 0.2), (0.7, 0.18), (0.56, 0.5), (0.44, 0.86)], [(0.3, 0.52), (0.72, 0.5)]]
"""As those are who wrote scikit-learn's digits."""


INK_SEEN = """
const seen = document.getElementById("seen");
const copy = new OffscreenCanvas(seen.width, seen.height).getContext("2d", { willReadFrequently: true });
copy.drawImage(seen, 0, 0);
const { data } = copy.getImageData(0, 0, seen.width, seen.height);
return data.reduce((sum, value, place) => sum + (place % 4 ? 0 : value), 0) / (255 * data.length / 4);
"""
"""How bright what the network sees is, from 0 to 1."""
PLACE = "document.getElementById('play').textContent + ' ' + document.getElementById('place').textContent"
NOTE_PLACES = f"""
window.places = [];
const note = () => {{
  const place = {PLACE};
  if (place !== window.places.at(-1) && (window.places.length || place.startsWith("Pause"))) {{
    window.places.push(place);
  }}
}};
const transport = document.querySelector(".transport");
new MutationObserver(note).observe(transport, {{ childList: true, subtree: true }});
"""
"""What the button and the place beside the slider say, from when it is played on."""
HOLD = f"""
const play = document.getElementById("play");
const press = () => {{ play.click(); return {PLACE}; }};
return [press(), press()];
"""


@contextlib.contextmanager
def serving(run: Path) -> Iterator[str]:
    """The address of the page for a run."""
    with Server(0) as server:
        answers = draw.load(read_config(run), Command(run, "best", 0))
        thread = threading.Thread(target=server.serve, args=(answers,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.port}/"
        finally:
            server.shutdown()
            server.finish()
            thread.join()


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def open_page(browser: Chrome, address: str) -> None:
    browser.get(address)
    until(lambda: browser.execute_script("return document.body.dataset.ready"))


def pen(browser: Chrome, strokes: list[Stroke], *, lifts: bool = True) -> None:
    """Draws with the mouse."""
    ink = browser.find_element(By.ID, "ink")
    width, height = ink.size["width"], ink.size["height"]
    for stroke in strokes:
        (x, y), *others = [((x - 0.5) * width, (y - 0.5) * height) for x, y in stroke]
        actions = (
            ActionChains(browser, duration=8)
            .move_to_element_with_offset(ink, int(x), int(y))
            .click_and_hold()
        )
        for x, y in others:
            actions.move_to_element_with_offset(ink, int(x), int(y))
        (actions.release() if lifts else actions).perform()


def text(browser: Chrome, name: str) -> str:
    return browser.find_element(By.ID, name).text


def said(browser: Chrome) -> str:
    """The last answer, as it is told to those who do not see the page."""
    return browser.execute_script("return document.getElementById('said').textContent")


def answer(browser: Chrome, strokes: list[Stroke]) -> str:
    """What is answered to a drawing."""
    clear = browser.find_element(By.ID, "clear")
    if clear.is_enabled():
        clear.click()
    until(lambda: said(browser) == "")
    pen(browser, strokes)
    until(lambda: browser.find_element(By.ID, "answer").get_attribute("aria-busy") == "false")
    return said(browser)


def look_at(browser: Chrome, row: int) -> None:
    browser.execute_script(
        "const slider = document.getElementById('scrubber'); slider.value = arguments[0];"
        "slider.dispatchEvent(new Event('input'))",
        row,
    )


def bars(browser: Chrome) -> list[float]:
    script = "return [...document.querySelectorAll('#bars li')].map((bar) => Number(bar.dataset.probability))"
    return browser.execute_script(script)


def assert_nothing_was_wrong(browser: Chrome, address: str) -> None:
    assert errors(browser) == []
    assert {asked.removeprefix(address) for asked in requests(browser)} <= {"", "model", "read", *FILES}
    assert not browser.find_element(By.ID, "trouble").is_displayed()


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_once(tmp_path_factory, "digits", *DIGITS)


def test_a_drawn_seven_is_answered_seven(digits: Path, tmp_path: Path) -> None:
    with serving(digits) as address, open_browser(tmp_path) as browser:
        open_page(browser, address)
        assert text(browser, "share") == "nothing drawn yet"
        assert bars(browser) == [0] * 10
        assert answer(browser, CROSSED_SEVEN).startswith("7, ")
        # Row by row, from the first on, by itself.
        until(lambda: text(browser, "play") == "Play")
        assert text(browser, "best") == "7"
        assert text(browser, "place") == "row 8 of 8"
        seen = []
        for row in range(1, 9):
            look_at(browser, row)
            assert text(browser, "place") == f"row {row} of 8"
            seen.append(bars(browser))
        assert np.sum(seen, axis=1) == pytest.approx(np.ones(8), abs=1e-3)
        assert np.abs(np.diff(seen, axis=0)).max(axis=1).min() > 1e-3
        assert np.argmax(seen[-1]) == 7
        names = ["states", "seen", "belief"]
        sizes = [browser.find_element(By.ID, name) for name in names]
        sizes = [[int(each.get_attribute(side) or 0) for side in ("height", "width")] for each in sizes]
        assert sizes == [[8, 128], [8, 8], [8, 10]]
        assert 0.1 < browser.execute_script(INK_SEEN) < 0.45  # white on black, as the training images: 0.3
        assert_nothing_was_wrong(browser, address)


def test_every_control_does_what_it_says(digits: Path, tmp_path: Path) -> None:
    with serving(digits) as address, open_browser(tmp_path) as browser:
        open_page(browser, address)
        seven = answer(browser, CROSSED_SEVEN)
        # A stroke more, and taken back, by the button and by the keyboard.
        for undo in (
            lambda: browser.find_element(By.ID, "undo").click(),
            lambda: (
                ActionChains(browser).key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL).perform()
            ),
        ):
            pen(browser, [[(0.3, 0.9), (0.8, 0.9)]])
            until(lambda: said(browser) not in ("", seven))
            undo()
            until(lambda: said(browser) == seven)
        # It answers while the pen is down, and plays from the first row on when it lifts.
        pen(browser, [[(0.3, 0.9), (0.8, 0.9)]], lifts=False)
        until(lambda: said(browser) not in ("", seven))
        assert (text(browser, "play"), text(browser, "place")) == ("Play", "row 8 of 8")
        browser.execute_script(NOTE_PLACES)
        ActionChains(browser).release().perform()
        until(lambda: browser.execute_script("return window.places.at(-1)") == "Play row 8 of 8")
        places = browser.execute_script("return window.places")
        assert places[0] == "Pause row 1 of 8"
        assert places == sorted(places)
        # Held, and gone on with from there.
        assert browser.execute_script(HOLD) == ["Pause row 1 of 8", "Play row 1 of 8"]
        look_at(browser, 5)
        assert browser.execute_script(HOLD) == ["Pause row 5 of 8", "Play row 5 of 8"]
        # All of it by the keyboard too.
        browser.execute_script("document.activeElement.blur()")
        reached = []
        for _ in range(5):
            ActionChains(browser).send_keys(Keys.TAB).perform()
            reached.append(browser.switch_to.active_element.get_attribute("id"))
        assert reached == ["undo", "clear", "brush", "play", "scrubber"]
        browser.switch_to.active_element.send_keys(Keys.HOME, Keys.ARROW_RIGHT)
        assert text(browser, "place") == "row 2 of 8"
        # A row of a map can be pointed at, the bars follow.
        state = browser.find_element(By.ID, "states")
        before = bars(browser)
        ActionChains(browser).move_to_element_with_offset(
            state, 0, -state.size["height"] // 2 + 5
        ).click().perform()
        assert text(browser, "place") == "row 1 of 8"
        assert bars(browser) != before
        # Thicker strokes are more ink.
        answer(browser, CROSSED_SEVEN)
        thin = browser.execute_script(INK_SEEN)
        browser.find_element(By.ID, "brush").send_keys(Keys.END)
        answer(browser, CROSSED_SEVEN)
        assert browser.execute_script(INK_SEEN) > 1.2 * thin
        browser.find_element(By.ID, "clear").click()
        assert (text(browser, "share"), text(browser, "best")) == ("nothing drawn yet", "–")
        assert bars(browser) == [0] * 10
        assert browser.find_element(By.ID, "play").get_attribute("disabled")
        assert_nothing_was_wrong(browser, address)


def test_a_phone_and_a_dark_page(digits: Path, tmp_path: Path) -> None:
    colours = "return ['body', '#ink'].map((name) => getComputedStyle(document.querySelector(name)))"
    colours += ".map((style, number) => number ? style.color : style.backgroundColor)"
    with open_browser(tmp_path, width=390, height=844) as browser:
        with serving(digits) as address:
            open_page(browser, address)
            finger = ActionBuilder(browser, mouse=PointerInput("touch", "finger"), duration=8)
            ink = browser.find_element(By.ID, "ink")
            assert ink.size["width"] > 300
            for (x, y), *others in CROSSED_SEVEN:
                place = [
                    (int((x - 0.5) * ink.size["width"]), int((y - 0.5) * ink.size["height"]))
                    for x, y in [(x, y), *others]
                ]
                finger.pointer_action.move_to(ink, *place[0]).pointer_down()
                for point in place[1:]:
                    finger.pointer_action.move_to(ink, *point)
                finger.pointer_action.pointer_up()
            finger.perform()
            until(lambda: said(browser).startswith("7, "))
            assert browser.execute_script("return document.documentElement.scrollWidth") == 390
            light = browser.execute_script(colours)
            prefer(browser, "dark")
            (page, pen_colour), (light_page, light_pen) = browser.execute_script(colours), light
            assert brightness(page) < 60 < 200 < brightness(pen_colour)
            assert brightness(light_pen) < 60 < 200 < brightness(light_page)
            assert_nothing_was_wrong(browser, address)
        pen(browser, [[(0.3, 0.9), (0.8, 0.9)]])
        until(browser.find_element(By.ID, "trouble").is_displayed)
        assert text(browser, "trouble") == "The program behind this page does not answer; was it stopped?"


def brightness(colour: str) -> float:
    return float(np.mean([int(part) for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]))


@pytest.mark.skipif("RNN_JAX_DATA" not in os.environ, reason="RNN_JAX_DATA is not set")
def test_drawn_digits_are_answered_rightly(
    tmp_path_factory: pytest.TempPathFactory, prepared_real_data: Path, tmp_path: Path
) -> None:
    with open_browser(tmp_path) as browser:  # which is skipped before anything is trained
        run = train_once(
            tmp_path_factory,
            "mnist",
            f"--config.dataset.data_dir={prepared_real_data}",
            *(f"--config.train.{key}=None" for key in ("duration_epochs", "evaluate_every_epochs")),
            *(f"--config.train.{key}=300" for key in ("duration_steps", "evaluate_every_steps")),
            "--config.train.report_test=False",
            "--config.optimizer.warmup_epochs=0.2",
        )
        with serving(run) as address:
            open_page(browser, address)
            found = {digit: answer(browser, strokes) for digit, strokes in DRAWN.items()}
            assert {digit: said.partition(",")[0] for digit, said in found.items()} == dict(
                zip(DRAWN, DRAWN, strict=True)
            ), found
            assert browser.find_element(By.ID, "states").get_attribute("height") == "28"
            assert_nothing_was_wrong(browser, address)
