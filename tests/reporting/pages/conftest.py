"""A browser, and the page of a sweep, of a run with hostile names, and of a diverged run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import errors, open_browser, prefer, requests, resize, visit
from opened_page import write_page
from selenium.webdriver import Chrome


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with open_browser(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("report"))


@pytest.fixture
def opened(browser: Chrome, page: Path) -> Chrome:
    """The page, just opened, on a desktop with light colours."""
    resize(browser, 1280, 900)
    prefer(browser, "light")
    errors(browser)
    requests(browser)
    visit(browser, page.as_uri())
    return browser
