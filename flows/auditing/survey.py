"""A survey: many published lists, each audited, for a page that says what is in them.

    [[lists]]
    name = "CREMA-D, nkululeko"
    paths = ["cremad_nkululeko"]                          # files or folders, below the survey's
    source = "https://github.com/felixbur/nkululeko"
    commit = "be4215bcc76445feac03248cf25dc0b7eba4288d"   # the version of the source
    licence = "MIT"
    corpus = "cremad"                                     # these four as for `affectstore audit`
    columns = ["clip=3"]
    sides = ["test=2"]
    subject = 'spk(\\d+)'
    note = "What a reader should know of the list."

`name` and `paths` alone must be there.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.auditing.run import AuditReport, run_audit
from manifests.audit import NothingToAudit, WrongForeignTable
from manifests.given_files import MOST_TOML_BYTES, WrongText, parse_toml, read_file


class WrongIndex(ValueError):
    """The index of a survey cannot be read; the message says where and what was expected."""


class _IndexTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedList(_IndexTable):
    """One published list, as an index of a survey has it."""

    name: str = Field(min_length=1)
    paths: tuple[str, ...] = Field(min_length=1)
    source: str = ""
    commit: str = ""
    licence: str = ""
    corpus: str | None = None
    scheme: str | None = None
    columns: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    subject: str | None = None
    note: str = ""


class SurveyIndex(_IndexTable):
    """The lists of a survey."""

    title: str = "Published splits"
    about: str = ""
    """A few sentences that stand above the lists."""
    lists: tuple[PublishedList, ...] = Field(min_length=1)


@dataclass(frozen=True)
class SurveyedList:
    """A list and what its audit found; or, of one that is refused, the sentence that says why."""

    listed: PublishedList
    report: AuditReport | None
    refusal: str = ""


@dataclass(frozen=True)
class Survey:
    """What a survey found."""

    index: SurveyIndex
    lists: tuple[SurveyedList, ...]


def run_survey(index: Path, folder: Path | None = None) -> Survey:
    """Audits every list of an index; reads only.

    Args:
        index: The TOML file.
        folder: Where the paths of the lists begin; None: the folder of the index.

    Returns:
        The audits, in the order of the index.

    Raises:
        WrongIndex: The index cannot be read, or has a key or value that it may not have.
    """
    known = read_index(index)
    root = index.parent if folder is None else folder
    return Survey(known, tuple(_surveyed(one, root) for one in known.lists))


def _surveyed(listed: PublishedList, root: Path) -> SurveyedList:
    paths = [root / path for path in listed.paths]
    try:
        report = run_audit(
            paths, listed.corpus, listed.scheme, listed.columns, listed.sides, listed.subject
        )
    except (NothingToAudit, WrongForeignTable) as error:
        return SurveyedList(listed, None, str(error).replace(f"{root}/", ""))
    return SurveyedList(listed, report)


def read_index(path: Path) -> SurveyIndex:
    """Reads the index of a survey.

    Args:
        path: A TOML file.

    Returns:
        Its lists.

    Raises:
        WrongIndex: It cannot be read, or has a key or value that it may not have.
    """
    try:
        table = parse_toml(read_file(path, MOST_TOML_BYTES).decode())
        return SurveyIndex.model_validate(table)
    except (WrongText, UnicodeDecodeError) as error:
        raise WrongIndex(f"{path}: this is no TOML that can be read: {error}") from error
    except OSError as error:
        raise WrongIndex(
            f"{path}: the file cannot be read ({error.strerror}); check the path and its "
            "permissions"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise WrongIndex(
            f"{path}: {place}: {first['msg']}; expected [[lists]] tables with "
            f"{', '.join(PublishedList.model_fields)}"
        ) from error
