"""The page as a file: content from run folders is never HTML, and nothing is loaded from elsewhere."""

import html.parser
import json
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs

from rnn_jax.reporting.pages import page

HOSTILE = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>\u2028\u2029&amp;\udcff\0"


class Elements(html.parser.HTMLParser):
    """The elements of a page, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script":
            self.scripts[-1] += data


def test_contents_survive_and_are_no_html() -> None:
    contents = {"name": HOSTILE, HOSTILE: [HOSTILE, 1.5, None]}
    text = page.render(contents, HOSTILE)
    elements = Elements(text)
    assert [tag for tag, _ in elements.found].count("script") == 3
    assert "img" not in [tag for tag, _ in elements.found]
    assert json.loads(elements.scripts[0]) == contents
    written = page.to_json(contents)
    assert written.isascii()
    assert not set("<>&") & set(written)


def test_names_without_an_encoding_are_written(tmp_path: Path) -> None:
    size = page.write({"name": HOSTILE}, HOSTILE, tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size == size
    assert list(tmp_path.iterdir()) == [tmp_path / "page.html"]


def test_only_finite_numbers_are_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        page.to_json({"value": float("nan")})


def test_nothing_is_loaded_and_no_other_script_runs() -> None:
    text = page.render({}, "title")
    elements = Elements(text)
    policy = next(a["content"] for tag, a in elements.found if "http-equiv" in a) or ""
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert rules["script-src"].count("sha256-") == 2
    assert not any("src" in attributes for _, attributes in elements.found)
    assert {a.get("href") for _, a in elements.found} <= {None, "data:,"}


def test_the_charts_library_is_complete_with_its_licence() -> None:
    script = get_plotlyjs()
    assert "Licensed under the MIT license" in script[:300]
    assert script in page.render({}, "title")
    assert "</script" not in script
    assert "<!--" not in script
