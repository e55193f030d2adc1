"""Tables of splits by seed: leaky or disjoint by construction, and then with parts of them lost."""

import csv
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HEADERS = {
    "clip": ("clip", "Clip ID", "file", "path", "filename"),
    "subject": ("speaker", "Speaker_ID", "subject", "actor", "spk"),
    "side": ("split", "Set", "partition", "role"),
    "label": ("label", "emotion", "Class"),
    "sex": ("sex", "Gender"),
    "text": ("text", "sentence"),
}
"""What a column is -> headers that it may have."""
_WORDS = {
    "train": ("train", "Training", "trn"),
    "valid": ("valid", "dev", "VAL"),
    "test": ("test", "Testing", "eval"),
}
_UNKNOWN = ("", " ", "unknown", "n/a", "????", "none", "-", "nan", "Unknown ")
_EMOTIONS = ("angry", "happy", "sad")

Row = dict[str, str]


@dataclass
class SplitTable:
    """One split: its rows by what their cells are, and how the tables of it are written."""

    rows: list[Row]
    corpus: str
    headers: dict[str, str]
    lost: list[str] = field(default_factory=list)
    """What was taken away, in words."""
    has_header: bool = True

    def write(self, folder: Path, draw: random.Random) -> list[Path]:
        """Writes the split as one table, or as one for each side."""
        suffix = draw.choice((".csv", ".tsv", ".jsonl")[: 2 + self.has_header])
        if "side" in self.headers and draw.random() < 0.7:
            return [_written(folder / f"split{suffix}", self.rows, self.headers, self.has_header)]
        headers = {part: header for part, header in self.headers.items() if part != "side"}
        paths = []
        for side in dict.fromkeys(row["true side"] for row in self.rows):
            rows = [row for row in self.rows if row["true side"] == side]
            # A column whose cells are all lost in one of the files is not in that file at all.
            kept = {
                part: header
                for part, header in headers.items()
                if any(row[part].strip() for row in rows)
            }
            paths.append(_written(folder / f"{side}{suffix}", rows, kept, self.has_header))
        return paths


def made(seed: int, is_leaky: bool, loses: bool) -> SplitTable:
    """A split by its seed: subjects and clips, each on its side; in a leaky one some cross."""
    draw = random.Random(seed)
    sides = draw.choice((("train", "test"), ("train", "valid"), ("train", "valid", "test")))
    is_ravdess = draw.random() < 0.3
    rows = [*_rows(draw, sides, is_ravdess)]
    if is_leaky:
        _cross(draw, rows, sides[-1])
    draw.shuffle(rows)
    headers = {part: draw.choice(names) for part, names in HEADERS.items()}
    parts = list(headers)
    draw.shuffle(parts)
    corpus = "ravdess" if is_ravdess else "folder"
    table = SplitTable(rows, corpus, {part: headers[part] for part in parts})
    if loses:
        _lose(draw, table)
    return table


def _rows(draw: random.Random, sides: Sequence[str], is_ravdess: bool) -> Iterator[Row]:
    """Two subjects or more on each side, each with some clips."""
    count = draw.randint(2 * len(sides), 12)
    number, words = 0, {side: draw.choice(_WORDS[side]) for side in sides}
    style = draw.choice(("{:02}", "s{}", "Speaker {}"))
    for subject, actor in enumerate(draw.sample(range(1, 25), count)):
        side = sides[subject % len(sides)]
        for take in range(draw.randint(1, 4)):
            number += 1
            emotion = draw.randrange(3)
            plain = f"{draw.choice(('clip', 'take/c'))}{number:04}"
            name = f"03-01-0{3 + emotion}-01-01-0{1 + take % 2}-{actor:02}.wav"
            if is_ravdess and take > 1:
                continue
            yield {
                "clip": name if is_ravdess else plain,
                "subject": f"{actor:02}" if is_ravdess else style.format(actor),
                "side": words[side],
                "true side": side,
                "label": _EMOTIONS[emotion],
                "sex": ("female", "male")[actor % 2],
                "text": f"sentence {number}",
            }


def _cross(draw: random.Random, rows: list[Row], tested: str) -> None:
    """Gives clips of training subjects, or the training clips themselves, to the tested side."""
    words = next(row["side"] for row in rows if row["true side"] == tested)
    training = [row for row in rows if row["true side"] == "train"]
    for row in draw.sample(training, draw.randint(1, min(3, len(training)))):
        copy = {**row, "side": words, "true side": tested}
        if draw.random() < 0.7:
            copy["clip"] = _another(copy["clip"])
        rows.append(copy)


def _another(clip: str) -> str:
    """A clip of the same subject that no other row has: in RAVDESS with the other statement."""
    parts = clip.split("-")
    is_ravdess = len(parts) > 4
    return "-".join([*parts[:4], "02", *parts[5:]]) if is_ravdess else f"{clip}other"


def _lose(draw: random.Random, table: SplitTable) -> None:
    """Takes away columns, headers and cells, at random."""
    if draw.random() < 0.1:
        table.has_header = False
        table.lost.append("the header line")
    for _ in range(draw.randint(1, 4)):
        part = draw.choice(("subject", "subject", "subject", *table.headers))
        if part not in table.headers:
            continue
        how = draw.choice(("column", "header", "cells", "side of a column"))
        table.lost.append(f"{how} {part}")
        if how == "column":
            del table.headers[part]
        elif how == "header":
            table.headers[part] = draw.choice(("x", "unnamed", "column 7", "?"))
            table.headers[part] += str(len(table.lost))
        elif how == "cells":
            share = draw.choice((0.05, 0.5, 1.0))
            for row in table.rows:
                if draw.random() < share:
                    row[part] = draw.choice(_UNKNOWN)
        else:
            side = draw.choice(table.rows)["true side"]
            for row in table.rows:
                if row["true side"] == side:
                    row[part] = ""


def _written(path: Path, rows: Sequence[Row], headers: dict[str, str], has_header: bool) -> Path:
    if path.suffix == ".jsonl" and has_header:
        lines = ({header: row[part] for part, header in headers.items()} for row in rows)
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        if has_header:
            writer.writerow(headers.values())
        writer.writerows([row[part] for part in headers] for row in rows)
    return path
