"""Tables of others, matched to a corpus: whose clip each line is, on which side of which fold, and
all else that is known of it."""

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from manifests.audit.foldings import folds_of
from manifests.audit.foreign import Raw, WrongForeignTable
from manifests.audit.lines import Lines, pair
from manifests.audit.listing import NUMBERS, TEST, TRAIN, VALID, Listing, Names
from manifests.corpora.base import Corpus, Identity
from manifests.corpora.folder import FOLDER

_SPLITS = {TRAIN: "train", VALID: "dev", TEST: "test"}
"""The folder that a side's clips lie in, for corpora whose ids restart in each split."""

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_WINDOW = re.compile(
    r"(?P<clip>.+?)[_\-#.@]+(?P<part>(?:frames?|fr|f|win(?:dow)?|w|seg(?:ment)?|s|chunk|c|part|p|t)?[_\-]?[0-9]+)"
)
_COPY = re.compile(
    r"(?P<clip>.+?)[_\-#.@]+(?P<part>(?:aug(?:mented)?|noisy?|noise|pitch|stretch(?:ed)?|shift(?:ed)?|speed|tempo|gain|reverb|flip(?:ped)?|"
    r"rot(?:ated?)?|crop(?:ped)?|jitter|mirror(?:ed)?|copy|dup|specaug|smote|os)[_\-]?[0-9.]*)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Part:
    """What a written name is beside the clip's own: at most one of the two is given."""

    window: str | None = None
    copy: str | None = None


_WHOLE = _Part()


def match(
    tables: Sequence[Raw],
    corpora: Mapping[str, Corpus],
    corpus: str | None = None,
    scheme: str | None = None,
) -> Listing:
    """One listing of all lines. `corpus`: whose clips they are; None: of the one corpus whose
    naming rule all ids follow.

    WrongForeignTable, one sentence with file, line and column, for missing columns, unknown ids,
    ids of several corpora, an unknown side, a clip on two sides, or numbers that are none.
    """
    lines = Lines(tables)
    owner = _owner(lines, corpora, corpus)
    names, identities = _identify(lines, owner, corpora)
    units = _units(lines, owner, identities)
    folds = folds_of(lines, names, scheme)
    numbers = {name: lines.numbers(name) for name in NUMBERS if lines.has(name)}
    flags = {name: lines.flag(name) for name in ("fitted", "selected") if lines.has(name)}
    read_as = tuple(
        (column, meaning) for table in tables[:1] for meaning, column in table.header.items()
    )
    return Listing(lines.title, (owner.name,), units, numbers, folds, flags, None, read_as)


def _owner(lines: Lines, corpora: Mapping[str, Corpus], given: str | None) -> Corpus:
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
        and (corpora[prefix] is FOLDER or _whose(corpora[prefix], first))
    ):
        return corpora[prefix]
    owners = [
        corpus for corpus in corpora.values() if corpus.name != "sample" and _whose(corpus, first)
    ]
    if len(owners) == 1:
        return owners[0]
    rules = ", ".join(name for name in corpora if name not in ("folder", "sample"))
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


def _whose(corpus: Corpus, name: str) -> tuple[Identity, _Part] | None:
    """What the corpus knows of a name, which may be a window's or a copy's."""
    identity = corpus.identify(name)
    if identity is not None:
        return identity, _WHOLE
    stem = _SUFFIX.sub("", name)
    for kind, pattern in (("copy", _COPY), ("window", _WINDOW)):
        found = pattern.fullmatch(stem)
        base = corpus.identify(found["clip"]) if found else None
        if found and base is not None:
            return base, _Part(**{kind: found["part"]})
    return None


_FIELDS = tuple(field.name for field in fields(Identity))


class _Coder:
    """Factorises as values come, so that a million identities are never held at once."""

    def __init__(self) -> None:
        self.codes, self._known = array("i"), dict[str | None, int]()

    def add(self, value: str | None) -> None:
        self.codes.append(-1 if value is None else self._known.setdefault(value, len(self._known)))

    def names(self, codes: NDArray[np.integer]) -> Names:
        mine = np.append(np.frombuffer(self.codes, np.int32), np.int32(-1))
        return Names(mine[codes], np.asarray([*self._known, None], dtype=object)[:-1])


def _identify(
    lines: Lines, owner: Corpus, corpora: Mapping[str, Corpus]
) -> tuple[Names, dict[str, Names]]:
    """(names, made whole by their split where ids restart in each; field of Identity -> column),
    `window` and `copy` among the fields."""
    names = lines.name
    if owner is FOLDER:
        values = np.asarray(
            [
                value if str(value).startswith("folder/") else f"folder/{value}"
                for value in names.values
            ],
            dtype=object,
        )
        return names, {"clip_id": Names(names.codes, values)}
    if lines.role is not None and _restarts(owner, str(names.values[names.codes[0]])):
        sides = Names(
            lines.role.astype(np.int32),
            np.asarray([_SPLITS[side] for side in range(3)], dtype=object),
        )
        names = pair(sides, names, "{}/{}")
    coders = {name: _Coder() for name in (*_FIELDS, "window", "copy")}
    for code, value in enumerate(names.values):
        known = _whose(owner, str(value))
        if known is None:
            raise _stranger(lines, int(np.argmax(names.codes == code)), owner, corpora)
        for name in _FIELDS:
            coders[name].add(getattr(known[0], name))
        coders["window"].add(known[1].window)
        coders["copy"].add(known[1].copy)
    return names, {name: coder.names(names.codes) for name, coder in coders.items()}


def _restarts(owner: Corpus, name: str) -> bool:
    """The name alone means one clip in each split."""
    train, test = (owner.identify(f"{split}/{name}") for split in ("train", "test"))
    return train is not None and test is not None and train.clip_id != test.clip_id


def _stranger(
    lines: Lines, row: int, owner: Corpus, corpora: Mapping[str, Corpus]
) -> WrongForeignTable:
    name = str(lines.name.values[lines.name.codes[row]])
    others = [
        corpus.name
        for corpus in corpora.values()
        if corpus is not owner and corpus.name != "sample" and _whose(corpus, name)
    ]
    if others:
        return lines.wrong(
            row,
            "name",
            f"{name!r} is a clip of {others[0]}, and others are of {owner.name}; audit each "
            "corpus by itself",
        )
    return lines.wrong(
        row,
        "name",
        f"{name!r} breaks the naming rule of {owner.name}; expected names of that corpus alone",
    )


_OF_IDENTITY = {
    "clip": "clip_id",
    "subject": "subject_id",
    "group": "group_id",
    "take": "take_id",
    "sex": "sex",
    "text": "text_id",
    "session": "session_id",
    "dialogue": "dialogue_id",
    "episode": "episode_id",
    "window": "window",
    "copy": "copy",
}
_BY_TABLE = ("subject", "group", "take", "sex", "session", "dialogue", "episode", "window")


def _units(lines: Lines, owner: Corpus, identities: Mapping[str, Names]) -> dict[str, Names]:
    """Every column of names, from the naming rule and, where that is silent, from the table."""
    units = {
        unit: identities[field]
        for unit, field in _OF_IDENTITY.items()
        if field in identities and identities[field].known
    }
    for unit in _BY_TABLE:
        if lines.has(unit):
            mine = lines.column(unit)
            if unit == "episode" and lines.has("season"):
                mine = pair(lines.column("season"), mine, "season {} episode {}")
            mine = (
                Names(
                    mine.codes,
                    np.asarray([f"{owner.name}/{value}" for value in mine.values], dtype=object),
                )
                if _is_id(unit)
                else mine
            )
            units[unit] = units[unit].or_else(mine) if unit in units else mine
    # Texts are compared as they are written; a hash or a sentence's number by the naming rule is
    # the same for spellings that differ.
    for unit in ("text", "label", "sha256", "pcm", "frames"):
        if lines.has(unit):
            units[unit] = lines.column(unit)
    if "label" not in units and "label" in identities and identities["label"].known:
        units["label"] = identities["label"]
    if lines.has("origin"):
        units |= _origins(lines, owner, units["clip"])
    folders = [str(value).replace("\\", "/").rpartition("/")[0] for value in lines.name.values]
    if any(folders):
        units["folder"] = Names(lines.name.codes, np.asarray(folders, dtype=object))
    return {unit: column for unit, column in units.items() if column.known}


def _is_id(unit: str) -> bool:
    return unit not in ("sex", "window")


def _origins(lines: Lines, owner: Corpus, clips: Names) -> dict[str, Names]:
    """A copy is the clip that it was made from; `copy` says which rows are copies."""
    origin = lines.column("origin")
    known = [None if owner is FOLDER else _whose(owner, str(value)) for value in origin.values]
    ids = [
        one[0].clip_id if one else f"{owner.name}/{value}"
        for one, value in zip(known, origin.values, strict=True)
    ]
    of_origin = Names(origin.codes, np.asarray(ids, dtype=object))
    copies = np.where(origin.codes >= 0, np.int32(0), np.int32(-1))
    return {
        "clip": of_origin.or_else(clips),
        "copy": Names(copies, np.asarray(["copy"], dtype=object)),
    }
