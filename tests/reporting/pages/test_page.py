"""The page as a file: nothing from a run folder is taken for HTML, and what is bounded stays so."""

import base64
import html.parser
import json
from pathlib import Path

import pytest
from run_folders import write_run

from rnn_jax.reporting.pages import drawn, library, page
from rnn_jax.reporting.pages.collect import collect

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


def test_contents_come_out_as_they_went_in_and_are_no_html() -> None:
    contents = {"name": HOSTILE, HOSTILE: [HOSTILE, 1.5, None]}
    text = page.render(contents, HOSTILE)
    elements = Elements(text)
    assert [tag for tag, _ in elements.found].count("script") == 3
    assert "img" not in [tag for tag, _ in elements.found]
    assert json.loads(elements.scripts[0]) == contents
    written = page.as_json(contents)
    assert written.isascii()
    assert not set("<>&") & set(written)


def test_a_page_of_names_that_no_encoding_has_is_written(tmp_path: Path) -> None:
    size = page.write({"name": HOSTILE}, HOSTILE, tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size == size
    assert list(tmp_path.iterdir()) == [tmp_path / "page.html"]


def test_only_numbers_that_json_has() -> None:
    with pytest.raises(ValueError, match="JSON"):
        page.as_json({"value": float("nan")})


def test_nothing_is_fetched_and_no_other_script_runs() -> None:
    text = page.render({}, "title")
    elements = Elements(text)
    policy = next(a["content"] for tag, a in elements.found if "http-equiv" in a) or ""
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert rules["script-src"].count("sha256-") == 2
    assert not any("src" in attributes for _, attributes in elements.found)
    assert {a.get("href") for _, a in elements.found} <= {None, "data:,"}


def test_the_library_is_whole_and_has_its_licence() -> None:
    script = library.script()
    assert "Licensed under the MIT license" in script[:300]
    assert script in page.render({}, "title")
    assert "</script" not in script
    assert "<!--" not in script


def test_pictures_and_matrices_and_samples_have_bounds(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    matrix = [[row * 100 + column for column in range(100)] for row in range(100)]
    counts = {"classes": [f"class {n}" for n in range(100)], "matrix": matrix, "split": "test", "step": 7}
    (folder / "confusion.json").write_text(json.dumps(counts))
    (folder / "mistakes.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    run = collect([folder]).runs[0]
    found = drawn.confusion(run, drawn.Room(10_000))
    assert len(found["classes"]) == len(found["matrix"]) == drawn.MOST_CLASSES
    assert "most mistaken of 100 classes" in found["told"]
    labels = [int(name.partition(" ")[2]) for name in found["classes"]]
    assert found["matrix"][3][5] == matrix[labels[3]][labels[5]]
    assert "Not in this page" in drawn.confusion(run, drawn.Room(3_599))["note"]
    picture = drawn.mistakes(run, drawn.Room(1008))["picture"]
    assert base64.b64decode(picture.partition(",")[2]) == (folder / "mistakes.png").read_bytes()
    assert "Not in this page" in drawn.mistakes(run, drawn.Room(1007))["note"]


@pytest.mark.parametrize(("task", "note"), [("classification", "evaluate"), ("language_modelling", None)])
def test_only_what_names_classes_is_told_to_be_evaluated(task: str, note: str | None, tmp_path: Path) -> None:
    folder = write_run(tmp_path, {"task.name": task})
    (folder / "checkpoints" / "00001000").mkdir(parents=True)
    assert drawn.confusion(collect([folder]).runs[0], drawn.Room(1)).get("note") == note


def test_what_cannot_be_evaluated_is_not_told_to_be(tmp_path: Path) -> None:
    """`--mode eval` ends with status 4 where there is no best checkpoint."""
    folder = write_run(tmp_path)
    assert "keeps no checkpoint" in drawn.confusion(collect([folder]).runs[0], drawn.Room(1))["note"]
    (folder / "checkpoints").mkdir()
    assert "keeps no checkpoint" in drawn.confusion(collect([folder]).runs[0], drawn.Room(1))["note"]
    (folder / "checkpoints" / "00001000").mkdir()
    folder = write_run(tmp_path, status="diverged", summary={"best": None})
    assert "no best checkpoint" in drawn.confusion(collect([folder]).runs[0], drawn.Room(1))["note"]


def test_samples_are_the_latest_ones(tmp_path: Path) -> None:
    text = "".join(f"── step {step:,} ──\nat {step}\n\n" for step in range(500, 10_500, 500))
    (write_run(tmp_path) / "samples.txt").write_text(text)
    found = drawn.samples(collect([tmp_path]).runs[0], drawn.Room(10_000))["texts"]
    assert found[0] == ("step 10,000", "at 10000")
    assert len(found) == drawn.MOST_SAMPLES + 1
    assert found[-1] == ("and 10 earlier, in samples.txt", "")
