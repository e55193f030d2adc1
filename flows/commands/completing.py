"""Values that a shell completes: names of what is shipped.

Each is asked for in a new process whenever somebody presses the tab key, so nothing heavy is
imported: no torch, no media library, no pydantic.
"""

from pathlib import Path

from flows import shipped


def _beginning(with_what: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(with_what)]


def recipes(incomplete: str) -> list[str]:
    """Completes the name of a shipped recipe.

    Args:
        incomplete: What is typed already.

    Returns:
        The names that begin so.
    """
    return _beginning(incomplete, [*shipped.recipes()])


def papers(incomplete: str) -> list[str]:
    """Completes the name of a shipped paper.

    Args:
        incomplete: What is typed already.

    Returns:
        The names that begin so.
    """
    return _beginning(incomplete, [*shipped.papers()])


def formats(incomplete: str) -> list[str]:
    """Completes the name of a format of an export.

    Args:
        incomplete: What is typed already.

    Returns:
        The names that begin so.
    """
    from stores.exports.catalog import FORMATS

    return _beginning(incomplete, [*FORMATS])


def schemes(incomplete: str) -> list[str]:
    """Completes the name of a split scheme.

    Args:
        incomplete: What is typed already.

    Returns:
        The names that begin so.
    """
    from manifests.schemes.catalog import SCHEMES

    return _beginning(incomplete, [*SCHEMES])


def corpora(incomplete: str) -> list[str]:
    """Completes the name of a corpus, whose clips a list may hold.

    Args:
        incomplete: What is typed already.

    Returns:
        The names that begin so.
    """
    from manifests.corpora.catalog import CORPORA

    return _beginning(incomplete, [*CORPORA])


def corpus_folders(incomplete: str) -> list[str]:
    """Completes NAME=FOLDER: first the name, then a folder.

    Args:
        incomplete: What is typed already.

    Returns:
        Of each name two beginnings, so that bash sets no blank behind the `=`.
    """
    from manifests.corpora.catalog import with_media

    name, equals, start = incomplete.partition("=")
    if not equals:
        found = _beginning(name, [*with_media()])
        return [f"{one}={begin}" for one in found for begin in ("/", "./")]
    above, last = Path(start).parent if not start.endswith("/") else Path(start), Path(start).name
    begun = "" if start.endswith("/") else last
    return [f"{name}={path}/" for path in sorted(above.glob(f"{begun}*")) if path.is_dir()]


def reasons(incomplete: str) -> list[str]:
    """Completes a reason of quarantine.

    Args:
        incomplete: What is typed already.

    Returns:
        The reasons that begin so.
    """
    from manifests.quarantine import Reason

    return _beginning(incomplete, [*Reason])


def explained(incomplete: str) -> list[str]:
    """Completes a name for `explain`: rules of the audit, reasons of quarantine, and notes.

    Args:
        incomplete: What is typed already.

    Returns:
        The names that begin so.
    """
    from manifests.audit import RULES
    from manifests.notes import NOTES

    return [*_beginning(incomplete, [*RULES, *NOTES]), *reasons(incomplete)]
