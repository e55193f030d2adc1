"""Papers' printed numbers as TOML files: parsed strictly, and those that are shipped."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manifests.audit import Claim, Paper, WrongPaper
from manifests.given_files import MOST_TOML_BYTES, WrongText, parse_toml, read_file


def load_paper(path: Path) -> Paper:
    """Reads a paper's numbers.

    Args:
        path: A TOML file.

    Returns:
        The paper with its claims.

    Raises:
        WrongPaper: The file is no TOML, has an unknown key, or a value of the wrong type.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        table = parse_toml(read_file(path, MOST_TOML_BYTES).decode())
    except (WrongText, UnicodeDecodeError) as error:
        raise WrongPaper(f"{path}: this is no TOML that can be read: {error}") from error
    except OSError as error:
        raise WrongPaper(
            f"{path}: the file cannot be read ({error.strerror}); check the path and its "
            "permissions"
        ) from error
    _refuse_unknown(path, table, {"title", "claims"}, "the file")
    claims = table.get("claims")
    if not isinstance(claims, list) or not claims:
        raise WrongPaper(
            f"{path}: there is no [[claims]] table; expected one for each table or passage with "
            "counts"
        )
    for number, claim in enumerate(claims, 1):
        _refuse_unknown(
            path, claim, {field.name for field in dataclasses.fields(Claim)}, f"claim {number}"
        )
    try:
        return TypeAdapter(Paper).validate_python({"name": path.stem, "title": "", **table})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise WrongPaper(f"{path}: {place} is {first['input']!r}: {first['msg']}") from error


def _refuse_unknown(path: Path, table: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(table.keys() - known)
    if unknown:
        raise WrongPaper(
            f"{path}: {where} has the unknown key {unknown[0]!r}; expected "
            f"{', '.join(sorted(known))}"
        )
