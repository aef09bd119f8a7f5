"""Write the tables of the experiments in READMEs and docs/, their figures, and the index of experiments.

    python experiments/tables.py            # after results.jsonl has changed
    python experiments/tables.py --check    # writes nothing; exit status 1 if a table would change

A table is between `<!-- table NAME -->` and `<!-- end -->`, in a README or in docs/. The report.py of an
experiment has `TABLES`, a function from its records to Markdown for each name, and `draw(folder)`, which
draws its figure.
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
    """Write the tables, or check them; return the exit status."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python experiments/tables.py [--check]", file=sys.stderr)
        return 2
    check = bool(arguments)
    reports = {path.parent: _run(path) for path in sorted(HERE.glob("*/report.py"))}
    tables = {
        name: make(records.latest(records.read(folder / "results.jsonl")))
        for folder, report in reports.items()
        for name, make in report["TABLES"].items()
    }
    stale = [readme for readme in _readmes() if _update(readme, tables, check)]
    stale += [INDEX] if _put(INDEX, index(), check) else []
    for readme in stale:
        print(f"{readme.relative_to(HERE.parent)}: {'differs from the records' if check else 'rewritten'}")
    if not check:
        for folder, report in reports.items():
            report["draw"](folder)
    return 1 if check and stale else 0


def index() -> str:
    """Return the text of the index: the question, verdict and command of each experiment."""
    origin = "`python experiments/tables.py` generates this page from the README of each experiment."
    parts = [f"# Experiments\n\n{origin}\n"]
    for readme in sorted(HERE.glob("*/README.md")):
        text = readme.read_text(encoding="utf-8")
        title = text.partition("\n")[0].removeprefix("# ")
        command = next(line for line in text.splitlines() if line.startswith("python "))
        parts.append(f"## [{title}]({readme.parent.name}/README.md)\n")
        parts += [
            f"**{word}.** {found}\n" for word in ("Question", "Verdict") if (found := _paragraph(text, word))
        ]
        parts.append(f"    {command.partition('#')[0].strip()}\n")
    return "\n".join(parts)


def _paragraph(text: str, word: str) -> str:
    """Return the paragraph after a bold word of a README, with links relative to the index."""
    found = text.partition(f"**{word}.** ")[2].partition("\n\n")[0].rstrip("\n")
    return found.replace("](../", "](")


def _run(report: Path) -> dict[str, Any]:
    """Run a report.py, which may import files beside it; return its names."""
    sys.path.insert(0, str(report.parent))
    try:
        return runpy.run_path(str(report))
    finally:
        sys.path.remove(str(report.parent))


def _readmes() -> list[Path]:
    top = HERE.parent
    return [top / "README.md", *sorted(top.glob("docs/*.md")), *sorted(HERE.glob("*/README.md"))]


def _update(readme: Path, tables: dict[str, str], check: bool) -> bool:
    """Write its tables into a README, unless `check`; return whether it differed."""
    new = readme.read_text(encoding="utf-8")
    for name in MARKER.findall(new):
        if name not in tables:
            sys.exit(
                f"{readme.relative_to(HERE.parent)}: no table {name}: must be one of {', '.join(tables)}"
            )
        new = records.replace_table(new, name, tables[name])
    return _put(readme, new, check)


def _put(file: Path, text: str, check: bool) -> bool:
    """Write a text into a file, unless `check`; return whether the file had another text."""
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    if not check:
        file.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
