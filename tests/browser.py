"""A browser for tests of pages: Debian's Chromium without a window, and what it said and asked for."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # which Chromium, as root, does not start with
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)
OWN = ("data:", "blob:", "about:", "chrome:", "chrome-untrusted:")
"""How addresses begin that lead nowhere outside of the page, and those of the browser's own pages."""


@contextmanager
def open_browser(tmp_path: Path, width: int = 1280, height: int = 900) -> Iterator[Chrome]:
    """A Chromium whose page is so many pixels wide and high; the test is skipped where there is none.

    What it keeps goes into `tmp_path`. See `errors` and `requests` for what to ask of it at the end.
    """
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if missing := [name for name, path in programs.items() if path is None]:
        pytest.skip(
            f"{' and '.join(missing)} not installed (Debian: apt-get install chromium chromium-driver)"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs["chromium"])
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path / 'chromium'}", "about:blank"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(str(programs["chromedriver"])))
    try:
        driver.set_script_timeout(30)
        resize(driver, width, height)
        yield driver
    finally:
        driver.quit()


def visit(driver: Chrome, address: str) -> None:
    """Opens a page anew, and waits until it is whole, its scripts included."""
    driver.get("about:blank")
    driver.get(address)  # which may come back before that
    here = f"location.href === {json.dumps(address)} && document.readyState === 'complete'"
    WebDriverWait(driver, 30, 0.05).until(lambda driver: driver.execute_script(f"return {here}"))


def resize(driver: Chrome, width: int, height: int) -> None:
    """Makes the page so many pixels wide and high: a window is never as narrow as a phone."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def prefer(driver: Chrome, scheme: str) -> None:
    """Makes the browser prefer a 'light' or a 'dark' colour scheme."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def errors(driver: Chrome) -> list[str]:
    """What went wrong since it was last asked: exceptions, refused requests, breaches of the policy."""
    return [
        str(entry["message"])
        for entry in driver.get_log("browser")
        if entry["level"] in ("SEVERE", "WARNING")
    ]


def requests(driver: Chrome) -> list[str]:
    """What the page asked for since it was last asked, other than of itself: addresses."""
    found = []
    for entry in driver.get_log("performance"):
        message: dict[str, Any] = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.append(str(message["params"]["request"]["url"]))
    return [address for address in found if not address.startswith(OWN)]
