"""Writes what docs/papers.md has of numbers: each paper's values beside the code's, and the scores
of the sample corpus.

    python -m examples.papers                  what the recipes and trainers have now
    python -m examples.papers --runs OUT       the scores of the runs OUT/NAME/run first

What stands between two marks, `<!-- begin: ... -->` and `<!-- end -->`, is replaced; the words
around them are written by hand. What a paper says is in examples/stated/NAME.toml.
"""

import argparse
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from examples import sample_scores
from examples.command import ending
from examples.not_ready import NotReady
from examples.places import ROOT
from examples.stated_rows import DIFFERENT, Beside, Judged, Open, Row, Stated
from examples.train import RECIPES
from stores.atomic import write_bytes

PAGE = ROOT / "docs" / "papers.md"
_PART = re.compile(r"(<!-- begin: (?P<name>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)

_GLUE = "\N{NO-BREAK SPACE}"


def page(text: str) -> str:
    """The page with every part between marks as it is now; NotReady for a part that nobody makes,
    or that is missing."""
    parts = parts_of_the_page()
    found = [match["name"] for match in _PART.finditer(text)]
    if sorted(found) != sorted(parts):
        raise NotReady(
            f"docs/papers.md has the parts {', '.join(found) or '(none)'}, expected each of "
            f"{', '.join(parts)} once"
        )
    return _PART.sub(lambda match: f"{match[1]}\n{parts[match['name']]}\n\n{match[3]}", text)


def parts_of_the_page() -> dict[str, str]:
    """Name between the marks -> what stands there."""
    each = {name: Beside(name) for name in RECIPES}
    return {
        "sample scores": sample_scores.table(),
        "verdicts": verdicts(each),
        **{name: of_paper(beside) for name, beside in each.items()},
    }


def verdicts(each: Mapping[str, Beside]) -> str:
    """How many rows are the same, differ, and are left open."""
    lines = ["| paper | same | different | left open |", "| --- | --- | --- | --- |"]
    for name, beside in each.items():
        different = sum(one.verdict == DIFFERENT for one in beside.stated)
        same = len(beside.stated) - different
        lines.append(f"| `{name}` | {same} | {different} | {len(beside.open)} |")
    return "\n".join(lines)


def of_paper(beside: Beside) -> str:
    """Title, what is stated, what is left open, and the recipe's open points by number."""
    points = [f"{number}. {_code(text)}" for number, text in enumerate(beside.points, 1)]
    return "\n\n".join(
        (
            _wrapped(beside.title),
            _table(("stage", "the paper", "here", "where", ""), map(_of_stated, beside.stated)),
            "What the paper leaves open:",
            _table(("stage", "here", "where", "why"), map(_of_open, beside.open)),
            "The recipe's open points:",
            "\n".join(map(_wrapped, points)),
        )
    )


def _of_stated(one: Judged[Stated]) -> tuple[str, ...]:
    why = "S" if one.number is None else f"D {one.number}"
    says = f"{one.row.says} ({one.row.section})"
    return one.row.stage, says, _here(one), _where(one), why


def _of_open(one: Judged[Open]) -> tuple[str, ...]:
    return f"{one.row.stage} ({one.row.section})", _here(one), _where(one), str(one.number)


def _here(one: Judged[Row]) -> str:
    value = ""
    if one.place.value is not None:
        value = f"`{one.place.name} = {_written(one.place.value)}`"
    return "; ".join(part for part in (value, one.row.does) if part)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value}"


def _where(one: Judged[Row]) -> str:
    return f"`{one.place.file}:{one.place.line}`"


def _wrapped(text: str) -> str:
    """In lines of at most 100 columns; those after the first are indented as an item of a list has
    them."""
    later = " " * 4 if text[0].isdigit() else ""
    # What is in code stays on one line.
    whole = re.sub(r"`[^`]+`", lambda match: match[0].replace(" ", _GLUE), text)
    lines = textwrap.fill(
        whole, 100, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )
    return lines.replace(_GLUE, " ")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(one.replace('|', '/') for one in row)} |" for row in cells)


def _code(point: str) -> str:
    """An open point whose options are marked as code."""
    return re.sub(r"--set \S+=\S+?(?=[.,;)]?(?:\s|$))", lambda match: f"`{match[0]}`", point)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.papers",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "--runs", type=Path, help="a folder with NAME/run for each recipe that was run"
    )
    given = parser.parse_args(arguments)
    with ending("examples.papers"):
        if given.runs is not None:
            print(f"scores kept: {', '.join(sample_scores.keep(given.runs))}")
        text = page(PAGE.read_text("utf-8"))
    write_bytes(PAGE, text.encode())
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
