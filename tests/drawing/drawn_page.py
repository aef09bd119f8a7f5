"""The drawing page in a browser: what tests draw on it, and what it shows."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from browser import errors, requests
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from rnn_jax.config.run_folder import read_config
from rnn_jax.drawing.predictor import load
from rnn_jax.drawing.server import PAGE, Server

Stroke = list[tuple[float, float]]
# Relative to the canvas, from the left and from the top.
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
"""Drawn like the sevens of scikit-learn's digits."""


MEAN_INK = """
const image = document.getElementById("image");
const copy = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
copy.drawImage(image, 0, 0);
const { data } = copy.getImageData(0, 0, image.width, image.height);
return data.reduce((sum, value, place) => sum + (place % 4 ? 0 : value), 0) / (255 * data.length / 4);
"""
"""Mean brightness of the network's input image, from 0 to 1."""
POSITION = "['play', 'position'].map((id) => document.getElementById(id).textContent).join(' ')"
RECORD_POSITIONS = f"""
window.positions = [];
const record = () => {{
  const position = {POSITION};
  if (position !== window.positions.at(-1) && (window.positions.length || position.startsWith("Pause"))) {{
    window.positions.push(position);
  }}
}};
const transport = document.querySelector(".transport");
new MutationObserver(record).observe(transport, {{ childList: true, subtree: true }});
"""
"""Records the texts of the button and beside the slider, from the start of playing on."""
HOLD = f"""
const play = document.getElementById("play");
const press = () => {{ play.click(); return {POSITION}; }};
return [press(), press()];
"""


@contextlib.contextmanager
def serving(run: Path) -> Iterator[str]:
    """The address of the page for a run."""
    with Server(0) as server:
        predictor = load(read_config(run), run, "best")
        thread = threading.Thread(target=server.serve, args=(predictor,))
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


def announced(browser: Chrome) -> str:
    """The latest prediction, as screen readers announce it."""
    return browser.execute_script("return document.getElementById('announcement').textContent")


def predict(browser: Chrome, strokes: list[Stroke]) -> str:
    """Draw, and return the announced prediction."""
    clear = browser.find_element(By.ID, "clear")
    if clear.is_enabled():
        clear.click()
    until(lambda: announced(browser) == "")
    pen(browser, strokes)
    until(lambda: browser.find_element(By.ID, "prediction").get_attribute("aria-busy") == "false")
    return announced(browser)


def show_row(browser: Chrome, row: int) -> None:
    browser.execute_script(
        "const slider = document.getElementById('scrubber'); slider.value = arguments[0];"
        "slider.dispatchEvent(new Event('input'))",
        row,
    )


def bars(browser: Chrome) -> list[float]:
    script = "return [...document.querySelectorAll('#bars li')].map((bar) => Number(bar.dataset.probability))"
    return browser.execute_script(script)


def assert_no_errors(browser: Chrome, address: str) -> None:
    assert errors(browser) == []
    assert {url.removeprefix(address) for url in requests(browser)} <= {"", "model", "predict", *FILES}
    assert not browser.find_element(By.ID, "error").is_displayed()


def brightness(colour: str) -> float:
    return float(np.mean([int(part) for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]))
