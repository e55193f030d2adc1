"""Puts what a run of the bench printed into `docs/performance.md`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- the table: make bench -->", "<!-- end of the table -->"


def put_table(page: Path, machine: Mapping[str, str], lines: Sequence[str]) -> None:
    """Replace what stands between the two marks of a page. ValueError where it has none."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no line {BEGIN} with {END} after it; write both into it")
    head = ", ".join(f"{name} {value}" for name, value in machine.items())
    shown = "\n".join(["```", *lines, "```"])
    page.write_text(f"{before}{BEGIN}\n{head}:\n\n{shown}\n{END}{after}", encoding="utf-8")
