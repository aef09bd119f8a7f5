"""Headless Chromium for tests of pages, with its errors and requests."""

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
    "--no-sandbox",  # root cannot start Chromium with a sandbox
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
"""Prefixes of addresses within the page, and of the browser's own pages."""


@contextmanager
def open_browser(tmp_path: Path, width: int = 1280, height: int = 900) -> Iterator[Chrome]:
    """Open Chromium with a page of this size, its profile in `tmp_path`; skip the test if it is missing."""
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
    """Load a page and wait for its scripts."""
    driver.get("about:blank")
    driver.get(address)  # may return earlier
    here = f"location.href === {json.dumps(address)} && document.readyState === 'complete'"
    WebDriverWait(driver, 30, 0.05).until(lambda driver: driver.execute_script(f"return {here}"))


def resize(driver: Chrome, width: int, height: int) -> None:
    """Set the size of the page in pixels; a window cannot be as narrow as a phone."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def prefer(driver: Chrome, scheme: str) -> None:
    """Set the preferred colour scheme, 'light' or 'dark'."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def errors(driver: Chrome) -> list[str]:
    """Return new error messages: exceptions, rejected requests, violations of the content security policy."""
    return [
        str(entry["message"])
        for entry in driver.get_log("browser")
        if entry["level"] in ("SEVERE", "WARNING")
    ]


def requests(driver: Chrome) -> list[str]:
    """Return the addresses of new requests to anything but the page itself."""
    found = []
    for entry in driver.get_log("performance"):
        message: dict[str, Any] = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.append(str(message["params"]["request"]["url"]))
    return [address for address in found if not address.startswith(OWN)]
