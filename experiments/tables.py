"""Rewrites the tables in READMEs from the experiments' results.jsonl, their figures, and the index of them.

    python experiments/tables.py            # after results.jsonl has changed
    python experiments/tables.py --check    # changes nothing; exit status 1 if a table would change

A table stands between `<!-- table NAME -->` and `<!-- end -->`, in a README or in docs/. An experiment's
report.py has `TABLES`, for each name a function of its records, and `draw(folder)`, which draws its figure.
"""

import re
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import records

HERE = Path(__file__).resolve().parent
INDEX = HERE / "README.md"
MARKER = re.compile(r"<!-- table (\S+) -->")


def main(arguments: Sequence[str]) -> int:
    """Writes or checks; returns the exit status."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python experiments/tables.py [--check]", file=sys.stderr)
        return 2
    check = bool(arguments)
    reports = {path.parent: _run(path) for path in sorted(HERE.glob("*/report.py"))}
    tables = {
        name: make(records.read(folder / "results.jsonl"))
        for folder, report in reports.items()
        for name, make in report["TABLES"].items()
    }
    stale = [readme for readme in _readmes() if _update(readme, tables, check)]
    stale += [INDEX] if _put(INDEX, index(), check) else []
    for readme in stale:
        print(f"{readme.relative_to(HERE.parent)}: {'not what the records say' if check else 'rewritten'}")
    if not check:
        for folder, report in reports.items():
            report["draw"](folder)
    return 1 if check and stale else 0


def index() -> str:
    """The text of the index: of each experiment its question, its verdict and its command."""
    parts = ["# Experiments\n\nMade by `python experiments/tables.py` of what stands in each folder.\n"]
    for readme in sorted(HERE.glob("*/README.md")):
        text = readme.read_text(encoding="utf-8")
        title = text.partition("\n")[0].removeprefix("# ")
        command = next(line for line in text.splitlines() if line.startswith("python "))
        parts.append(f"## [{title}]({readme.parent.name}/README.md)\n")
        parts += [
            f"**{word}.** {said}\n" for word in ("Question", "Verdict") if (said := _paragraph(text, word))
        ]
        parts.append(f"    {command.partition('#')[0].strip()}\n")
    return "\n".join(parts)


def _paragraph(text: str, word: str) -> str:
    """What a README says behind a bold word, to the end of the paragraph."""
    return text.partition(f"**{word}.** ")[2].partition("\n\n")[0]


def _run(report: Path) -> dict[str, Any]:
    """Runs a report.py, which may import what lies beside it."""
    sys.path.insert(0, str(report.parent))
    try:
        return runpy.run_path(str(report))
    finally:
        sys.path.remove(str(report.parent))


def _readmes() -> list[Path]:
    top = HERE.parent
    return [top / "README.md", *sorted(top.glob("docs/*.md")), *sorted(HERE.glob("*/README.md"))]


def _update(readme: Path, tables: dict[str, str], check: bool) -> bool:
    """Puts its tables into a README (`check`: leaves it); says whether it was not as it should be."""
    new = readme.read_text(encoding="utf-8")
    for name in MARKER.findall(new):
        if name not in tables:
            sys.exit(f"{readme.relative_to(HERE.parent)}: no table {name}; there are {', '.join(tables)}")
        new = records.replace_table(new, name, tables[name])
    return _put(readme, new, check)


def _put(file: Path, text: str, check: bool) -> bool:
    """Writes a text into a file (`check`: does not); says whether it was another."""
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    if not check:
        file.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
