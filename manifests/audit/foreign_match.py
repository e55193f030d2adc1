"""Foreign tables matched to a corpus: whose clip each line is, and what is known of it."""

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from manifests.audit.errors import WrongForeignTable
from manifests.audit.foreign_folds import folds_of
from manifests.audit.foreign_lines import ForeignLines, pair
from manifests.audit.foreign_table import ForeignTable
from manifests.audit.listing import CLIP_FIELDS, NUMBERS, TEST, TRAIN, VALID, Listing
from manifests.audit.name_columns import NameColumn
from manifests.corpora.base import Corpus, Identity
from manifests.corpora.folder import FOLDER

_SPLITS = {TRAIN: "train", VALID: "dev", TEST: "test"}
"""The folder that a side's clips lie in, for corpora whose ids restart in each split."""

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_WINDOW = re.compile(
    r"(?P<clip>.+?)[_\-#.@]+(?P<part>(?:frames?|fr|f|win(?:dow)?|w|seg(?:ment)?|s|chunk|c|part|p|t)"
    r"?[_\-]?[0-9]+)"
)
_COPY = re.compile(
    r"(?P<clip>.+?)[_\-#.@]+(?P<part>(?:aug(?:mented)?|noisy?|noise|pitch|stretch(?:ed)?"
    r"|shift(?:ed)?|speed|tempo|gain|reverb|flip(?:ped)?|rot(?:ated)?"
    r"|crop(?:ped)?|jitter|mirror(?:ed)?|copy|dup|specaug|smote|os)[_\-]?[0-9.]*)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Derivation:
    """What a written name is beside the clip's own: at most one of the two is given."""

    window: str | None = None
    copy: str | None = None


_CLIP_ITSELF = _Derivation()


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
        corpus: Whose clips they are; None: of the one corpus whose naming rule all ids follow.
        scheme: The only scheme whose folds are wanted; None for all.

    Returns:
        The listing.

    Raises:
        WrongForeignTable: One sentence with file, line and column, for missing columns, unknown
            ids, ids of several corpora, an unknown side, a clip on two sides, or numbers that are
            none.
    """
    lines = ForeignLines(tables)
    owner = _owner(lines, corpora, corpus)
    _, identities = _identify(lines, owner, corpora)
    return Listing(
        lines.title,
        (owner.name,),
        _units(lines, owner, identities),
        folds=folds_of(lines, scheme),
        numbers={name: lines.numbers(name) for name in NUMBERS if lines.has(name)},
        flags={name: lines.flag(name) for name in ("fitted", "selected") if lines.has(name)},
    )


def _owner(lines: ForeignLines, corpora: Mapping[str, Corpus], given: str | None) -> Corpus:
    """The corpus that the clips are of."""
    first = str(lines.name.values[lines.name.codes[0]])
    if given is not None:
        if given not in corpora:
            raise WrongForeignTable(f"there is no corpus {given!r}; there are {', '.join(corpora)}")
        return corpora[given]
    prefix = first.partition("/")[0]
    if (
        prefix in corpora
        and "/" in first
        and (corpora[prefix] is FOLDER or _identify_one(corpora[prefix], first))
    ):
        return corpora[prefix]
    owners = _owners(first, corpora.values())
    if len(owners) == 1:
        return owners[0]
    rules = ", ".join(corpus.name for corpus in corpora.values() if corpus.has_own_names)
    found = (
        f"the naming rules of {' and '.join(o.name for o in owners)}"
        if owners
        else f"the naming rule of no known corpus ({rules})"
    )
    raise lines.wrong(
        0,
        "name",
        f"{first!r} follows {found}; give --corpus NAME, or --corpus folder to audit by the "
        "table's own columns alone",
    )


def _owners(name: str, corpora: Iterable[Corpus]) -> list[Corpus]:
    """The corpora whose own naming rule a name follows."""
    return [one for one in corpora if one.has_own_names and _identify_one(one, name)]


def _identify_one(corpus: Corpus, name: str) -> tuple[Identity, _Derivation] | None:
    """What the corpus knows of a name, which may be a window's or a copy's."""
    identity = corpus.identify(name)
    if identity is not None:
        return identity, _CLIP_ITSELF
    stem = _SUFFIX.sub("", name)
    for kind, pattern in (("copy", _COPY), ("window", _WINDOW)):
        found = pattern.fullmatch(stem)
        base = corpus.identify(found["clip"]) if found else None
        if found and base is not None:
            return base, _Derivation(**{kind: found["part"]})
    return None


_FIELDS = tuple(field.name for field in fields(Identity))


class _Factorizer:
    """Factorises as values come, so that a million identities are never in memory at once."""

    def __init__(self) -> None:
        self.codes, self._known = array("i"), dict[str | None, int]()

    def add(self, value: str | None) -> None:
        self.codes.append(-1 if value is None else self._known.setdefault(value, len(self._known)))

    def names(self, codes: NDArray[np.integer]) -> NameColumn:
        mine = np.append(np.frombuffer(self.codes, np.int32), np.int32(-1))
        return NameColumn(mine[codes], np.asarray([*self._known, None], dtype=object)[:-1])


def _identify(
    lines: ForeignLines, owner: Corpus, corpora: Mapping[str, Corpus]
) -> tuple[NameColumn, dict[str, NameColumn]]:
    """(names, with their split where ids restart; field of Identity, window, copy -> column)"""
    names = lines.name
    if owner is FOLDER:
        ids = [f"folder/{str(value).removeprefix('folder/')}" for value in names.values]
        return names, {"clip_id": _renamed(names, ids)}
    if lines.role is not None and _restarts(owner, str(names.values[names.codes[0]])):
        splits = np.asarray([_SPLITS[side] for side in range(3)], dtype=object)
        names = pair(NameColumn(lines.role.astype(np.int32), splits), names, "{}/{}")
    columns = {name: _Factorizer() for name in (*_FIELDS, "window", "copy")}
    for code, value in enumerate(names.values):
        known = _identify_one(owner, str(value))
        if known is None:
            raise _unidentified(lines, names.row_of(code), owner, corpora)
        for facts in known:
            for name, fact in vars(facts).items():
                columns[name].add(fact)
    return names, {name: column.names(names.codes) for name, column in columns.items()}


def _renamed(column: NameColumn, values: Sequence[str]) -> NameColumn:
    return NameColumn(column.codes, np.asarray(values, dtype=object))


def _restarts(owner: Corpus, name: str) -> bool:
    """The name alone means one clip in each split."""
    train, test = (owner.identify(f"{split}/{name}") for split in ("train", "test"))
    return train is not None and test is not None and train.clip_id != test.clip_id


def _unidentified(
    lines: ForeignLines, row: int, owner: Corpus, corpora: Mapping[str, Corpus]
) -> WrongForeignTable:
    name = str(lines.name.values[lines.name.codes[row]])
    others = _owners(name, (corpus for corpus in corpora.values() if corpus is not owner))
    what = (
        f"is a clip of {others[0].name}, and others are of {owner.name}; audit each corpus by "
        "itself"
        if others
        else f"breaks the naming rule of {owner.name}; expected names of that corpus alone"
    )
    return lines.wrong(row, "name", f"{name!r} {what}")


_OF_IDENTITY = {**CLIP_FIELDS, "window": "window", "copy": "copy"}
_IDS = ("subject", "group", "take", "session", "dialogue", "episode")
"""Columns of a table that hold ids, which are the corpus's own."""


def _units(
    lines: ForeignLines, owner: Corpus, identities: Mapping[str, NameColumn]
) -> dict[str, NameColumn]:
    """Every column of names, from the naming rule and, where that is silent, from the table."""
    units = {
        unit: identities[field]
        for unit, field in _OF_IDENTITY.items()
        if field in identities and identities[field].known
    }
    for unit in (*_IDS, "sex", "window"):
        if lines.has(unit):
            written = lines.column(unit)
            if unit == "episode" and lines.has("season"):
                written = pair(lines.column("season"), written, "season {} episode {}")
            if unit in _IDS:
                written = _renamed(written, [f"{owner.name}/{value}" for value in written.values])
            units[unit] = units[unit].or_else(written) if unit in units else written
    # Texts are compared as they are written; a hash or a sentence's number by the naming rule is
    # the same for spellings that differ.
    for unit in ("text", "label", "sha256", "pcm", "frames"):
        if lines.has(unit):
            units[unit] = lines.column(unit)
    if "label" in identities:
        units.setdefault("label", identities["label"])
    if lines.has("origin"):
        units |= _origins(lines, owner, units["clip"])
    folders = [str(value).replace("\\", "/").rpartition("/")[0] for value in lines.name.values]
    if any(folders):
        units["folder"] = _renamed(lines.name, folders)
    return {unit: column for unit, column in units.items() if column.known}


def _origins(lines: ForeignLines, owner: Corpus, clips: NameColumn) -> dict[str, NameColumn]:
    """A copy is the clip that it was made from; `copy` says which rows are copies."""
    origin = lines.column("origin")
    ids = []
    for value in origin.values:
        known = _identify_one(owner, str(value))
        ids.append(known[0].clip_id if known else f"{owner.name}/{value}")
    copies = np.where(origin.codes >= 0, np.int32(0), np.int32(-1))
    return {
        "clip": _renamed(origin, ids).or_else(clips),
        "copy": NameColumn(copies, np.asarray(["copy"], dtype=object)),
    }
