"""What there is, by name: what `list` prints, `explain` looks up, and a shell completes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "corpora",
    "recipes",
    "schemes",
    "features",
    "labels",
    "rules",
    "reasons",
    "notes",
    "papers",
    "formats",
]
Row = tuple[str, ...]
"""A name, and a cell for each further head."""


@dataclass(frozen=True)
class Catalog:
    """All things of one kind."""

    heads: Row
    """The first is what one of them is."""
    rows: tuple[Row, ...]
    others: tuple[Row, ...] = ()
    """Those that a list names in one line."""
    others_are: str = ""


def catalog(kind: Kind) -> Catalog:
    """Looks up what there is of one kind.

    Args:
        kind: What is asked for.

    Returns:
        The catalog.
    """
    return _CATALOGS[kind]()


def every_catalog() -> list[Catalog]:
    """Looks up all that there is.

    Returns:
        The catalogs, in the order of their kinds.
    """
    return [catalog(kind) for kind in get_args(Kind)]


def _corpora() -> Catalog:
    from manifests.corpora.catalog import CORPORA

    rows = {
        corpus.name: (corpus.name, ", ".join(corpus.label_schemes[:1]), corpus.licence)
        for corpus in CORPORA.values()
    }
    return Catalog(
        ("corpus", "main labels", "terms"),
        tuple(row for name, row in rows.items() if CORPORA[name].reads_media),
        tuple(row for name, row in rows.items() if not CORPORA[name].reads_media),
        "by the names of their clips alone, so that lists of them can be audited",
    )


def _recipes() -> Catalog:
    from flows.recipe import descriptions

    return Catalog(("recipe", "what it makes"), tuple(descriptions().items()))


def _schemes() -> Catalog:
    from manifests.schemes.catalog import SCHEMES

    rows = ((one.name, one.corpus or "any", one.about) for one in SCHEMES.values())
    return Catalog(("scheme", "corpus", "what it does"), tuple(rows))


def _features() -> Catalog:
    from extractors.catalog import EXTRACTORS
    from extractors.fitted.catalog import FITTERS

    tables: dict[str, Mapping[str, type]] = {
        "[features.NAME]": EXTRACTORS,
        "[fitted.NAME]": FITTERS,
    }
    rows = (
        (name, table, str(one.__doc__).split("\n", 1)[0])
        for table, of_table in tables.items()
        for name, one in of_table.items()
    )
    return Catalog(("extractor or fitter", "in a recipe", "what it is"), tuple(rows))


def _labels() -> Catalog:
    from manifests.corpora.catalog import with_media
    from manifests.label_spaces import SPACES

    corpora: dict[str, list[str]] = {}
    for corpus in with_media().values():
        for scheme in corpus.label_schemes:
            corpora.setdefault(scheme, []).append(corpus.name)
    for space in SPACES.values():
        of_all = (name for scheme in space.sources for name in corpora[scheme])
        corpora[space.name] = [*dict.fromkeys(of_all)]
    classes = {name: ", ".join(space.values) for name, space in SPACES.items()}
    names = sorted(corpora, key=lambda name: name not in classes)
    rows = tuple((name, classes.get(name, ""), ", ".join(corpora[name])) for name in names)
    return Catalog(
        ("labels", "classes", "corpora"),
        tuple(row for row in rows if row[1]),
        tuple(row for row in rows if not row[1]),
        "as a corpus has them",
    )


def _rules() -> Catalog:
    from manifests.audit import RULES

    rows = ((name, rule.title, rule.severity) for name, rule in RULES.items())
    return Catalog(("rule", "what it finds", "severity"), tuple(rows))


def _reasons() -> Catalog:
    from manifests.quarantine import Reason

    rows = ((str(one), one.about) for one in Reason)
    return Catalog(("reason of quarantine", "what it says"), tuple(rows))


def _notes() -> Catalog:
    from manifests.notes import NOTES

    return Catalog(("note in the index", "what it says"), tuple(NOTES.items()))


def _papers() -> Catalog:
    from flows import shipped
    from flows.auditing.printed_counts import load_paper

    rows = ((name, load_paper(path).title) for name, path in shipped.papers().items())
    return Catalog(("paper", "title"), tuple(rows))


def _formats() -> Catalog:
    from stores.exports.catalog import FORMATS

    rows = ((name, one.about) for name, one in FORMATS.items())
    return Catalog(("format", "what an export in it is"), tuple(rows))


_CATALOGS: dict[str, Callable[[], Catalog]] = {
    "corpora": _corpora,
    "recipes": _recipes,
    "schemes": _schemes,
    "features": _features,
    "labels": _labels,
    "rules": _rules,
    "reasons": _reasons,
    "notes": _notes,
    "papers": _papers,
    "formats": _formats,
}
