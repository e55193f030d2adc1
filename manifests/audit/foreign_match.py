"""Foreign tables matched to corpora: whose clip each line is, and what is known of it."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from manifests.audit.foreign_folds import folds_of
from manifests.audit.foreign_lines import ForeignLines, pair
from manifests.audit.foreign_names import Derivation, UnnamedClips, identify_name
from manifests.audit.foreign_owner import Owners, find_owners
from manifests.audit.foreign_people import one_people
from manifests.audit.foreign_subjects import Evidence, people_of
from manifests.audit.foreign_table import ForeignTable
from manifests.audit.listing import IDENTITY_FIELDS, NUMBERS, TEST, TRAIN, VALID, Listing
from manifests.audit.name_columns import NameColumn
from manifests.audit.proposals import propose
from manifests.corpora.base import Corpus, Identity
from manifests.corpora.folder import FOLDER
from manifests.corpora.worlds import person_of

_LONGEST_LIST = 20_000
"""Clips; a list that papers use is shorter."""
_TRIED = 300
"""Names that are tried until one is of a corpus."""
_SPLITS = {TRAIN: "train", VALID: "dev", TEST: "test"}
"""The folder that a side's clips lie in, for corpora whose ids restart in each split."""
_IDS = ("group", "take", "session", "dialogue", "episode", "series", "video")
"""Columns of a table that hold ids, which are the corpus's own."""
_OF_WORLD = ("subject", "episode")
"""Columns of ids that are the same in all corpora of one world."""
_UNITS = {**IDENTITY_FIELDS, "window": "window", "copy": "copy", "label": "label"}


def match_foreign(
    tables: Sequence[ForeignTable],
    corpora: Mapping[str, Corpus],
    corpus: str | None = None,
    scheme: str | None = None,
) -> Listing:
    """Lists all lines of the tables of one split, with what is known of their clips.

    Args:
        tables: One table, or one for each side.
        corpora: The known corpora by name.
        corpus: Whose clips they are, or several corpora with commas between; None: of the corpus
            whose naming rule most names follow, or of none that is known.
        scheme: The only scheme whose folds are wanted; None for all.

    Returns:
        The listing.

    Raises:
        WrongForeignTable: One sentence with file, line and column, for missing columns, names of
            several corpora, an unknown side, or numbers that are none.
    """
    lines = ForeignLines(tables)
    owners = find_owners(lines, corpora, corpus)
    known = _identify(lines, owners)
    units, notes = _Units(lines, owners, known).all()
    listing = Listing(
        lines.title,
        tuple(one.name for one in owners.corpora),
        units,
        folds=folds_of(lines, scheme),
        numbers={name: lines.numbers(name) for name in NUMBERS if lines.has(name)},
        flags={name: lines.flag(name) for name in ("fitted", "selected") if lines.has(name)},
        text_shared=_text_shared(lines, owners),
        notes=(*owners.notes, *_about(owners, units), *known.notes, *notes),
    )
    return replace(listing, notes=(*listing.notes, *propose(listing, lines.name)))


def _about(owners: Owners, units: Mapping[str, NameColumn]) -> list[str]:
    """Which of the lists that papers use the lines of a corpus are."""
    clip = units.get("clip")
    if clip is None or len(clip.values) > _LONGEST_LIST:
        return []
    codes = (clip.codes[owners.of_line == number] for number in range(len(owners.corpora)))
    said = (
        owner.about_list([str(clip.values[code]) for code in np.unique(mine[mine >= 0])])
        for owner, mine in zip(owners.corpora, codes, strict=True)
    )
    return [sentence for sentence in said if sentence]


def _text_shared(lines: ForeignLines, owners: Owners) -> str:
    if lines.has("text"):
        return "say, word for word, a text"
    return owners.corpora[0].text_shared


_FIELDS = (*(field.name for field in fields(Identity)), "window", "copy")


class _Factorizer:
    """Factorises as values come, so that a million identities are never in memory at once."""

    def __init__(self, size: int) -> None:
        self._codes, self._known = array("i", [-1]) * size, dict[str, int]()

    def put(self, place: int, value: str) -> None:
        self._codes[place] = self._known.setdefault(value, len(self._known))

    def names(self, codes: NDArray[np.integer]) -> NameColumn:
        mine = np.append(np.frombuffer(self._codes, np.int32), np.int32(-1))
        return NameColumn(mine[codes], np.asarray([*self._known, None], dtype=object)[:-1])


@dataclass(frozen=True)
class _Identified:
    """What the naming rules say of all lines."""

    columns: Mapping[str, NameColumn]
    """Field of Identity, or window, or copy -> column."""
    notes: tuple[str, ...]
    unnamed: UnnamedClips


def _identify(lines: ForeignLines, owners: Owners) -> _Identified:
    names, lists_clips = _distinct(lines, owners), lines.unit == "name"
    columns = {name: _Factorizer(len(names.values)) for name in _FIELDS}
    strangers: dict[int, list[int]] = {}
    unnamed = UnnamedClips()
    for code, value in enumerate(names.values):
        number, _, name = str(value).partition(" ")
        owner = owners.corpora[int(number)]
        known = identify_name(owner, name)
        if known is None:
            known = unnamed.of(owner, name) if lists_clips else _NOTHING
            if lists_clips and owner is not FOLDER:
                strangers.setdefault(int(number), []).append(code)
        for facts in known:
            for field, fact in vars(facts).items():
                if fact is not None:
                    columns[field].put(code, fact)
    notes = [
        _strangers(lines, names, owners.corpora[number], codes)
        for number, codes in strangers.items()
    ]
    read = {field: column.names(names.codes) for field, column in columns.items()}
    return _Identified(read, tuple(notes), unnamed)


def _distinct(lines: ForeignLines, owners: Owners) -> NameColumn:
    """The distinct names with the number of their corpus, and their split where ids restart."""
    numbers = np.asarray([str(number) for number in range(len(owners.corpora))], dtype=object)
    names = lines.name
    if lines.role is not None:
        restart = [_restarts(owner, names) for owner in owners.corpora]
        if any(restart):
            splits = np.asarray([_SPLITS[side] for side in range(3)], dtype=object)
            of_line = np.asarray(restart)[owners.of_line]
            sides = np.where(of_line, lines.role, -1).astype(np.int32)
            names = pair(NameColumn(sides, splits), names, "{}/{}").or_else(names)
    return pair(NameColumn(owners.of_line, numbers), names, "{} {}")


def _restarts(owner: Corpus, names: NameColumn) -> bool:
    """A name alone means one clip in each split; the first that is one of the corpus tells."""
    for name in map(str, names.values[:_TRIED]):
        train, test = (owner.identify(f"{split}/{name}") for split in ("train", "test"))
        if train is not None and test is not None:
            return train.clip_id != test.clip_id
    return False


_NOTHING = (Identity(None, None, None, None), Derivation())  # type: ignore[arg-type]


def _strangers(lines: ForeignLines, names: NameColumn, owner: Corpus, codes: Sequence[int]) -> str:
    """Counts the rows whose names break the rule of their corpus."""
    rows = np.flatnonzero(np.isin(names.codes, codes))
    name = str(lines.name.values[lines.name.codes[rows[0]]])
    if len(rows) == lines.size:
        what = f"breaks the naming rule of {owner.name}; expected names of that corpus"
        raise lines.wrong(0, lines.unit, f"{name!r} {what}")
    several = f"{len(rows)} rows' names do" if len(rows) > 1 else "1 row's name does"
    return (
        f"{several} not follow the naming rule of {owner.name}, such as {name[:80]!r} "
        f"({lines.place(int(rows[0]))}): nothing is known of these clips but what the table says"
    )


class _Units:
    """Every column of names, from the naming rules and, where these are silent, from the table."""

    def __init__(self, lines: ForeignLines, owners: Owners, known: _Identified) -> None:
        self._lines, self._owners, self._known = lines, owners, known
        several = len(owners.corpora) > 1
        self._worlds = [one.world if several and one.world else one.name for one in owners.corpora]

    def all(self) -> tuple[dict[str, NameColumn], list[str]]:
        """All columns that are known of, and what was taken for what, each in a sentence."""
        lines = self._lines
        units = {unit: self._known.columns[field] for unit, field in _UNITS.items()}
        units |= {unit: self._moved(unit, units[unit]) for unit in _OF_WORLD}
        for unit in (*_IDS, "sex", "window"):
            if lines.has(unit):
                units[unit] = units[unit].or_else(self._written(unit))
        # Texts are compared as they are written; a hash or a sentence's number by the naming rule
        # is the same for spellings that differ.
        for unit in ("text", "label", "sha256", "pcm", "frames"):
            if lines.has(unit):
                units[unit] = lines.column(unit)
        notes = self._add_subjects(units) if lines.has("subject") else []
        if lines.has("origin"):
            units |= self._origins(units["clip"])
        if lines.has("start_s") and lines.has("end_s"):
            units |= self._spans(units)
        units["folder"] = _renamed(lines.name, _folder)
        lists_clips = lines.unit == "name"
        return {
            unit: column
            for unit, column in units.items()
            if column.known and (lists_clips or unit not in ("clip", "take", "folder"))
        }, notes

    def _add_subjects(self, units: dict[str, NameColumn]) -> list[str]:
        """Adds who speaks by the table, which a user may put before the naming rule."""
        lines, ruled = self._lines, units["subject"]
        marks = tuple(lines.column(mark) for mark in ("sex", "age") if lines.has(mark))
        stated, notes = people_of(self._of_table("subject"), Evidence(lines.role, marks))
        written = self._of_corpora(stated, self._person)
        if any("subject" in table.given for table in lines.tables):
            people = one_people(written, ruled, self._owners)
            units["group"] = NameColumn.of([None] * lines.size)
        else:
            people = one_people(ruled, written, self._owners)
            if ruled.known:
                units["stated subject"] = stated
        units["subject"] = people.column
        return [*notes, *people.notes]

    def _of_table(self, unit: str) -> NameColumn:
        """A column of the table; of what each line lists, where no naming rule says what it is."""
        column = self._lines.column(unit)
        if unit != self._lines.unit:
            return column
        unknown = self._known.columns["clip_id"].codes < 0
        return replace(column, codes=np.where(unknown, column.codes, -1).astype(np.int32))

    def _written(self, unit: str) -> NameColumn:
        """A column as the table has it; ids are the corpus's own."""
        lines, column = self._lines, self._of_table(unit)
        if unit == "episode" and lines.has("season"):
            column = _renamed(pair(lines.column("season"), column, "{} {}"), _episode)
        if unit not in _IDS:
            return column
        return self._of_corpora(column, lambda number, name: f"{self._prefix(number, unit)}/{name}")

    def _prefix(self, number: int, unit: str) -> str:
        return self._worlds[number] if unit in _OF_WORLD else self._owners.corpora[number].name

    def _person(self, number: int, name: str) -> str:
        world = self._worlds[number]
        return f"{world}/{person_of(world, name)}"

    def _of_corpora(self, column: NameColumn, rename: Callable[[int, str], str]) -> NameColumn:
        """A column whose names are renamed by the corpus of their lines, by its number."""
        merged = NameColumn.of([None] * self._lines.size)
        for number in range(len(self._owners.corpora)):
            codes = np.where(self._owners.of_line == number, column.codes, -1).astype(np.int32)
            mine = NameColumn(codes, column.values, column.members)
            merged = merged.or_else(_renamed(mine, partial(rename, number)))
        return merged

    def _moved(self, unit: str, column: NameColumn) -> NameColumn:
        """Ids by the naming rules, in the world of their corpus."""
        worlds = dict(zip((one.name for one in self._owners.corpora), self._worlds, strict=True))

        def moved(name: str) -> str:
            corpus, _, rest = name.partition("/")
            world = worlds[corpus]
            return f"{world}/{person_of(world, rest) if unit == 'subject' else rest}"

        return _renamed(column, moved)

    def _spans(self, units: Mapping[str, NameColumn]) -> dict[str, NameColumn]:
        """Lines that name one file and several spans of it are clips of that recording.

        They are not where a window is told in another way.
        """
        clip = units["clip"]
        times = pair(self._lines.column("start_s"), self._lines.column("end_s"), "{} to {} s")
        spans = pair(clip, times, "{}, {}")
        is_cut = np.bincount(_of_pairs(spans, clip), minlength=len(clip.values)) > 1
        cut = (clip.codes >= 0) & is_cut[clip.codes]
        if not cut.any() or units["window"].known or units["copy"].known:
            return {}
        spans = replace(spans, codes=np.where(cut, spans.codes, -1).astype(np.int32))
        recordings = replace(clip, codes=np.where(cut, clip.codes, -1).astype(np.int32))
        return {
            "clip": spans.or_else(clip),
            "take": spans.or_else(units["take"]),
            "video": units["video"].or_else(recordings),
        }

    def _clip_id(self, number: int, name: str) -> str:
        owner = self._owners.corpora[number]
        return (identify_name(owner, name) or self._known.unnamed.of(owner, name))[0].clip_id

    def _origins(self, clips: NameColumn) -> dict[str, NameColumn]:
        """A copy is the clip that it was made from; `copy` says which rows are copies."""
        origin = self._lines.column("origin")
        found = self._of_corpora(origin, self._clip_id)
        copies = np.where(origin.codes >= 0, np.int32(0), np.int32(-1))
        return {
            "clip": found.or_else(clips),
            "copy": NameColumn(copies, np.asarray(["copy"], dtype=object)),
        }


def _of_pairs(pairs: NameColumn, one: NameColumn) -> NDArray[np.int32]:
    """Of each distinct pair, the code of its first half."""
    known = np.flatnonzero(pairs.codes >= 0)
    _, first = np.unique(pairs.codes[known], return_index=True)
    return one.codes[known[first]]


def _renamed(column: NameColumn, rename: Callable[[str], str]) -> NameColumn:
    """A column with other names; an empty one is none."""
    values = [rename(str(value)) for value in column.values]
    void = [code for code, value in enumerate(values) if not value]
    codes = np.where(np.isin(column.codes, void), np.int32(-1), column.codes)
    return NameColumn(codes.astype(np.int32), np.asarray(values, dtype=object), column.members)


def _folder(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[0]


def _episode(written: str) -> str:
    """Season and episode in the form of ids, such as s03e12."""
    season, _, episode = written.partition(" ")
    if season.isdecimal() and episode.isdecimal():
        return f"s{int(season):02d}e{int(episode):02d}"
    return f"season {season} episode {episode}"
