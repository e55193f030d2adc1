"""The whole product on a corpus that anyone may have: clips -> store -> folds -> audit -> batch."""

import shlex
from pathlib import Path

from flows.auditing.run import run_audit
from flows.building.run import check_build, run_build
from flows.recording import recorded
from flows.reporting.run import write_report
from flows.sample.pictures import write_sample
from flows.splitting.run import check_split, run_split
from flows.view.audit import print_report
from flows.view.console import called_as, say
from flows.view.store import print_absent, print_clips, print_result, print_sides
from flows.workers.progress import ProgressBar
from manifests.corpora.sample import sample_clips
from stores import FeatureDataset, FeatureStore
from stores.location import locate
from stores.summary import summarise

_SCHEME, _FOLDS, _BATCH = "subject_kfold", 3, 4


def run_demo(out: Path, workers: int | None) -> None:
    """Makes everything below a folder, and prints what was made and where.

    Args:
        out: The folder.
        workers: Worker processes; one for each core if None.
    """
    clips, store = out / "clips", out / "store"
    make_sample(clips)
    result = recorded("build", run_build, check_build)(
        store, {"sample": clips}, "demo", (), workers
    )
    summary = summarise(locate(store))
    print_clips(summary)
    print_result(str(store), result, summary.quarantine)
    print_absent(summary.absent)
    recorded("split", run_split, check_split)(store, _SCHEME, _FOLDS)
    print_sides(summarise(locate(store)).schemes[0])
    print_report(run_audit([store]))
    _print_a_batch(store)
    say()
    say(f"The clips are in {clips}, the store is in {store}.")
    say(f"The report of the store, for a browser: {write_report(store)}")
    say("Next, in this folder:")
    for line in next_commands(store, out):
        say(f"  {line}")


def next_commands(store: Path, out: Path) -> list[str]:
    """Commands for a newcomer, which run as they are in the folder that the demo was started in.

    Args:
        store: The store.
        out: The folder of the demo.

    Returns:
        Lines for a shell.
    """
    command, clip = called_as(), next(iter(FeatureStore(store)["mfcc"]))
    place, pictures = shlex.quote(str(store)), shlex.quote(str(out / "pictures"))
    return [
        f"{command} show {place}",
        f"{command} explain L7",
        f"{command} draw {place} mfcc {pictures} --clip {shlex.quote(clip)}",
        f"{command} build --help",
    ]


def make_sample(folder: Path) -> None:
    """Draws the sample clips; those that are there already are drawn again, to the same bytes.

    Args:
        folder: Absent, empty, or with a sample corpus.
    """
    clips = sample_clips()
    with ProgressBar("making sample clips", len(clips)) as progress:
        write_sample(folder, on_clip=lambda _: progress.advance(1))
    say(f"{len(clips)} synthetic clips in {folder}, two of them bad on purpose, one silent")


def _print_a_batch(store: Path) -> None:
    """What a trainer is given: padded arrays with masks."""
    dataset = FeatureDataset(
        store,
        features=["mfcc", "resnet18"],
        labels="ravdess8",
        scheme=_SCHEME,
        fold=0,
        role="train",
        missing="drop",
    )
    batch = dataset.collate([dataset[i] for i in range(_BATCH)])
    say()
    say(
        f"FeatureDataset(..., scheme={_SCHEME!r}, fold=0, role='train', missing='drop') "
        f"has {len(dataset)} clips; a batch of {_BATCH}:"
    )
    say(f"  clip_ids         {', '.join(batch['clip_ids'])}")
    say(f"  targets          {batch['targets']} of {', '.join(dataset.classes)}")
    for name, values in batch["values"].items():
        mask, lengths = batch["mask"][name], batch["lengths"][name]
        shapes = f"{values.shape} {values.dtype}, mask {mask.shape}"
        say(f"  values[{name!r}] {shapes}, rows of each clip {lengths}")
