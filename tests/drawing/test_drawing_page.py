"""The drawing page in a browser: digits drawn with the mouse, predicted by trained networks."""

import os
from pathlib import Path

import numpy as np
import pytest
from browser import open_browser, prefer
from drawn_page import (
    CROSSED_SEVEN,
    DRAWN,
    HOLD,
    MEAN_INK,
    RECORD_POSITIONS,
    announced,
    assert_no_errors,
    bars,
    brightness,
    open_page,
    pen,
    predict,
    serving,
    show_row,
    text,
    until,
)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from trained import DIGITS, train_once


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_once(tmp_path_factory, "digits", *DIGITS)


def test_a_drawn_seven_is_predicted_as_seven(digits: Path, tmp_path: Path) -> None:
    with serving(digits) as address, open_browser(tmp_path) as browser:
        open_page(browser, address)
        assert text(browser, "best-probability") == "nothing drawn yet"
        assert bars(browser) == [0] * 10
        assert predict(browser, CROSSED_SEVEN).startswith("7, ")
        # It plays all rows by itself.
        until(lambda: text(browser, "play") == "Play")
        assert text(browser, "best") == "7"
        assert text(browser, "position") == "row 8 of 8"
        rows = []
        for row in range(1, 9):
            show_row(browser, row)
            assert text(browser, "position") == f"row {row} of 8"
            rows.append(bars(browser))
        assert np.sum(rows, axis=1) == pytest.approx(np.ones(8), abs=1e-3)
        assert np.abs(np.diff(rows, axis=0)).max(axis=1).min() > 1e-3
        assert np.argmax(rows[-1]) == 7
        names = ["states", "image", "probabilities"]
        sizes = [browser.find_element(By.ID, name) for name in names]
        sizes = [[int(each.get_attribute(side) or 0) for side in ("height", "width")] for each in sizes]
        assert sizes == [[8, 128], [8, 8], [8, 10]]
        assert 0.1 < browser.execute_script(MEAN_INK) < 0.45  # white on black, as the training images: 0.3
        assert_no_errors(browser, address)


def test_every_control_works(digits: Path, tmp_path: Path) -> None:
    with serving(digits) as address, open_browser(tmp_path) as browser:
        open_page(browser, address)
        seven = predict(browser, CROSSED_SEVEN)
        # A further stroke is undone by the button and by the keyboard.
        for undo in (
            lambda: browser.find_element(By.ID, "undo").click(),
            lambda: (
                ActionChains(browser).key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL).perform()
            ),
        ):
            pen(browser, [[(0.3, 0.9), (0.8, 0.9)]])
            until(lambda: announced(browser) not in ("", seven))
            undo()
            until(lambda: announced(browser) == seven)
        # It predicts while the pen is down, and plays from the first row when it is lifted.
        pen(browser, [[(0.3, 0.9), (0.8, 0.9)]], lifts=False)
        until(lambda: announced(browser) not in ("", seven))
        assert (text(browser, "play"), text(browser, "position")) == ("Play", "row 8 of 8")
        browser.execute_script(RECORD_POSITIONS)
        ActionChains(browser).release().perform()
        until(lambda: browser.execute_script("return window.positions.at(-1)") == "Play row 8 of 8")
        positions = browser.execute_script("return window.positions")
        assert positions[0] == "Pause row 1 of 8"
        assert positions == sorted(positions)
        # Pause and play from the same row.
        assert browser.execute_script(HOLD) == ["Pause row 1 of 8", "Play row 1 of 8"]
        show_row(browser, 5)
        assert browser.execute_script(HOLD) == ["Pause row 5 of 8", "Play row 5 of 8"]
        # Everything is reachable by the keyboard.
        browser.execute_script("document.activeElement.blur()")
        reached = []
        for _ in range(5):
            ActionChains(browser).send_keys(Keys.TAB).perform()
            reached.append(browser.switch_to.active_element.get_attribute("id"))
        assert reached == ["undo", "clear", "brush", "play", "scrubber"]
        browser.switch_to.active_element.send_keys(Keys.HOME, Keys.ARROW_RIGHT)
        assert text(browser, "position") == "row 2 of 8"
        # A row can be selected on a map, and the bars follow.
        state = browser.find_element(By.ID, "states")
        before = bars(browser)
        ActionChains(browser).move_to_element_with_offset(
            state, 0, -state.size["height"] // 2 + 5
        ).click().perform()
        assert text(browser, "position") == "row 1 of 8"
        assert bars(browser) != before
        # Thicker strokes are more ink.
        predict(browser, CROSSED_SEVEN)
        thin = browser.execute_script(MEAN_INK)
        browser.find_element(By.ID, "brush").send_keys(Keys.END)
        predict(browser, CROSSED_SEVEN)
        assert browser.execute_script(MEAN_INK) > 1.2 * thin
        browser.find_element(By.ID, "clear").click()
        assert (text(browser, "best-probability"), text(browser, "best")) == ("nothing drawn yet", "–")
        assert bars(browser) == [0] * 10
        assert browser.find_element(By.ID, "play").get_attribute("disabled")
        assert_no_errors(browser, address)


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
            until(lambda: announced(browser).startswith("7, "))
            assert browser.execute_script("return document.documentElement.scrollWidth") == 390
            light = browser.execute_script(colours)
            prefer(browser, "dark")
            (page, pen_colour), (light_page, light_pen) = browser.execute_script(colours), light
            assert brightness(page) < 60 < 200 < brightness(pen_colour)
            assert brightness(light_pen) < 60 < 200 < brightness(light_page)
            assert_no_errors(browser, address)
        pen(browser, [[(0.3, 0.9), (0.8, 0.9)]])
        until(browser.find_element(By.ID, "error").is_displayed)
        assert text(browser, "error") == "The server does not respond; was it stopped?"


@pytest.mark.skipif("RNN_JAX_DATA" not in os.environ, reason="RNN_JAX_DATA is not set")
@pytest.mark.matrix
def test_drawn_digits_are_predicted_correctly(
    tmp_path_factory: pytest.TempPathFactory, prepared_real_data: Path, tmp_path: Path
) -> None:
    with open_browser(tmp_path) as browser:  # skips without a browser, before training
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
            found = {digit: predict(browser, strokes) for digit, strokes in DRAWN.items()}
            assert {digit: prediction.partition(",")[0] for digit, prediction in found.items()} == dict(
                zip(DRAWN, DRAWN, strict=True)
            ), found
            assert browser.find_element(By.ID, "states").get_attribute("height") == "28"
            assert_no_errors(browser, address)
