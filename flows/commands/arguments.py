"""Arguments and options of the command: those that several have, and how values are parsed."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.commands import completing

Complete = Callable[[str], list[str]]
"""What is typed -> what it may become."""


def argument(words: str, metavar: str | None = None, complete: Complete | None = None) -> Any:
    """An argument of a command.

    Args:
        words: What it is.
        metavar: What it is called in the help.
        complete: What a shell completes it to.

    Returns:
        For `Annotated`.
    """
    return typer.Argument(help=words, metavar=metavar, show_default=False, autocompletion=complete)


def option(words: str, *names: str, complete: Complete | None = None) -> Any:
    """An option of a command.

    Args:
        words: What it is.
        *names: What it is called, if not as its parameter.
        complete: What a shell completes its value to.

    Returns:
        For `Annotated`.
    """
    return typer.Option(*names, help=words, show_default=False, autocompletion=complete)


STORE_HELP = "Folder of the store, or a URL such as s3://bucket/store."
# Text, not a path: that would drop a slash of a URL.
Store = Annotated[str, argument(STORE_HELP, "STORE")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, max=4096, help="Worker processes; one for each core if not given."),
]
TuningDevice = Annotated[
    Literal["cuda", "cpu"] | None,
    option("Where networks are tuned; CUDA where torch finds it if not given."),
]
Corpora = Annotated[
    list[str] | None,
    option(
        "NAME=FOLDER, such as ravdess=/data/RAVDESS; may be given again.",
        complete=completing.corpus_folders,
    ),
]
Changes = Annotated[
    list[str] | None, option("Change the recipe: key.path=value; may be given again.", "--set")
]
ChosenClips = Annotated[
    list[str] | None,
    option(
        "Only clips for which this holds: COLUMN=VALUE[,VALUE], COLUMN!=VALUE or COLUMN=LOW..HIGH, "
        "such as modality=full-AV; given again, all must hold.",
        "--where",
    ),
]
Dask = Annotated[
    str | None, option("Work on a Dask cluster: the address of its scheduler, or local:N.")
]
Alert = Annotated[
    str | None,
    option(
        "Address of the web that a build which fails is reported to, by its name alone; or put it "
        "into the variable AFFECTSTORE_ALERT."
    ),
]
DemoFolder = Annotated[Path, typer.Option(help="Folder for the sample corpus and the store.")]
ReportFolder = Annotated[
    Path | None, option("Folder for the page; STORE-report, beside the store, if not given.")
]
RecipeOption = Annotated[
    str,
    typer.Option(
        help="A shipped recipe by name, or a TOML file.", autocompletion=completing.recipes
    ),
]
SplitScheme = Annotated[
    str,
    argument("A split scheme that the store has folds of.", complete=completing.schemes),
]

AuditSources = Annotated[
    list[str],
    argument(
        "A store; a published split as it is found: a table or list of any usual form, the files "
        "of its sides, a folder or zip file of them; or a paper's numbers (TOML, or a shipped "
        "one's name).",
        "STORE | TABLE... | FOLDER | PAPER",
        completing.papers,
    ),
]
WhoseClips = Annotated[
    str | None,
    option(
        "Whose clips a table lists, or several with commas between; folder: no known corpus's. "
        "Guessed if not given.",
        complete=completing.corpora,
    ),
]
OneScheme = Annotated[
    str | None, option("Audit this split scheme alone.", complete=completing.schemes)
]
ColumnMeanings = Annotated[
    list[str] | None,
    option("What a column is: clip=3, label=emo, side=usage ...; may be given again."),
]
SideWords = Annotated[
    list[str] | None,
    option("What a side is written as: test=2, valid=heldout.csv; may be given again."),
]
SubjectPattern = Annotated[
    str | None,
    option(r"Where the speaker stands in a clip's name: a regular expression, 'Actor_(\d+)'."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AsMarkdown = Annotated[
    bool,
    typer.Option("--markdown", help="Print Markdown, to be pasted into a review or an issue."),
]
FindingsFile = Annotated[Path | None, option("Also write the findings to this Parquet file.")]
EveryFinding = Annotated[
    bool,
    typer.Option(
        "--all", help="Print every fold of a finding, and why each rule held or was not judged."
    ),
]
AcceptUnjudged = Annotated[
    bool,
    typer.Option(
        "--accept-unjudged",
        help="Exit 0 also where the split cannot be judged, or not all of it.",
    ),
]
WithProbe = Annotated[
    bool,
    typer.Option(
        "--probe",
        help="Also train a plain classifier on a store's features, with the leak and without it.",
    ),
]
ProbeLabels = Annotated[
    str | None,
    option("For the probe: a label scheme or space; the corpus's main one if not given."),
]
ProbeFeatures = Annotated[
    list[str] | None,
    option("For the probe: a feature, such as mfcc; may be given again."),
]


def check_workers(workers: int | None, dask: str | None) -> None:
    """Refuses to work in two places.

    Args:
        workers: Processes of this machine.
        dask: Address of a scheduler.

    Raises:
        BadParameter: Both are given.
    """
    if workers and dask:
        raise typer.BadParameter(
            "--workers counts processes of this machine, --dask says where else to work; "
            "give one of them"
        )


def listed(names: str) -> tuple[str, ...]:
    """Names with commas between them.

    Args:
        names: Such as `23,24`.

    Returns:
        The names.
    """
    return tuple(name.strip() for name in names.split(",") if name.strip())


def corpora_of(options: list[str] | None) -> dict[str, Path]:
    """Corpora and their folders.

    Args:
        options: Each such as `ravdess=/data/RAVDESS`.

    Returns:
        Name -> folder.

    Raises:
        BadParameter: There is none, one is of another form, or a name is given twice.
    """
    if not options:
        raise typer.BadParameter(
            "the option --corpus is missing, which names a corpus and its folder; add such as "
            "--corpus ravdess=/data/RAVDESS, or --corpus folder=clips for clips of your own"
        )
    corpora: dict[str, Path] = {}
    for option in options:
        name, equals, folder = option.partition("=")
        if not (name and equals and folder):
            raise typer.BadParameter(
                f"--corpus {option} is not of the form NAME=FOLDER, such as --corpus folder=clips"
            )
        if name in corpora:
            raise typer.BadParameter(
                f"--corpus {name} is given twice; a store has one folder for each corpus"
            )
        corpora[name] = Path(folder)
    return corpora
