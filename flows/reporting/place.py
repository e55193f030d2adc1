"""Where the report of a store lies."""

from pathlib import Path

from stores.location import Location

PAGE = "report.html"


class ReportError(ValueError):
    """The report cannot be written where it was to lie; the message says why and what to do."""


def default_folder(location: Location) -> Path:
    """The folder of a store's report, where none is named: STORE-report, beside the store.

    Args:
        location: Where the store lies.

    Returns:
        The folder, whether it is there or not.

    Raises:
        ReportError: The store is behind a URL: nothing of this machine lies beside it.
    """
    if not location.is_local:
        raise ReportError(
            f"{location} is behind a URL; name a folder of this machine for its report with --out"
        )
    name = Path(location.name)
    if name.name in ("", ".", ".."):
        name = location.folder.resolve()
    return name.with_name(f"{name.name}-report")


def made_before(location: Location) -> Path | None:
    """Finds the report that was made beside a store.

    Args:
        location: Where the store lies.

    Returns:
        An absolute path; None where there is no report.
    """
    if not location.is_local:
        return None
    page = default_folder(location).absolute() / PAGE
    return page if page.is_file() else None
