"""The command `affectstore`. Heavy imports stay inside the commands that need them, so that `show`
answers at once."""

import atexit
import gc
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    sys.exit(
        "affectstore: this environment has the reader alone; the command needs the pipeline: pip "
        "install 'affectstore[build]'"
    )

app = typer.Typer(
    help="Audio-visual features of emotion corpora: decoded once, stored for any trainer, split "
    "by subject.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _home(text: str) -> Path:
    """A store's folder; of a URL, the folder that stands for it. Text until then: a Path would drop
    a slash."""
    from stores.mirror import home

    return home(text)


Store = Annotated[
    Path,
    typer.Argument(
        help="Folder of the store, or a URL such as s3://bucket/store.",
        metavar="STORE",
        parser=_home,
        show_default=False,
    ),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Worker processes; one for each core if not given.")
]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the sample corpus and the store.")] = Path(
        "demo"
    ),
    workers: Workers = None,
) -> None:
    """Make a sample corpus, build a store from it, split it, audit the split, and read a batch
    back. Needs no network."""
    from flows.sample.demo import run

    run(out, workers)


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder for the clips.", show_default=False)],
) -> None:
    """Write the sample corpus: 51 short synthetic clips with RAVDESS names, three of them bad on
    purpose."""
    from flows.sample.demo import make_sample

    make_sample(folder)


@app.command()
def recipes(
    name: Annotated[
        str | None, typer.Argument(help="A recipe to print.", show_default=False)
    ] = None,
) -> None:
    """List the recipes, or print one with its source and its open points."""
    from flows.view.store import print_recipe, print_recipes

    if name is None:
        print_recipes()
    else:
        print_recipe(name)


@app.command()
def build(
    store: Store,
    corpus: Annotated[
        list[str],
        typer.Option(
            help="NAME=FOLDER, such as ravdess=/data/RAVDESS; may be given again.",
            show_default=False,
        ),
    ],
    recipe: Annotated[
        str, typer.Option(help="A shipped recipe by name, or a TOML file.")
    ] = "default",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change the recipe: key.path=value; may be given again.",
            show_default=False,
        ),
    ] = None,
    workers: Workers = None,
    dask: Annotated[
        str | None,
        typer.Option(
            help="Work on a Dask cluster: the address of its scheduler, or local:N.",
            show_default=False,
        ),
    ] = None,
    rehash: Annotated[
        bool,
        typer.Option(
            "--rehash", help="Read every file, also those that look as they did when last read."
        ),
    ] = False,
) -> None:
    """Bring a store up to date with its corpora: only what is new or changed is computed."""
    from flows.building.run import run_build

    _check_hands(workers, dask)
    result = run_build(store, _corpora(corpus), recipe, tuple(set_ or ()), workers, dask, rehash)
    from flows.view.store import print_result  # not before: the engine is to start at once

    print_result(store, result)


@app.command()
def serve(
    recipe: Annotated[
        str, typer.Argument(help="A shipped recipe by name, or a TOML file.", show_default=False)
    ],
    store: Annotated[
        Path,
        typer.Option(
            help="Folder of the store, or a URL such as s3://bucket/store.",
            parser=_home,
            show_default=False,
        ),
    ],
    corpus: Annotated[
        list[str],
        typer.Option(
            help="NAME=FOLDER, such as ravdess=/data/RAVDESS; may be given again.",
            show_default=False,
        ),
    ],
    cron: Annotated[
        str,
        typer.Option(
            help="When, in this machine's time zone, such as '0 3 * * *' for 03:00 daily.",
            show_default=False,
        ),
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change the recipe: key.path=value; may be given again.",
            show_default=False,
        ),
    ] = None,
    workers: Workers = None,
    dask: Annotated[
        str | None,
        typer.Option(
            help="Work on a Dask cluster: the address of its scheduler, or local:N.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Bring a store up to date by the clock, until an interrupt; on the server at PREFECT_API_URL,
    else on a local engine."""
    from flows.serve import serve as run_serve

    _check_hands(workers, dask)
    run_serve(store, _corpora(corpus), recipe, tuple(set_ or ()), cron, workers, dask)


@app.command()
def split(
    store: Store,
    scheme: Annotated[
        str,
        typer.Argument(help="Such as subject_kfold or leave_one_subject_out.", show_default=False),
    ],
    folds: Annotated[
        int | None,
        typer.Option(help="Number of folds, where the scheme leaves it open.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed deals the groups in another way.")] = 0,
    test: Annotated[
        str,
        typer.Option(
            help="Subjects to test, such as 23,24; for the scheme holdout.", show_default=False
        ),
    ] = "",
    valid: Annotated[
        str,
        typer.Option(help="Subjects to validate on; for the scheme holdout.", show_default=False),
    ] = "",
) -> None:
    """Deal the clips to folds that share no subject, or to those of a paper by name; an unknown
    name lists all schemes."""
    from flows.building.run import run_split
    from flows.view.split import print_claims
    from flows.view.store import print_folds

    snapshot = run_split(store, scheme, folds, seed, _names(test), _names(valid))
    print_folds(store, scheme)
    print_claims(snapshot, scheme)


@app.command()
def fit(
    store: Store,
    scheme: Annotated[
        str, typer.Argument(help="A split scheme that the store has folds of.", show_default=False)
    ],
    workers: Workers = None,
) -> None:
    """Learn what the store's recipe has under [fitted.NAME], for each fold of a scheme, from the
    training clips of that fold alone."""
    from flows.building.run import run_fit
    from flows.view.fit import print_fit

    print_fit(store, scheme, run_fit(store, scheme, workers))


@app.command()
def show(store: Store) -> None:
    """Print what a store holds: clips, features with their shapes, folds, and what is in
    quarantine."""
    from flows.view.store import print_store

    print_store(store)


@app.command()
def draw(
    store: Store,
    feature: Annotated[
        str, typer.Argument(help="Such as mfcc, logmel64 or crops.", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(help="Folder for the PNG files.", show_default=False)],
    clip: Annotated[
        list[str] | None,
        typer.Option(
            help="A clip's id; may be given again. All clips if not given.", show_default=False
        ),
    ] = None,
) -> None:
    """Draw a feature, one PNG file a clip: numbers as colours over seconds, pictures as a sheet of
    them."""
    from flows.view.draw import draw as draw_feature

    files = draw_feature(store, feature, out, clip or ())
    print(f"{len(files)} PNG files in {out}" if len(files) != 1 else files[0])


@app.command()
def verify(store: Store) -> None:
    """Check every checksum, every index row and every feature: stored + quarantined = clips. Exit 1
    when something is wrong."""
    from flows.view.store import print_verification

    if not print_verification(store):
        raise typer.Exit(1)


@app.command()
def check(
    folder: Annotated[
        Path, typer.Argument(help="Folder with a corpus as downloaded.", show_default=False)
    ],
    hashes: Annotated[
        Path,
        typer.Option(
            help="CSV with path, sha256 and bytes; or a clone of the corpus that holds git-lfs "
            "pointers.",
            show_default=False,
        ),
    ],
) -> None:
    """Compare downloaded files with the hashes that their corpus publishes. Exit 1 when one is a
    git-lfs stub or has other bytes."""
    from flows.view.downloads import checked, print_checked

    found = checked(folder, hashes)
    print_checked(found)
    if found.failed:
        raise typer.Exit(1)


@app.command()
def audit(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="A store, a table (CSV, JSON Lines, Parquet), the tables of one split's sides, "
            "or a paper's numbers (TOML).",
            metavar="STORE | TABLE... | PAPER",
            parser=_home,
            show_default=False,
        ),
    ],
    corpus: Annotated[
        str | None,
        typer.Option(
            help="Whose clips a table lists; folder: no known corpus's. Guessed if not given.",
            show_default=False,
        ),
    ] = None,
    scheme: Annotated[
        str | None, typer.Option(help="Audit this split scheme alone.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write the findings to this Parquet file.", show_default=False),
    ] = None,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Also train a plain classifier on a store's features, with the leak and without "
            "it.",
        ),
    ] = False,
    labels: Annotated[
        str | None,
        typer.Option(
            help="For the probe: a label scheme or space; the corpus's main one if not given.",
            show_default=False,
        ),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            help="For the probe: a feature, such as mfcc; may be given again.", show_default=False
        ),
    ] = None,
) -> None:
    """Find the leaks of a split, ours or anyone's. Exit 0: no error among the findings, 1: some;
    whatever the probe measures."""
    from flows.auditing.run import run_audit, write_findings
    from flows.view.audit import print_report, to_json
    from flows.view.leak_probe import as_json, print_probe, probed

    if (labels or feature) and not probe:
        raise typer.BadParameter("--labels and --feature say what the probe reads; add --probe")
    report = run_audit(sources, corpus, scheme)
    cost = probed(sources, scheme, labels, feature or ()) if probe else None
    if out is not None:
        write_findings(report, out)
    if json:
        print(to_json(report, **({"probe": as_json(cost)} if cost else {})))
    else:
        print_report(report)
        if cost:
            print_probe(cost)
    if report.failed:
        raise typer.Exit(1)


def _check_hands(workers: int | None, dask: str | None) -> None:
    if workers and dask:
        raise typer.BadParameter(
            "--workers counts processes of this machine, --dask says where else to work; give one "
            "of them"
        )


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def _corpora(options: list[str]) -> dict[str, Path]:
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


def main() -> None:
    """The process of the command."""
    atexit.register(
        gc.freeze
    )  # an interpreter that ends looks through all that it has once more, which takes a second
    # multiprocessing's tracker tidies up after an interrupt, and would warn that it had to.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    run()


def run(arguments: list[str] | None = None) -> None:
    """The command, by default as it was called; what a user can cause is one sentence and exit code
    2, anything else is a traceback."""
    try:
        app(arguments)
    except Exception as error:
        from flows.errors import sentence

        words = sentence(error)
        if words is None:
            raise
        _leave(words, 2)


def _stop(number: int, frame: FrameType | None) -> None:
    """Leave at once: what is finished is on the disk, what is not has no name yet, and workers and
    engine leave with this process."""
    # Written past `sys.stderr`, which may be in the middle of a line of its own.
    cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # which a progress bar hides
    words = (
        f"{cursor}\naffectstore: stopped; what was finished is kept, run the same command "
        "again to go on\n"
    )
    os.write(sys.stderr.fileno(), words.encode())
    os._exit(128 + number)


def _leave(sentence: str, code: int) -> None:
    print(f"affectstore: {sentence}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
