"""Whose clips a foreign table lists: one corpus's or, where the user names several, each line's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifests.audit.errors import WrongForeignTable
from manifests.audit.foreign_lines import ForeignLines
from manifests.audit.foreign_names import claims_name, identify_name
from manifests.corpora.base import Corpus
from manifests.corpora.folder import FOLDER
from manifests.suggestions import did_you_mean

_SAMPLE = 300
"""Names that are tried by every rule; of a longer list as many, evenly spaced."""
_STRAY = 0.01
"""Part of the names that may follow another corpus's rule by chance."""


@dataclass(frozen=True)
class Owners:
    """The corpora of all lines."""

    corpora: tuple[Corpus, ...]
    of_line: NDArray[np.int32]
    """(line,) which of `corpora`."""
    notes: tuple[str, ...] = ()
    """What was assumed, each in a sentence."""

    @staticmethod
    def all_of(corpus: Corpus, lines: ForeignLines, *notes: str) -> "Owners":
        """Makes the owners of lines that are all of one corpus.

        Args:
            corpus: The corpus.
            lines: All lines.
            *notes: What was assumed, each in a sentence.

        Returns:
            The owners.
        """
        return Owners((corpus,), np.zeros(lines.size, np.int32), notes)


def find_owners(lines: ForeignLines, corpora: Mapping[str, Corpus], given: str | None) -> Owners:
    """Finds the corpora that the clips are of.

    Args:
        lines: All lines.
        corpora: The known corpora by name.
        given: The corpus, or several with commas between; None: of the corpus whose naming rule
            most names follow.

    Returns:
        The corpora. `folder`, which has no naming rule, where no rule fits.

    Raises:
        WrongForeignTable: There is no such corpus, two corpora have names of this form, or the
            names are of several corpora.
    """
    if given is not None:
        chosen = [_named(name.strip(), corpora) for name in given.split(",")]
        return Owners.all_of(chosen[0], lines) if len(chosen) == 1 else _by_name(lines, chosen)
    return _by_column(lines, corpora) or _guessed(lines, corpora)


def _named(name: str, corpora: Mapping[str, Corpus]) -> Corpus:
    if name not in corpora:
        raise WrongForeignTable(
            f"there is no corpus {name!r}; {did_you_mean(name, corpora)}there are "
            f"{', '.join(corpora)}"
        )
    return corpora[name]


def _by_name(lines: ForeignLines, chosen: Sequence[Corpus]) -> Owners:
    """Each line's corpus is the first whose rule its name follows; of others, their table's."""
    of_line = np.zeros(lines.size, np.int32)
    for table, start, end in zip(lines.tables, lines.starts, lines.starts[1:], strict=False):
        codes = lines.name.codes[start:end]
        known, where = np.unique(codes), str(table.path)
        owner = np.full(len(lines.name.values) + 1, -1, np.int32)
        for code in known[known >= 0].tolist():
            owner[code] = _first(chosen, str(lines.name.values[code]), where)
        mine = owner[codes]
        usual = np.bincount(mine[mine >= 0], minlength=1).argmax()
        of_line[start:end] = np.where(mine >= 0, mine, usual)
    return Owners(tuple(chosen), of_line)


def _first(chosen: Sequence[Corpus], name: str, where: str) -> int:
    for tells in (lambda one: claims_name(one, name, where), lambda one: identify_name(one, name)):
        for number, corpus in enumerate(chosen):
            if tells(corpus):
                return number
    return -1


def _by_column(lines: ForeignLines, corpora: Mapping[str, Corpus]) -> Owners | None:
    """The corpora that a column names, where it names known ones and the names are theirs."""
    column = lines.column("corpus")
    aliases = {
        _letters(alias): corpus
        for corpus in corpora.values()
        for alias in (corpus.name, *getattr(corpus, "prefixes", ()))
    }
    plain = [_letters(str(value)) for value in column.values]
    if not column.known or (column.codes < 0).any() or not set(plain) <= aliases.keys():
        return None
    chosen = tuple(dict.fromkeys(aliases[word] for word in plain))
    number = np.asarray([chosen.index(aliases[word]) for word in plain], np.int32)
    owners = Owners(chosen, number[column.codes])
    for which, corpus in enumerate(chosen):
        names = _sampled(lines, owners.of_line == which)
        if sum(identify_name(corpus, name) is not None for name in names) < len(names) / 2:
            return None
    return owners


def _letters(name: str) -> str:
    """The name of a corpus without what people write differently: CREMA-D is cremad."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _sampled(lines: ForeignLines, mask: NDArray[np.bool_] | None = None) -> list[str]:
    """Names of the lines, each once; evenly spaced where there are many."""
    codes = lines.name.codes if mask is None else lines.name.codes[mask]
    distinct = np.unique(codes)
    chosen = distinct[np.unique(np.linspace(0, len(distinct) - 1, _SAMPLE).round().astype(int))]
    return [str(lines.name.values[code]) for code in chosen]


def _guessed(lines: ForeignLines, corpora: Mapping[str, Corpus]) -> Owners:
    """The corpus whose own rule at least half of the names follow."""
    sample, where = _sampled(lines), lines.title
    prefix = sample[0].partition("/")[0]
    if prefix in corpora and all(name.startswith(f"{prefix}/") for name in sample):
        follow = sum(identify_name(corpora[prefix], name) is not None for name in sample)
        if corpora[prefix] is FOLDER or 2 * follow >= len(sample):
            return Owners.all_of(corpora[prefix], lines)
    claims = {
        corpus: {name for name in sample if claims_name(corpus, name, where)}
        for corpus in corpora.values()
    }
    ranked = sorted((one for one in claims if claims[one]), key=lambda one: -len(claims[one]))
    if not ranked:
        return Owners.all_of(FOLDER, lines)
    best = ranked[0]
    for other in ranked[1:]:
        _refuse_rival(lines, (best, other), claims[best], claims[other], len(sample))
    if 2 * len(claims[best]) < len(sample):
        return Owners.all_of(FOLDER, lines)
    return Owners.all_of(best, lines, *_strays(best, ranked[1:], claims))


def _refuse_rival(
    lines: ForeignLines,
    pair: tuple[Corpus, Corpus],
    mine: set[str],
    theirs: set[str],
    tried: int,
) -> None:
    """Refuses a second corpus that has the same names, or others in any number."""
    best, other = pair
    if mine == theirs:
        name = min(mine)
        raise lines.wrong(
            _line_of(lines, name),
            lines.unit,
            f"{name!r} follows the naming rules of {best.name} and {other.name}; give --corpus "
            f"{best.name} or --corpus {other.name}",
        )
    strangers = theirs - mine
    if len(strangers) > _STRAY * tried:
        name = min(strangers, key=lambda one: _line_of(lines, one))
        raise lines.wrong(
            _line_of(lines, name),
            lines.unit,
            f"{name!r} is a clip of {other.name}, and others are of {best.name}; audit each corpus "
            f"by itself, or give --corpus {best.name},{other.name} to audit them as one split",
        )


def _line_of(lines: ForeignLines, name: str) -> int:
    return lines.name.row_of(int(np.flatnonzero(lines.name.values == name)[0]))


def _strays(best: Corpus, others: Sequence[Corpus], claims: Mapping[Corpus, set[str]]) -> list[str]:
    notes = []
    for other in others:
        both, strangers = claims[best] & claims[other], claims[other] - claims[best]
        if strangers:
            notes.append(
                f"{min(strangers)!r} is a clip of {other.name} among those of {best.name}: nothing "
                "is taken from its name"
            )
        elif 2 * len(both) > len(claims[best]):
            notes.append(
                f"most names follow the naming rule of {other.name} too; they are taken for clips "
                f"of {best.name}, whose rule more of them follow"
            )
    return notes
