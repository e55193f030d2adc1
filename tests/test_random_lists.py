"""Random lists in random forms: the sides of all clips are read as meant, whatever the form."""

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.audit import read_published
from manifests.audit.foreign_folds import folds_of
from manifests.audit.foreign_lines import ForeignLines
from manifests.audit.listing import TEST, TRAIN, VALID

WORDS = {
    TRAIN: ("train", "training", "trn", "tr", "Train", "TRAIN", "train_set", "apprentissage"),
    VALID: ("valid", "val", "dev", "validation", "Dev", "devel"),
    TEST: ("test", "tst", "te", "eval", "Test", "testing"),
}
EMOTIONS = ("happy", "sad", "angry", "neutral", "fear")
HEADERS = {
    "name": ("filename", "path", "file", "wav", "clip", "Clip_ID", "audio_path", "utt"),
    "label": ("emotion", "label", "emo", "Emotion"),
    "count": ("foo", "n_frames", "score"),
    "duration": ("duration", "len_x"),
    "side": ("split", "set", "partition", "usage", "mode", "subset"),
}
SPEAKERS = ("spk{:02}", "{}", "Actor_{:02}", "F{}")
NAMES = (
    "{speaker}/{speaker}_{n:04}.wav",
    "{speaker}_{n:04}",
    "/data/x/{speaker}/{n}.mp4",
    "wavs\\{speaker}\\{n}.wav",
    "{speaker}-{n:03}-a.flac",
    "{n:05}",
    "dia{dialogue}_utt{utterance}",
)
DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": " ", ".lst": ";"}
ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16")
Columns = dict[str, list[str]]


def drawn_columns(draw: random.Random) -> tuple[Columns, list[int]]:
    """What each clip is written with, in random order of the columns; and the side of each."""
    count, form, labels = draw.choice((12, 30, 60)), draw.choice(NAMES), draw.choice((0, 1))
    sides = [TRAIN, VALID, TEST] + [
        draw.choice((TRAIN, TRAIN, VALID, TEST)) for _ in range(3, count)
    ]
    if draw.random() < 0.4:
        sides = [TEST if side == TEST else TRAIN for side in sides]
    speakers = [draw.choice(SPEAKERS).format(number) for number in range(8)]
    names = [
        form.format(speaker=draw.choice(speakers), n=n, dialogue=n // 5, utterance=n % 5)
        for n in range(count)
    ]
    emotions = [draw.randrange(len(EMOTIONS)) for _ in names]
    columns = {
        "name": names,
        "label": [EMOTIONS[one] if labels else str(one) for one in emotions],
        "count": [str(draw.randrange(10**6)) for _ in names],
        "duration": [f"{draw.uniform(0, 5):.3f}" for _ in names],
    }
    left_out = draw.sample(("label", "count", "duration"), draw.randrange(4))
    kept = [name for name in columns if name not in left_out]
    draw.shuffle(kept)
    return {name: columns[name] for name in kept}, sides


def write(path: Path, columns: Columns, header: list[str] | None, draw: random.Random) -> None:
    """Writes a table in a random form."""
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    suffix = draw.choice((*DELIMITERS, ".json", *((".jsonl", ".parquet") if header else ())))
    path = path.with_name(path.name + suffix)
    if suffix in DELIMITERS:
        lines = [DELIMITERS[suffix].join(row) for row in ([header] if header else []) + rows]
        path.write_bytes("\n".join(lines).encode(draw.choice(ENCODINGS)))
    elif header is None:
        path.write_text(json.dumps(rows if len(columns) > 1 else [name for (name,) in rows]))
    elif suffix == ".parquet":
        pq.write_table(pa.table(dict(zip(header, columns.values(), strict=True))), path)
    else:
        records = [dict(zip(header, row, strict=True)) for row in rows]
        lines = [json.dumps(record) for record in records]
        path.write_text("\n".join(lines) if suffix == ".jsonl" else json.dumps({"data": records}))


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_sides_are_read_as_meant_whatever_the_form(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 20):
        draw = random.Random(seed)
        columns, sides = drawn_columns(draw)
        words = {side: draw.choice(some) for side, some in WORDS.items()}
        folder = tmp_path / str(seed)
        folder.mkdir()
        if draw.random() < 0.5:
            columns["side"] = [words[side] for side in sides]
        has_header = draw.random() < 0.6
        header = [draw.choice(HEADERS[name]) for name in columns] if has_header else None
        if "side" in columns:
            write(folder / "list", columns, header, draw)
        else:
            form = draw.choice(("{}", "data_{}", "{}_list", "split_{}_final"))
            for side in {*sides}:
                of_side = {
                    name: [cell for cell, its in zip(cells, sides, strict=True) if its == side]
                    for name, cells in columns.items()
                }
                write(folder / form.format(words[side]), of_side, header, draw)
        tables = read_published([folder])
        lines = ForeignLines(tables)
        (fold,) = folds_of(lines, None)
        names = lines.name.values[lines.name.codes[fold.rows]]
        found = sorted(zip(names, fold.role.tolist(), strict=True))
        said = f"seed {seed}: {tables[0].understood}"
        assert found == sorted(zip(columns["name"], sides, strict=True)), said
        assert lines.has("label") == ("label" in columns), said
