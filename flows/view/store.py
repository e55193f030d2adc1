"""What a store holds and what a build did, as tables for the terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flows.view.audit import in_one_line
from flows.view.console import CONSOLE, grid
from flows.view.fit import print_fitted
from manifests.features import FeatureSpec
from manifests.suffix_counts import count_text
from stores.snapshot import Snapshot
from stores.summary import QuarantineSummary, SchemeSummary, StoreSummary

if TYPE_CHECKING:
    from flows.building.commit import BuildResult
    from stores.verify import Verification

_EXAMPLES = 5
_MOST_QUARANTINED = 50


def print_store(store: StoreSummary) -> None:
    """Prints everything that a snapshot holds.

    Args:
        store: What it holds.
    """
    snapshot = store.snapshot
    recipe = snapshot.recipe["name"]
    CONSOLE.print(f"[bold]{store.name}[/bold]  snapshot {snapshot.number}, recipe {recipe}")
    print_clips(store)
    print_features(snapshot)
    print_fitted(snapshot)
    if not store.schemes:
        CONSOLE.print(
            "no folds yet; make some with: affectstore split STORE subject_kfold --folds 5"
        )
    for scheme in store.schemes:
        print_folds(scheme)
    print_quarantine(store.quarantine)


def print_clips(store: StoreSummary) -> None:
    """Prints the clips of each corpus and their labels.

    Args:
        store: What the store holds.
    """
    rows = grid("corpus", "clips", "subjects", "hours", "with sound", "with picture")
    for one in store.corpora:
        hours = f"{one.seconds / 3600:.2f}"
        counts = (one.clips, one.subjects, hours, one.with_sound, one.with_picture)
        rows.add_row(one.corpus, *map(str, counts))
    CONSOLE.print(rows)
    for scheme, values in store.labels.items():
        listed = ", ".join(f"{value} {count}" for value, count in sorted(values.items()))
        CONSOLE.print(f"labels {scheme}: {listed}")


def print_features(snapshot: "Snapshot") -> None:
    """Prints the stored features with their shapes and sizes.

    Args:
        snapshot: What a store holds.
    """
    rows = grid("feature", "rows of a clip", "type", "clips", "rows", "MB")
    for name, feature in snapshot.features.items():
        spec, shards = feature.spec, feature.shards
        rows.add_row(
            name,
            shape(spec),
            spec.dtype if spec.codec == "raw" else f"{spec.dtype} {spec.codec}",
            str(sum(shard.clips for shard in shards)),
            str(sum(shard.rows for shard in shards)),
            f"{sum(shard.bytes for shard in shards) / 1e6:.1f}",
        )
    CONSOLE.print(rows)
    for name, feature in snapshot.features.items():
        if feature.spec.about:
            CONSOLE.print(f"[yellow]{name}: {feature.spec.about}[/yellow]")


def shape(spec: FeatureSpec) -> str:
    """The shape of a feature's track, such as (time, 120).

    Args:
        spec: The feature.

    Returns:
        A text.
    """
    return "(" + ", ".join([spec.dims[0], *map(str, spec.shape)]) + ")"


def print_folds(scheme: SchemeSummary) -> None:
    """Prints clips and groups on each side of each fold, and what the audit found in them.

    Args:
        scheme: The folds of one split scheme.
    """
    rows = grid(scheme.scheme, "train", "valid", "test", "test groups")
    for number, sides in scheme.folds.items():
        counts = [
            f"{sides[role].clips} clips, {len(sides[role].groups)} groups" if role in sides else "-"
            for role in ("train", "valid", "test")
        ]
        tested = sides["test"].groups if "test" in sides else ()
        more = " ..." if len(tested) > _EXAMPLES else ""
        rows.add_row(f"fold {number}", *counts, ", ".join(tested[:_EXAMPLES]) + more)
    CONSOLE.print(rows)
    CONSOLE.print(in_one_line(scheme.findings))


def print_quarantine(clips: Sequence[QuarantineSummary]) -> None:
    """Prints what could not be measured: one line for each clip and reason.

    Args:
        clips: The clips in quarantine.
    """
    if not clips:
        CONSOLE.print("nothing in quarantine")
        return
    rows = grid("in quarantine", "reason", "missing features", "what was found")
    for clip in clips[:_MOST_QUARANTINED]:
        missing = "all" if clip.is_all else ", ".join(clip.features)
        rows.add_row(clip.clip_id, clip.reason, missing, clip.detail)
    CONSOLE.print(rows)
    if (more := len(clips) - _MOST_QUARANTINED) > 0:
        CONSOLE.print(f"... and {more} more; the table `quarantine` of the store has them all")


def print_result(
    store: str, result: "BuildResult", quarantine: Sequence[QuarantineSummary]
) -> None:
    """Prints what a build did.

    Args:
        store: The name of the store.
        result: What the build left behind.
        quarantine: The clips in quarantine.
    """
    snapshot = result.snapshot
    if result.is_new:
        new = f"snapshot {snapshot.number} published, {result.shards_written} new shards"
        CONSOLE.print(f"[bold]{store}[/bold]  {new}")
        print_features(snapshot)
    else:
        CONSOLE.print(
            f"nothing new: {store} is up to date, snapshot {snapshot.number}; "
            "no shard and no snapshot was written"
        )
    if result.left_out:
        CONSOLE.print(left_out_text(result.left_out))
    if result.folds_dropped:
        CONSOLE.print(
            "[yellow]the clips have changed, so the old folds no longer fit and were left out; "
            "run affectstore split again[/yellow]"
        )
    print_quarantine(quarantine)


def left_out_text(files: Mapping[str, int]) -> str:
    """Says which files of the corpora's folders were left out.

    Args:
        files: Suffix -> files.

    Returns:
        Such as `left out: 14 .zip, 3 .txt`.
    """
    return f"left out: {count_text(files)}"


def print_verification(found: "Verification") -> None:
    """Prints whether a store is whole.

    Args:
        found: What was looked at and what is wrong with it.
    """
    for problem in found.problems:
        CONSOLE.print(f"[red]{problem}[/red]")
    for remark in found.remarks:
        CONSOLE.print(f"[yellow]{remark}[/yellow]")
    CONSOLE.print(found.summary)
