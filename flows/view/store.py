"""What a store holds and what a build did, as tables for the terminal."""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flows.view.audit import in_one_line
from flows.view.console import Grid, bold, called_as, coloured, lines, say, short_id
from flows.view.fit import print_fitted
from manifests.choice import Choice
from manifests.features import FeatureSpec
from manifests.quarantine import Reason
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
    say(bold(store.name), f"  snapshot {snapshot.number}, recipe {recipe}")
    print_clips(store)
    if snapshot.listed:
        say(chosen_text(snapshot, {one.corpus: one.clips for one in store.corpora}))
    print_features(snapshot)
    print_fitted(snapshot)
    if not store.schemes:
        split = f"{called_as()} split {shlex.quote(store.name)} subject_kfold --folds 5"
        say(f"no folds yet; make some with: {split}")
    for scheme in store.schemes:
        print_folds(scheme)
    print_absent(store.absent)
    if store.notes:
        listed = ", ".join(f"{note} {count}" for note, count in store.notes.items())
        say(f"clips with notes: {listed}; {called_as()} explain {next(iter(store.notes))}")
    print_quarantine(store.quarantine)


def print_clips(store: StoreSummary) -> None:
    """Prints the clips of each corpus and their labels.

    Args:
        store: What the store holds.
    """
    rows = Grid("corpus", "clips", "subjects", "hours", "with sound", "with picture")
    for one in store.corpora:
        hours = f"{one.seconds / 3600:.2f}"
        counts = (one.clips, one.subjects, hours, one.with_sound, one.with_picture)
        rows.add_row(one.corpus, *map(str, counts))
    rows.say()
    for scheme, values in store.labels.items():
        listed = ", ".join(f"{value} {count}" for value, count in sorted(values.items()))
        say(f"labels {scheme}: {listed}")


def print_features(snapshot: "Snapshot") -> None:
    """Prints the stored features with their shapes and sizes.

    Args:
        snapshot: What a store holds.
    """
    rows = Grid("feature", "rows of a clip", "type", "clips", "rows", "MB")
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
    rows.say()
    for name, feature in snapshot.features.items():
        if feature.spec.about:
            say(coloured("yellow", f"{name}: {feature.spec.about}"))


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
    print_sides(scheme)
    say(in_one_line(scheme.findings))


def print_sides(scheme: SchemeSummary) -> None:
    """Prints clips and groups on each side of each fold.

    Args:
        scheme: The folds of one split scheme.
    """
    rows = Grid(scheme.scheme, "train clips (groups)", "valid", "test", "tested groups")
    for number, sides in scheme.folds.items():
        counts = [
            f"{sides[role].clips} ({len(sides[role].groups)})" if role in sides else "-"
            for role in ("train", "valid", "test")
        ]
        tested = sides["test"].groups if "test" in sides else ()
        more = " ..." if len(tested) > _EXAMPLES else ""
        shown = ", ".join(map(short_id, tested[:_EXAMPLES]))
        rows.add_row(f"fold {number}", *counts, shown + more)
    rows.say()


def print_absent(absent: Mapping[str, Mapping[str, int]]) -> None:
    """Prints how many clips lack a feature that they never had.

    Args:
        absent: What their files never had -> feature -> clips.
    """
    for what, features in absent.items():
        listed = ", ".join(f"{name} {count}" for name, count in features.items())
        say(f"absent, of clips that by their corpus's rule never had {what}: {listed}")


def print_features_of_no_clip(reasons: Mapping[str, str]) -> None:
    """Warns of features that no clip has: a corpus without any face, for example.

    Args:
        reasons: Feature -> why most clips lack it.
    """
    for reason in sorted(set(reasons.values())):
        names = ", ".join(name for name, why in reasons.items() if why == reason)
        what = _EMPTY.get(reason, f"most are in quarantine for {reason}")
        say(coloured("yellow", f"no clip has {names}: {what}; if that is right, leave them out"))


_EMPTY: dict[str, str] = {
    Reason.NO_FACE: "not one face was found in the corpus, so look whether its pictures show any",
    Reason.NO_VIDEO: "no file holds pictures, so look whether these are the right files",
    Reason.NO_AUDIO: "no file holds sound, so look whether these are the right files",
}


def print_quarantine(clips: Sequence[QuarantineSummary]) -> None:
    """Prints what could not be measured: one line for each clip and reason.

    Args:
        clips: The clips in quarantine.
    """
    if not clips:
        say("nothing in quarantine")
        return
    rows = Grid("in quarantine", "reason", "what was found")
    for clip in clips[:_MOST_QUARANTINED]:
        missing = "all features" if clip.is_all else ", ".join(clip.features)
        rows.add_row(
            short_id(clip.clip_id), clip.reason, lines([clip.detail, f"missing: {missing}"])
        )
    rows.say()
    say(f"what a reason means: {called_as()} explain {clips[0].reason}")
    if (more := len(clips) - _MOST_QUARANTINED) > 0:
        say(f"... and {more} more; the table `quarantine` of the store has them all")


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
        say(bold(store), f"  {new}")
        print_features(snapshot)
    else:
        say(
            f"nothing new: {store} is up to date, snapshot {snapshot.number}; "
            "no shard and no snapshot was written"
        )
    if result.left_out:
        say(left_out_text(result.left_out))
    if result.forgotten.files:
        say(coloured("yellow", forgotten_text(result.forgotten.files, result.forgotten.copies)))
    if result.listed.choice:
        say(not_chosen_text(result))
    if result.folds_dropped:
        say(
            coloured(
                "yellow",
                "the clips have changed, so the old folds no longer fit and were left out; run "
                "affectstore split again",
            )
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


def forgotten_text(files: Sequence[str], copies: Sequence[str] = ()) -> str:
    """Says that files of somebody forgotten were left out, and where they still lie.

    Args:
        files: `corpus/path` of each.
        copies: Those that are known by what they hold.

    Returns:
        A sentence.
    """
    folders = sorted({file.rpartition("/")[0] for file in files})
    more = f" and {len(folders) - _EXAMPLES} more folders" if len(folders) > _EXAMPLES else ""
    what = "1 file" if len(files) == 1 else f"{len(files)} files"
    lie = "it still lies" if len(files) == 1 else "they still lie"
    known = f"; {len(copies)} known by what they hold, such as {copies[0]}" if copies else ""
    return (
        f"left out: {what} of subjects or clips that this store has forgotten; {lie} in the "
        f"corpus, in {', '.join(folders[:_EXAMPLES])}{more}, such as {files[0]}{known}"
    )


def chosen_text(snapshot: Snapshot, clips: Mapping[str, int]) -> str:
    """Says how many clips a store has of those that lay there, and why these.

    Args:
        snapshot: One whose recipe chooses clips.
        clips: Corpus -> clips of the store.

    Returns:
        Such as `chosen: 1,440 of 7,356 clips (modality full-AV)`, with each corpus where there are
        several.
    """
    listed = snapshot.listed
    total = f"{sum(clips.values()):,} of {sum(listed.values()):,} clips"
    each = [
        f"{clips.get(corpus, 0):,} of {count:,} of {corpus}" for corpus, count in listed.items()
    ]
    more = f": {', '.join(each)}" if len(each) > 1 else ""
    return f"chosen: {total} ({_choice_words(snapshot)}){more}"


def not_chosen_text(result: "BuildResult") -> str:
    """Says how many clips a build has left out because the recipe does not choose them.

    Args:
        result: What a build left behind, by a recipe that chooses clips.

    Returns:
        Such as `left out by choice: 5,916 of 7,356 clips (chosen: modality full-AV)`.
    """
    total = sum(result.listed.clips.values())
    left = total - result.snapshot.counts["clips"]
    unknown = result.listed.unknown_names
    names = f", {unknown} of them files whose name breaks the rule of its corpus" if unknown else ""
    words = result.listed.choice.words
    return f"left out by choice: {left:,} of {total:,} clips (chosen: {words}){names}"


def _choice_words(snapshot: Snapshot) -> str:
    texts = snapshot.recipe.get("clips")
    return Choice.of([*map(str, texts)]).words if isinstance(texts, list) else ""


def print_verification(found: "Verification") -> None:
    """Prints whether a store is whole.

    Args:
        found: What was looked at and what is wrong with it.
    """
    for problem in found.problems:
        say(coloured("red", problem))
    for remark in found.remarks:
        say(coloured("yellow", remark))
    say(found.summary)
