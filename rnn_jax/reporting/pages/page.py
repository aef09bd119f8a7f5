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
SCRIPTS = ("values", "tables", "charts", "curves", "curve_controls", "parameters", "runs", "page")
"""In this order; they share the scope of one function."""

# A page about a stranger's runs must neither load nor send anything: no network, only the hashed scripts.
POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {scripts}; "
    "base-uri 'none'; form-action 'none'"
)


def write(contents: Mapping[str, Any], title: str, file: Path) -> int:
    """Write the page and return its size in bytes; raise as `replacing`."""
    text = render(contents, title).encode("utf-8", errors="replace")
    with replacing(file) as unfinished:
        return unfinished.write_bytes(text)


def render(contents: Mapping[str, Any], title: str) -> str:
    """The HTML of the page. Text from run folders occurs only as JSON and in the title."""
    from plotly.offline import get_plotlyjs

    def read(name: str) -> str:
        return (ASSETS / name).read_text(encoding="utf-8")

    # With its licence, and with the line ends that browsers hash. It defines `Plotly`.
    charts = get_plotlyjs().replace("\r\n", "\n").replace("\r", "\n")
    own = "\n".join(['\n(() => {\n"use strict";', *(read(f"{name}.js") for name in SCRIPTS), "})();\n"])
    digests = [hashlib.sha256(script.encode()).digest() for script in (charts, own)]
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return Template(read("page.html")).substitute(
        policy=POLICY.format(scripts=hashes),
        title=html.escape(title),
        style=read("page.css"),
        contents=to_json(contents),
        charts=charts,
        script=own,
    )


def to_json(contents: Mapping[str, Any]) -> str:
    """ASCII JSON without characters that mean something to HTML; ValueError if a number is not finite."""
    text = json.dumps(contents, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
