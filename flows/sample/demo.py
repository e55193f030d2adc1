"""The whole product on a corpus that anyone may have: sample clips -> store -> folds -> audit -> a
batch."""

from pathlib import Path

from flows.auditing.run import run_audit
from flows.building.run import run_build, run_split
from flows.local_server import engine
from flows.sample.pictures import write_sample
from flows.view.audit import print_report
from flows.view.store import print_clips, print_folds, print_result
from flows.workers.progress import Meter
from manifests.corpora.sample import sample_clips
from stores import FeatureDataset

_SCHEME, _FOLDS, _BATCH = "subject_kfold", 3, 4


def run(out: Path, workers: int | None) -> None:
    """Make everything below `out`, and print what was made and where."""
    clips, store = out / "clips", out / "store"
    make_sample(clips)
    with engine():
        result = run_build(store, {"sample": clips}, "demo", (), workers)
        print_clips(store, result.snapshot)
        print_result(store, result)
        run_split(store, _SCHEME, _FOLDS, 0)
    print_folds(store, _SCHEME)
    print_report(run_audit([store]))
    _print_a_batch(store)
    print(
        f"\nThe clips are in {clips}, the store is in {store}. Next:\n  affectstore show "
        f"{store}\n  affectstore verify {store}"
    )


def make_sample(folder: Path) -> None:
    """Draw the sample clips; those that are there already are drawn again, to the same bytes."""
    clips = sample_clips()
    with Meter("making sample clips", len(clips)) as meter:
        write_sample(folder, on_clip=lambda _: meter.advance(1))
    print(f"{len(clips)} synthetic clips in {folder}, three of them bad on purpose")


def _print_a_batch(store: Path) -> None:
    """What a trainer sees: padded arrays with masks."""
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
    print(
        f"\nFeatureDataset(..., scheme={_SCHEME!r}, fold=0, role='train', missing='drop') has "
        f"{len(dataset)} clips; a batch of {_BATCH}:"
    )
    print(f"  clip_ids         {', '.join(batch['clip_ids'])}")
    print(f"  targets          {batch['targets']} of {', '.join(dataset.classes)}")
    for name, values in batch["values"].items():
        mask = batch["mask"][name]
        print(
            f"  values[{name!r}] {values.shape} {values.dtype}, mask {mask.shape}, rows of each "
            f"clip {batch['lengths'][name]}"
        )
