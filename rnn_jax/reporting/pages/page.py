"""Renders contents, style, scripts and the charts library as one HTML file."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from rnn_jax.runtime.files import replacing

ASSETS = resources.files("rnn_jax.reporting.pages") / "assets"
SCRIPTS = (
    "values.js",
    "tables.js",
    "charts.js",
    "curves.js",
    "curve_controls.js",
    "parameters.js",
    "runs.js",
    "page.js",
)
"""In this order; they share the scope of one function."""

# A page about a stranger's runs must neither load nor send anything: no network, only the hashed scripts.
POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {scripts}; "
    "base-uri 'none'; form-action 'none'"
)


def write(contents: Mapping[str, Any], title: str, file: Path) -> int:
    """Write the page, whole or not at all, and return its size in bytes.

    Raises:
        StorageError: the disk is full.
        UserError: the file cannot be written.
    """
    text = render(contents, title).encode("utf-8", errors="replace")
    with replacing(file) as unfinished:
        unfinished.write_bytes(text)
    return len(text)


def render(contents: Mapping[str, Any], title: str) -> str:
    """The HTML of the page. Text from run folders occurs only as JSON and in the title."""
    charts, own = _plotly(), _own_script()
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in (charts, own))
    return Template(_read("page.html")).substitute(
        policy=POLICY.format(scripts=hashes),
        title=html.escape(title),
        style=_read("page.css"),
        contents=to_json(contents),
        charts=charts,
        script=own,
    )


def to_json(contents: Mapping[str, Any]) -> str:
    """ASCII JSON without characters that mean something to HTML, for a <script> element.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(contents, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plotly() -> str:
    """The charts library with its licence, which defines `Plotly`; with the line ends that browsers hash."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().replace("\r\n", "\n").replace("\r", "\n")


def _own_script() -> str:
    parts = "\n".join(_read(name) for name in SCRIPTS)
    return f'\n(() => {{\n"use strict";\n{parts}\n}})();\n'


def _read(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
