"""Writes the pages of docs/ that say what the code's own lists hold: the rules of the audit, the
columns of tables that it accepts, label spaces, the corpora's terms, and the schemas of JSON files.

    python -m examples.pages

What stands between two marks, `<!-- begin: ... -->` and `<!-- end -->`, is replaced; the words
around them are written by hand. A test fails where a page is out of date.
"""

import argparse
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from examples.command import ending
from examples.not_ready import NotReady
from examples.places import ROOT
from examples.schemas import SCHEMAS
from manifests.audit import COLUMNS, FLAGS, MEANING_OF, ROLE_OF, RULES
from manifests.corpora.catalog import with_media
from manifests.folds import Role
from manifests.label_maps import LabelSpace
from manifests.label_spaces import SPACES
from stores.atomic import write_bytes

DOCS = ROOT / "docs"
_PART = re.compile(r"(<!-- begin: (?P<name>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_WIDTH = 100

_MEANS = {
    "name": "the clip: its file, path or id",
    "role": "the side: train, valid or test",
    "fold": "the number of the fold; without a column for the side, the part that fold tests",
    "scheme": "the split that the line belongs to, where a table holds several",
    "subject": "who speaks or is shown",
    "group": "what a split must keep together",
    "take": "one recorded performance; all its renderings share it",
    "session": "the recording session",
    "dialogue": "the conversation that the clip is a turn of",
    "utterance": "the number of the turn; with the dialogue it names the clip",
    "season": "with the episode, it names the broadcast",
    "episode": "the broadcast that the clip was cut from",
    "video": "the recording that the clip was cut from",
    "corpus": "whose clip it is, where a table holds several corpora",
    "text": "what is said",
    "label": "the class",
    "sex": "female or male, of who speaks",
    "age": "of who speaks, in years",
    "start_s": "where the clip begins in its episode or dialogue: seconds or h:mm:ss,mmm",
    "end_s": "where it ends there",
    "duration_s": "the length of the clip in seconds",
    "sha256": "the hash of the file",
    "pcm": "the hash of the decoded sound",
    "frames": "the hash of the decoded pictures",
    "channels": "how many channels of sound",
    "rate_hz": "samples of sound per second",
    "fps": "pictures per second",
    "width_px": "the width of the picture",
    "height_px": "the height of the picture",
    "bytes": "the size of the file",
    "window": "the number of a part of the clip: the line is that part",
    "origin": "the clip that this one is a changed copy of",
    "fitted": "yes where a scaler, a selection or a network was fitted on the line",
    "selected": "yes where a model was chosen by the line",
}
"""What a column means (a key of COLUMNS) -> the same in words."""


def rules() -> str:
    """Every rule: what it finds, an example, and what to do."""
    parts = []
    for number, rule in RULES.items():
        words = {"Example.": rule.example, "What to do.": rule.advice}
        lines = [f"## {number}: {rule.title}", f"A finding is `{rule.severity}`. {rule.about}"]
        lines += [f"**{head}** {text}" for head, text in words.items()]
        parts += [lines[0], *map(_wrapped, lines[1:])]
    return "\n\n".join(parts)


def columns() -> str:
    """What each column of a table may be called."""
    called = {key: name for name, key in MEANING_OF.items() if name not in {"name", "role"}}
    rows = [
        (f"`{called[key]}`", _MEANS[key], ", ".join(f"`{name}`" for name in names))
        for key, names in COLUMNS.items()
    ]
    return _table(("`--column`", "what it means", "names, the best first"), rows)


def flags() -> str:
    """Columns of yes and no."""
    rows = [
        (side, ", ".join(f"`{name}`" for name in names.split())) for side, names in FLAGS.items()
    ]
    return _table(("side", "columns of yes and no"), rows)


def sides() -> str:
    """The words for each side."""
    rows = [
        (role.value, ", ".join(f"`{word}`" for word, found in ROLE_OF.items() if found == number))
        for number, role in enumerate(Role)
    ]
    return _table(("side", "words"), rows)


def spaces() -> str:
    """Every label space: its classes, and what becomes of each label of each scheme."""
    return "\n\n".join(map(_of_space, SPACES.values()))


def _of_space(space: LabelSpace) -> str:
    rows = []
    for scheme, mapping in space.sources.items():
        same = [value for value, word in mapping.items() if value == word]
        other = [
            f"{value} to {word}" for value, word in mapping.items() if word not in {value, None}
        ]
        dropped = [value for value, word in mapping.items() if word is None]
        rows.append((f"`{scheme}`", *(", ".join(part) or "-" for part in (same, other, dropped))))
    heads = ("read from", "as they are", "renamed", "left out")
    return f"### `{space.name}`\n\n{_wrapped(', '.join(space.values))}\n\n{_table(heads, rows)}"


def terms() -> str:
    """The terms of every corpus that is built from its files."""
    rows = [(f"`{name}`", corpus.licence) for name, corpus in with_media().items()]
    return _table(("corpus", "its terms, in short"), rows)


PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "rules.md": {"rules": rules},
    "columns.md": {"columns": columns, "flags": flags, "sides": sides},
    "label_spaces.md": {"spaces": spaces},
    "corpora.md": {"terms": terms},
}
"""Page -> name between its marks -> what makes that part."""


def pages() -> dict[Path, str]:
    """Every page and every schema as they are now; NotReady for a page without one of its marks."""
    made = {DOCS / name: _page(DOCS / name, parts) for name, parts in PARTS.items()}
    for name, schema in SCHEMAS.items():
        made[DOCS / "schemas" / name] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return made


def _page(path: Path, parts: Mapping[str, Callable[[], str]]) -> str:
    text = path.read_text("utf-8")
    found = [match["name"] for match in _PART.finditer(text)]
    if sorted(found) != sorted(parts):
        raise NotReady(
            f"docs/{path.name} has the parts {', '.join(found) or '(none)'}, expected each of "
            f"{', '.join(parts)} once"
        )
    return _PART.sub(lambda match: f"{match[1]}\n{parts[match['name']]()}\n\n{match[3]}", text)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(one.replace('|', '/') for one in row)} |" for row in cells)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.pages",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.parse_args(arguments)
    with ending("examples.pages"):
        made = pages()
    for path, text in made.items():
        write_bytes(path, text.encode())
        print(f"{path} written")


if __name__ == "__main__":
    main()
