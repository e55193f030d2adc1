"""Tables of others: which column is what, which words are which side, and whose clips these are.

Any CSV (also with `;` or tabs), JSON Lines or Parquet table serves that has a column for the clip
and one for the side. Columns are known by their names, in any case and with any blanks, dots or
hyphens in them:

    clip       clip_id clip filename file_name file filepath file_path path wav video audio name key id; or dialogue_id and utterance_id
    side       role split partition subset set usage fold: train, valid, test, or the usual other words for these. Where each of several
               tables is one side, the file's name says which (train_sent_emo.csv)
    fold       fold, fold_id, cv_fold beside a column for the side: the number of the fold that the line belongs to. Without such a column,
               numbers in it are parts: fold i tests part i and trains on all others
    scheme     scheme
    subject    speaker speaker_id subject subject_id actor actor_id spk spk_id
    group, take, session, dialogue, episode (or season and episode), text, label, sex: by these and
    a few usual other names
    times      start, end (also start_s, starttime ...) in seconds or as h:mm:ss,mmm of the episode or dialogue; duration_s
    hashes     sha256 (of the file), pcm_sha256, frames_sha256
    facts      channels, rate_hz, fps, width_px, height_px, bytes
    window     window window_id segment chunk frame: the line is a part of the clip
    origin     origin original augmented_from: the clip that the line's clip is a copy of
    fitted     fitted, used_to_fit: yes where a scaler, a selection or a backbone was fitted on the line
    selected   selected, used_to_select: yes where a model was chosen by the line

Of several names for one thing the one further left counts, and other columns are let be. What the
naming rule of the corpus says of a clip counts before what the table says; labels are the table's.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

COLUMNS: dict[str, tuple[str, ...]] = {
    "name": (
        "clip_id",
        "clip",
        "filename",
        "file_name",
        "file",
        "filepath",
        "file_path",
        "path",
        "wav",
        "video",
        "audio",
        "name",
        "key",
        "id",
    ),
    "role": ("role", "split", "partition", "subset", "set", "usage"),
    "fold": ("fold", "fold_id", "cv_fold"),
    "scheme": ("scheme",),
    "subject": (
        "speaker",
        "speaker_id",
        "subject",
        "subject_id",
        "actor",
        "actor_id",
        "spk",
        "spk_id",
    ),
    "group": ("group", "group_id"),
    "take": ("take", "take_id"),
    "session": ("session", "session_id"),
    "dialogue": (
        "dialogue",
        "dialogue_id",
        "dialog",
        "dialog_id",
        "conversation",
        "conversation_id",
    ),
    "utterance": ("utterance_id", "utt_id"),
    "season": ("season",),
    "episode": ("episode", "episode_id"),
    "text": (
        "text",
        "utterance",
        "transcript",
        "transcription",
        "sentence",
        "statement",
        "text_id",
    ),
    "label": ("label", "emotion", "class", "category"),
    "sex": ("sex", "gender"),
    "start_s": ("start_s", "start", "starttime", "start_time"),
    "end_s": ("end_s", "end", "endtime", "end_time"),
    "duration_s": ("duration_s", "duration", "length_s"),
    "sha256": ("sha256", "file_sha256"),
    "pcm": ("pcm_sha256", "audio_sha256"),
    "frames": ("frames_sha256", "video_sha256"),
    "channels": ("channels",),
    "rate_hz": ("rate_hz", "sample_rate", "sampling_rate"),
    "fps": ("fps",),
    "width_px": ("width_px", "width"),
    "height_px": ("height_px", "height"),
    "bytes": ("bytes", "size_bytes"),
    "window": ("window", "window_id", "segment", "chunk", "frame"),
    "origin": ("origin", "original", "augmented_from"),
    "fitted": ("fitted", "used_to_fit"),
    "selected": ("selected", "used_to_select"),
}
"""What a column means -> the names it is known by, the best first."""

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_DELIMITERS = ",;\t"


class WrongForeignTable(ValueError):
    """A table cannot be audited; the message names file, line and column."""


@dataclass(frozen=True)
class Raw:
    """The columns of one table that are understood, as text."""

    path: Path
    columns: Mapping[str, pa.DictionaryArray]
    """Meaning (a key of COLUMNS) -> cells, null where empty."""
    header: Mapping[str, str]
    """Meaning -> the column's name in the file."""
    lines: Sequence[int]
    """Line of each row in the file; rows of a Parquet table count from 1."""

    @property
    def size(self) -> int:
        return len(self.lines)

    def wrong(self, row: int, meaning: str, what: str) -> WrongForeignTable:
        """An error at one cell."""
        column = self.header.get(meaning)
        return _at(self.path, exact_line(self, row), f"column {column}" if column else None, what)


def read(path: Path) -> Raw:
    """The columns of a table that are understood. WrongForeignTable, with line and column where
    there is one, for what is no table."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise WrongForeignTable(
            f"{path}: the suffix {suffix or '(none)'} is no table's; expected {', '.join(SUFFIXES)}"
        )
    try:
        if suffix == ".parquet":
            return _read_parquet(path)
        return _read_json_lines(path) if suffix in (".jsonl", ".ndjson") else _read_csv(path)
    except OSError as error:
        raise WrongForeignTable(
            f"{path}: the file cannot be read ({error.strerror or error}); check the path and its "
            "permissions"
        ) from error


def recognise(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Meaning -> column, for the columns that are understood."""
    plain: dict[str, str] = {}
    for name in names:
        key = re.sub(r"[^a-z0-9]+", "_", name.strip().casefold()).strip("_")
        if key in plain:
            raise _at(
                path,
                1,
                f"column {name}",
                f"{plain[key]!r} and {name!r} are the same name; remove or rename one of them",
            )
        plain[key] = name
    return {
        meaning: plain[known]
        for meaning, all_known in COLUMNS.items()
        for known in [next((k for k in all_known if k in plain), None)]
        if known
    }


def _read_parquet(path: Path) -> Raw:
    try:
        file = pq.ParquetFile(path)
        header = recognise(path, file.schema_arrow.names)
        table = file.read(columns=list(header.values()))
        columns = {
            meaning: _encoded(_as_text(table.column(name))) for meaning, name in header.items()
        }
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise WrongForeignTable(
            f"{path}: this is no Parquet table that can be read ({_first_line(error)}); write it "
            "again"
        ) from error
    return Raw(path, columns, header, range(1, table.num_rows + 1))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Dictionary of the distinct cells, blanks around them and empty cells taken away."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    plain = pc.utf8_trim_whitespace(encoded.dictionary)
    plain = pc.if_else(pc.equal(plain, ""), pa.scalar(None, pa.string()), plain)
    again = plain.dictionary_encode()  # cells that differ in blanks alone are one
    indices = pc.take(again.indices, encoded.indices)
    return pa.DictionaryArray.from_arrays(indices.cast(pa.int32()), again.dictionary)


def _read_json_lines(path: Path) -> Raw:
    cells: dict[str, list[str | None]] = {}
    header: dict[str, str] = {}
    lines: list[int] = []
    for line, record in _records(path):
        if record.keys() - cells.keys():
            cells |= {name: [None] * len(lines) for name in record if name not in cells}
        lines.append(line)
        for name, column in cells.items():
            value = record.get(name)
            column.append(
                None if value is None else value if isinstance(value, str) else json.dumps(value)
            )
    header = recognise(path, list(cells))
    columns = {
        meaning: _encoded(pa.chunked_array([pa.array(cells[name], pa.string())]))
        for meaning, name in header.items()
    }
    return Raw(path, columns, header, lines)


def _records(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    with path.open("rb") as file:
        for line, data in enumerate(file, 1):
            if not data.strip():
                continue
            try:
                record = json.loads(data)
            except UnicodeDecodeError as error:
                raise _at(
                    path,
                    line,
                    None,
                    f"it is not UTF-8 (byte 0x{data[error.start]:02x}); save the table as UTF-8",
                ) from error
            except json.JSONDecodeError as error:
                raise _at(
                    path,
                    line,
                    f"character {error.colno}",
                    f"it is not JSON ({error.msg}); expected one object a line",
                ) from error
            if not isinstance(record, dict):
                raise _at(
                    path,
                    line,
                    None,
                    f"it is {type(record).__name__}; expected one JSON object a line",
                )
            yield line, record


def _read_csv(path: Path) -> Raw:
    with path.open("rb") as file:
        first = file.readline()
    try:
        text = first.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _at(
            path,
            1,
            None,
            f"it is not UTF-8 (byte 0x{first[error.start]:02x}); save the table as UTF-8",
        ) from error
    delimiter = max(_DELIMITERS, key=text.count)
    names = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    if not names:
        raise _at(path, 1, None, "it is empty; expected a header that names the columns")
    header = recognise(path, names)
    try:
        table = pacsv.read_csv(
            path,
            parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(header.values()),
                column_types={name: pa.string() for name in header.values()},
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _csv_fault(path, delimiter, len(names), names) or WrongForeignTable(
            f"{path}: {_first_line(error)}"
        ) from error
    columns = {meaning: _encoded(table.column(name)) for meaning, name in header.items()}
    return Raw(path, columns, header, range(2, table.num_rows + 2))


def _csv_fault(
    path: Path, delimiter: str, width: int, names: Sequence[str]
) -> WrongForeignTable | None:
    """Where a CSV that did not parse is broken: read once more, slowly."""
    with path.open("rb") as file:
        for line, data in enumerate(file, 1):
            try:
                data.decode("utf-8")
            except UnicodeDecodeError as error:
                at = min(data[: error.start].count(delimiter.encode()), width - 1)
                what = f"it is not UTF-8 (byte 0x{data[error.start]:02x}); save the table as UTF-8"
                return _at(path, line, f"column {names[at]}", what)
    for begun, cells in _csv_rows(path, delimiter):
        if len(cells) != width:
            last = names[min(len(cells), width) - 1]
            return _at(
                path,
                begun,
                f"column {last}",
                f"the line has {len(cells)} cells, expected {width}; mend the line",
            )
    return None


def _csv_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line on which it begins, cells) of every row that is not empty, the header being the first.
    WrongForeignTable for broken quotes."""
    begins = 1
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                if cells:
                    yield begins, cells
                begins = reader.line_num + 1
        except csv.Error as error:
            raise _at(
                path,
                begins,
                None,
                f"a quoted cell is broken ({error}); mend the quotes of this line",
            ) from error


def exact_line(raw: Raw, row: int) -> int:
    """The line on which a row begins: cells of a CSV may hold line ends, so it is counted when an
    error asks for it."""
    if raw.path.suffix.lower() not in (".csv", ".tsv"):
        return raw.lines[row]
    with raw.path.open(encoding="utf-8-sig", errors="replace") as file:
        delimiter = max(_DELIMITERS, key=file.readline().count)
    rows = enumerate(_csv_rows(raw.path, delimiter))
    return next((line for number, (line, _) in rows if number == row + 1), raw.lines[row])


def _at(path: Path, line: int, column: str | None, what: str) -> WrongForeignTable:
    where = "row" if path.suffix.lower() == ".parquet" else "line"
    return WrongForeignTable(f"{path}, {where} {line}{', ' + column if column else ''}: {what}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


_NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?")
_CLOCK = re.compile(r"(?:([0-9]+):)?([0-9]{1,2}):([0-9]{1,2})(?:[.,]([0-9]{1,3}))?")


def seconds(cell: str) -> float | None:
    """A number, or a time of day such as 00:16:16,059 (what follows the comma counts milliseconds),
    in seconds; None for neither."""
    clock = _CLOCK.fullmatch(cell)
    if clock:
        hours, minutes, whole, millis = (int(part or 0) for part in clock.groups())
        return (((hours * 60 + minutes) * 60 + whole) * 1000 + millis) / 1000
    try:
        value = float(cell)
    except ValueError:
        return float(cell.replace(",", ".")) if _NUMBER.fullmatch(cell) else None
    return value if np.isfinite(value) else None
