"""Any folder of clips, whose subjects and labels come from `labels.csv` or from its folders' names.

`labels.csv` lies at the root of the folder.

Without labels.csv, the folder that a clip lies in is its label, and the folders above that are its
subject:

    root/clip.mp4                     no subject, no label
    root/happy/clip.mp4               label happy, no subject
    root/anna/happy/clip.mp4          label happy, subject anna
    root/site2/anna/happy/clip.mp4    label happy, subject site2/anna

A single level is read as the label, never as the subject: where that guess is wrong no split can be
made, whereas the opposite guess would make splits that look subject-disjoint and are not.

With labels.csv the folders' names mean nothing. It is UTF-8 text, cells separated by commas, one
header line, one line a clip:

    clip      needed. The path below the root with or without its suffix, or the file's name alone
              where no other clip has that name
    subject   who speaks
    label     what was felt, acted or voted
    sex       female or male
    group     what a split must keep together; without it, the subject
    take      one recorded performance, shared by all its renderings; without it, the clip's path
              without suffix
    licence   under which terms the clip may be passed on, in a sentence; a label of the scheme
              folder_licence

Every column but `clip` may be left out, and every cell but those of `clip` may be empty. A clip
without a line has no subject and no label. What the file cannot mean (an unknown column, an unknown
clip, two lines for one clip, a broken line) is refused, never skipped.

A cell that stands for nothing (`nan`, `NA`, `-` and their like; for a subject, group or take also
`none` and `unknown`) is taken as empty, and a warning says which and where. `none` as a label is a
class. Labels, subjects and groups that differ in case, blanks or leading zeros alone are refused:
`Happy` and `happy` would be two classes, `S1` and `s1` two people, one of them in the test. Both is
so for folders' names too.
"""

import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from manifests.corpora.base import BY_CORPUS, Corpus, Found, Identity, clip_of, refused
from manifests.corpora.media_files import MediaFile, list_media
from manifests.corpora.spellings import MISSING, NOBODY, places, plain, two_spellings
from manifests.corpora.text_files import csv_lines, read_text
from manifests.labels import Label

LABELS_FILE = "labels.csv"
LICENCE = "folder_licence"
"""The label scheme that says under which terms a clip is, in the words of the column `licence`."""
_COLUMNS = ("clip", "subject", "label", "sex", "group", "take", "licence")
_SEXES = ("female", "male")
_WORDS = {"label": "classes", "subject": "people", "group": "groups"}
"""Columns whose words are compared with each other -> what two spellings of one would make."""
_log = logging.getLogger("affectstore")


class WrongLabels(ValueError):
    """labels.csv cannot be taken as it is; the message names file, line and column."""


@dataclass(frozen=True)
class _Facts:
    """What is known of one clip beside its file; each is None where nothing is said."""

    subject: str | None = None
    label: str | None = None
    sex: str | None = None
    group: str | None = None
    take: str | None = None
    licence: str | None = None


@dataclass(frozen=True, eq=False)
class Folder(Corpus):
    """Any tree of clips; see the module's text for subjects and labels.

    `clip_id` is `folder/` and the path below the root without its suffix. Files that differ in the
    suffix alone keep it in their ids, and share a `take_id`: they are taken for renderings of one
    performance.
    """

    def find(self, root: Path) -> Iterator[Found]:
        """Finds all clips below a folder, in any order; see `scan`.

        Args:
            root: The folder.

        Yields:
            The clips.

        Raises:
            WrongLabels: labels.csv cannot be taken as it is.
        """
        media = list_media(root, self.name)
        sound = [file for file in media if not file.fault]
        facts, ids = _facts(root, sound), _ids(sound)
        for file in media:
            if file.fault:
                yield refused(self.name, file, *file.fault)
            else:
                yield self._found(file, ids[file.path], facts.get(file.path, _Facts()))

    def identify(self, name: str) -> None:
        """None, whatever the name: a folder has no naming rule.

        Args:
            name: Any name.
        """

    def _found(self, file: MediaFile, plain_id: str, facts: _Facts) -> Found:
        identity = Identity(
            f"{self.name}/{plain_id}",
            subject_id=self._id(facts.subject),
            group_id=self._id(facts.group or facts.subject),
            take_id=f"{self.name}/{facts.take or file.without_suffix}",
            sex=facts.sex,
        )
        clip = clip_of(identity, self.name, file.path)
        said = {"folder": facts.label, LICENCE: facts.licence}
        labels = (Label(clip.clip_id, name, BY_CORPUS, value or "") for name, value in said.items())
        return Found(clip, tuple(label for label in labels if label.value))

    def _id(self, plain: str | None) -> str | None:
        return f"{self.name}/{plain}" if plain else None


def _ids(files: Sequence[MediaFile]) -> dict[str, str]:
    """Path -> id, unique: the path without suffix, or with it where others would have the same."""
    paths = {file.path for file in files}
    count = Counter(file.without_suffix for file in files)
    return {
        file.path: file.path
        if count[file.without_suffix] > 1 or file.without_suffix in paths
        else file.without_suffix
        for file in files
    }


def _facts(root: Path, files: Sequence[MediaFile]) -> dict[str, _Facts]:
    """Path -> facts, from labels.csv or from the folders' names."""
    table = root / LABELS_FILE
    if not os.path.lexists(table):
        facts = {file.path: _from_folders(file.path) for file in files}
        return _without_missing(facts, {path: path for path in facts}, root, "clip")
    if not table.resolve().is_relative_to(root.resolve()):
        raise WrongLabels(
            f"{table} is a link to {table.resolve()}, outside the corpus; copy the file into the "
            "corpus"
        )
    return _LabelsFile(table, files).facts()


def _from_folders(path: str) -> _Facts:
    *above, label, _ = ("", *path.split("/"))
    return _Facts(subject="/".join(above).strip("/") or None, label=label or None)


Place = TypeVar("Place", int, str)


def _without_missing(
    facts: Mapping[str, _Facts], where: Mapping[str, Place], source: Path, what: str
) -> dict[str, _Facts]:
    """Empties the cells that stand for nothing, says which, and refuses words in two spellings.

    Args:
        facts: Path -> facts, as they are written.
        where: Path -> where its facts are written.
        source: What they were read from.
        what: What the places in it are, such as `line`.

    Returns:
        Path -> facts.

    Raises:
        WrongLabels: Two labels, subjects or groups differ in case, blanks or zeros alone.
    """
    words: dict[str, dict[str, list[Place]]] = {column: {} for column in _COLUMNS[1:]}
    for path, given in facts.items():
        for column, cell in vars(given).items():
            if cell is not None:
                words[column].setdefault(cell, []).append(where[path])
    missing = {
        (column, cell): of_column.pop(cell)
        for column, of_column in words.items()
        for cell in sorted(of_column)
        if plain(cell) in (MISSING if column in {"label", "sex"} else NOBODY)
    }
    for column, several in _WORDS.items():
        if pairs := two_spellings(words[column], what):
            raise WrongLabels(
                f"{source}: one {column} is written in several ways: {pairs}; they would be "
                f"different {several}, so write each in one way, or make their names "
                "differ in more than case, blanks and zeros"
            )
    if not missing:
        return dict(facts)
    listed = "; ".join(
        f"{column} {cell!r} ({places(found, what)})" for (column, cell), found in missing.items()
    )
    _log.warning(
        "%s: taken as empty: %s; write another word where one of them is meant", source, listed
    )
    return {
        path: _Facts(**{name: None if (name, cell) in missing else cell for name, cell in cells})
        for path, cells in ((path, vars(given).items()) for path, given in facts.items())
    }


@dataclass(frozen=True)
class _LabelsFile:
    """A labels.csv, and the files that its lines may name."""

    path: Path
    files: Sequence[MediaFile]
    names: dict[str, set[str]] = field(init=False)
    """Every way to name a file (in Unicode form NFC, as some systems store names decomposed) -> the
    paths it may mean."""

    def __post_init__(self) -> None:
        names: dict[str, set[str]] = {}
        for file in self.files:
            for name in (file.path, file.without_suffix, file.name, file.stem):
                names.setdefault(_nfc(name), set()).add(file.path)
        object.__setattr__(self, "names", names)

    def facts(self) -> dict[str, _Facts]:
        facts: dict[str, _Facts] = {}
        lines: dict[str, int] = {}
        for line, cells in self._lines():
            path = self._find(line, cells.get("clip", ""))
            if path in facts:
                raise self._wrong(
                    f"line {line}, column clip: {path} has a line already (line {lines[path]}); "
                    "keep one of the two"
                )
            facts[path], lines[path] = self._cells(line, cells), line
        return _without_missing(facts, lines, self.path, "line")

    def _lines(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        """(line number, column -> cell) of every line that is not empty."""
        return csv_lines(
            self.path,
            read_text(self.path, WrongLabels, "a table of the clips"),
            WrongLabels,
            self._check_header,
            "expected a header line with the column clip, or remove the file",
            "check the quotes in and before it",
        )

    def _check_header(self, line: int, cells: list[str]) -> None:
        known = ", ".join(_COLUMNS)
        for column, count in Counter(cells).items():
            if column not in _COLUMNS:
                commas = " and separate the cells by commas"
                hint = commas if ";" in column or "\t" in column else ""
                raise self._wrong(
                    f"line {line} has the unknown column {column!r}; use only {known}{hint}"
                )
            if count > 1:
                raise self._wrong(
                    f"line {line} has the column {column} {count} times; keep one of them"
                )
        if "clip" not in cells:
            raise self._wrong(f"line {line} has no column clip; it must name each clip's file")

    def _find(self, line: int, name: str) -> str:
        where = f"line {line}, column clip"
        if not name:
            raise self._wrong(f"{where} is empty; write the clip's path below the folder")
        if name.startswith("/") or ".." in name.split("/"):
            raise self._wrong(
                f"{where}: {name!r} leads out of the folder; write the clip's path below the folder"
            )
        wanted = _nfc(name.removeprefix("./"))
        means = self.names.get(wanted, set())
        exact = {path for path in means if _nfc(path) == wanted}
        if len(exact or means) == 1:
            return next(iter(exact or means))
        if means:
            listed = ", ".join(sorted(means)[:3])
            raise self._wrong(
                f"{where}: {name!r} can mean {len(means)} clips ({listed}); write the whole path "
                "with its suffix"
            )
        hint = " with / between folders" if "\\" in name else ""
        raise self._wrong(
            f"{where}: there is no clip {name!r}; correct the path{hint}, or remove the line"
        )

    def _cells(self, line: int, cells: Mapping[str, str]) -> _Facts:
        sex = cells.get("sex") or None
        if sex not in (None, *_SEXES) and plain(sex) not in MISSING:
            raise self._wrong(
                f"line {line}, column sex: found {sex!r}; expected female, male or nothing"
            )
        return _Facts(**{column: cells.get(column) or None for column in _COLUMNS[1:]})

    def _wrong(self, what: str) -> WrongLabels:
        return WrongLabels(f"{self.path}: {what}")


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


FOLDER = Folder(
    name="folder",
    licence="Not known: the terms are those of whoever owns the clips.",
    label_schemes=("folder", LICENCE),
    has_own_names=False,
    own_files=(LABELS_FILE,),
)
