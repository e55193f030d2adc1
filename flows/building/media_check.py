"""Compares what a store holds with the files of its corpora: `affectstore verify --media`.

Each file's hash is compared with that in the table of clips; of files that have it, what comes from
their sound and pictures is measured once more and compared with the stored rows. What networks make
of it is not: their last digits depend on the machine.
"""

import hashlib
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from extractors.base import Runtime
from extractors.plan import Media
from flows.building.changed import build_unchanged, given_up
from flows.building.commit import versions
from flows.building.isolation import build_isolated, probe_isolated
from flows.building.probing import Probed, as_listed
from flows.building.shard_task import ShardTask
from flows.errors import BuildError
from flows.recipe import Recipe, RecipeError, parse
from flows.workers.executor import Pools, Step, run_in_order
from flows.workers.local_executor import LocalExecutor
from flows.workers.pool import cores
from flows.workers.progress import ProgressBar
from manifests.clips import CLIPS, Clip
from manifests.corpora.base import Found
from manifests.features import INDEX, State
from manifests.quarantine import BadClip
from manifests.tracks import Track
from stores.location import Location, Place, locate
from stores.shard import Shard, open_shard
from stores.snapshot import Snapshot, load_snapshot, read_rows

_CLIPS_AT_ONCE = 8
_NEARLY = 0.01
"""How far values may lie apart where only their last digits differ, of their mean deviation."""


@dataclass
class ComparedClips:
    """What a comparison of some clips with their files has found."""

    clips: int = 0
    different: dict[str, str] = field(default_factory=dict)
    """Clip -> one sentence."""
    missing: dict[str, str] = field(default_factory=dict)
    """Clips without a file, likewise."""
    nearly: set[str] = field(default_factory=set)
    """Clips of which last digits differ."""

    def add(self, other: "ComparedClips") -> None:
        """Takes in what was found of other clips.

        Args:
            other: It.
        """
        self.clips += other.clips
        self.different |= other.different
        self.missing |= other.missing
        self.nearly |= other.nearly


@dataclass(frozen=True)
class MediaCheck:
    """What a comparison of a store with its files has found."""

    found: ComparedClips
    of: int
    """Clips whose files the store has read."""
    features: tuple[str, ...]
    """That were measured again."""
    left_out: Mapping[str, str]
    """Other features -> why they were not."""
    other_versions: Mapping[str, str]
    """Library -> its version when the store was built, where it is another one now."""

    @property
    def failed(self) -> bool:
        """A clip is not as its file is, or has no file."""
        return bool(self.found.different or self.found.missing)


def check_media(
    store: Place, corpora: Mapping[str, Path], most: int | None, workers: int | None = None
) -> MediaCheck:
    """Compares clips of a store with their files.

    Args:
        store: Folder or URL of the store.
        corpora: Name of a corpus -> its folder.
        most: How many clips, always the same ones; None: all.
        workers: Worker processes of this machine; one for each core if None.

    Returns:
        What was found.

    Raises:
        BuildError: A corpus is not named, or has no folder.
    """
    location = locate(store)
    snapshot = load_snapshot(location)
    read = [clip for clip in read_rows(location, snapshot, CLIPS) if clip.sha256]
    chosen = sorted(read, key=lambda clip: hashlib.sha256(clip.clip_id.encode()).digest())[:most]
    _check_folders(corpora, {clip.corpus for clip in chosen})
    recipe, features, left_out = _comparable(location, snapshot)
    found = ComparedClips()
    with (
        tempfile.TemporaryDirectory(prefix="affectstore-") as made,
        LocalExecutor(workers or cores(), offline=location.is_local) as executor,
        ProgressBar("comparing clips", len(chosen)) as progress,
        executor.pools(lambda amount: None) as pools,
    ):
        stored = _RecordedTracks(location, snapshot, {clip.clip_id for clip in chosen})
        comparison = _MediaComparison(corpora, recipe, features, stored, locate(made), pools)
        for part in run_in_order(executor, comparison.steps(sorted(chosen, key=_id))):
            found.add(part)
            progress.advance(part.clips)
    then, now = snapshot.versions, versions()
    other_versions = {name: then[name] for name in now if then.get(name, now[name]) != now[name]}
    return MediaCheck(found, len(read), features, left_out, other_versions)


def number_of_clips(media: str) -> int | None:
    """Reads what `--media` says.

    Args:
        media: A number, or `all`.

    Returns:
        The number; None for all.

    Raises:
        BuildError: It is neither.
    """
    if media == "all":
        return None
    if re.fullmatch("[1-9][0-9]{0,8}", media):
        return int(media)
    raise BuildError(f"--media {media} is no number of clips; give one above 0, or all")


def _id(clip: Clip) -> str:
    return clip.clip_id


def _check_folders(corpora: Mapping[str, Path], needed: Collection[str]) -> None:
    if forgotten := sorted(needed - corpora.keys()):
        options = " ".join(f"--corpus {name}=FOLDER" for name in forgotten)
        raise BuildError(
            f"the store holds clips of {', '.join(forgotten)}, and no folder of theirs is named; "
            f"add {options}"
        )
    for name in sorted(needed):
        if not corpora[name].is_dir():
            raise BuildError(f"{corpora[name]} is no folder; give that of the corpus {name}")


def _comparable(
    location: Location, snapshot: Snapshot
) -> tuple[Recipe | None, tuple[str, ...], dict[str, str]]:
    """The recipe, the features that can be measured again, and why the others cannot."""
    try:
        recipe = parse(snapshot.recipe, where=f"the recipe of {location}")
    except RecipeError:
        why = "this version of affectstore does not read the recipe"
        return None, (), dict.fromkeys(snapshot.features, why)
    networks = recipe.graph.encoders(recipe.stored)
    left_out: dict[str, str] = {}
    for name, feature in snapshot.features.items():
        if name in networks:
            left_out[name] = "a network"
        elif recipe.graph.specs[name].fingerprint != feature.spec.fingerprint:
            left_out[name] = "another version of its extractor"
    return recipe, tuple(n for n in recipe.stored if n not in left_out), left_out


@dataclass(frozen=True)
class _MediaComparison:
    """What a comparison works with."""

    corpora: Mapping[str, Path]
    recipe: Recipe | None
    features: tuple[str, ...]
    stored: "_RecordedTracks"
    made: Location
    """Where features are measured again."""
    pools: Pools

    def steps(self, clips: Sequence[Clip]) -> Iterator[Step[ComparedClips]]:
        """The comparison in parts of a few clips."""
        for at in range(0, len(clips), _CLIPS_AT_ONCE):
            some = clips[at : at + _CLIPS_AT_ONCE]
            yield Step("compare-clips", f"clips from {at}", partial(self._compare, some))

    def _compare(self, clips: Sequence[Clip]) -> ComparedClips:
        found, media = ComparedClips(len(clips)), self.recipe.decoding if self.recipe else Media()
        listed = [Found(as_listed(clip), ()) for clip in clips]
        paths = [self.corpora[clip.corpus] / clip.path for clip in clips]
        probed = probe_isolated(self.pools.main, listed, paths, {}, media.limits)
        for clip, path, now in zip(clips, paths, probed, strict=True):
            _compare_header(found, clip, path, now)
        faults = {**found.different, **found.missing}
        left = [
            (clip, path)
            for clip, path in zip(clips, paths, strict=True)
            if clip.clip_id in self.stored.clips and clip.clip_id not in faults
        ]
        if self.recipe and self.features and left:
            self._compare_features(found, self.recipe, left)
        return found

    def _compare_features(
        self, found: ComparedClips, recipe: Recipe, pairs: Sequence[tuple[Clip, Path]]
    ) -> None:
        clips, paths = zip(*pairs, strict=True)
        task = ShardTask(self.made, recipe.graph, recipe.decoding, clips, paths, self.features)
        result = build_unchanged(
            task,
            self.features,
            lambda part: build_isolated(self.pools, part, Runtime()),
            lambda clip, path: given_up(clip),
        )
        for clip, path in pairs:
            if clip.clip_id in result.changed:
                found.different[clip.clip_id] = f"{path} changed while it was compared; try again"
        for records in result.records:
            specs = recipe.graph.specs
            made = {name: open_shard(self.made, specs[name], records[name]) for name in records}
            for clip, path in pairs:
                others = ", ".join(self._others(found, clip, made))
                if others and clip.clip_id not in result.changed:
                    found.different[clip.clip_id] = (
                        f"{others} in the store are not those of {path}, which has the recorded "
                        "hash; build into an empty folder"
                    )
            for record in records.values():
                self.made.remove(record.file)

    def _others(self, found: ComparedClips, clip: Clip, made: Mapping[str, Shard]) -> Iterator[str]:
        """The features of a clip that are others when they are measured again."""
        for feature, again in made.items():
            before = self.stored.track(clip.clip_id, feature)
            if before is None:
                continue
            outcome = again.outcome(clip.clip_id)
            if isinstance(outcome, BadClip):
                yield f"{feature} (now {outcome.reason}: {outcome.detail})"
            elif not _is_same(before, now := again.track(clip.clip_id)):
                if _is_nearly(before, now):
                    found.nearly.add(clip.clip_id)
                else:
                    yield feature


class _RecordedTracks:
    """Tracks of a snapshot."""

    def __init__(self, location: Location, snapshot: Snapshot, clip_ids: Collection[str]) -> None:
        """Looks up where they lie.

        Args:
            location: Where the store lies.
            snapshot: The snapshot.
            clip_ids: The clips.
        """
        self._location, self._snapshot = location, snapshot
        self._files = {
            (row.clip_id, row.feature): str(row.shard)
            for row in read_rows(location, snapshot, INDEX)
            if row.state == State.STORED and row.clip_id in clip_ids
        }
        self.clips = {clip_id for clip_id, _ in self._files}

    def track(self, clip_id: str, feature: str) -> Track | None:
        """Reads a track; None where the clip has none."""
        file = self._files.get((clip_id, feature))
        return self._open(feature, file).track(clip_id) if file else None

    @lru_cache(maxsize=64)  # noqa: B019
    def _open(self, feature: str, file: str) -> Shard:
        stored = self._snapshot.features[feature]
        record = next(one for one in stored.shards if one.file == file)
        self._location.fetch(record)
        return open_shard(self._location, stored.spec, record)


def _compare_header(found: ComparedClips, clip: Clip, path: Path, now: Probed) -> None:
    if not now.clip.sha256 and not path.exists():
        found.missing[clip.clip_id] = f"there is no {path}; restore it, or name another folder"
    elif now.clip.sha256 != clip.sha256:
        why = f" ({now.bad.detail})" if now.bad and not now.clip.sha256 else ""
        found.different[clip.clip_id] = (
            f"{path} has not the bytes that the store was built from{why}; build again"
        )
    elif now.clip != clip and not now.bad:
        found.different[clip.clip_id] = (
            f"the streams of {path}, which has the recorded hash, are not those in the table of "
            "clips; build into an empty folder"
        )


def _is_same(stored: Track, now: Track) -> bool:
    pairs = ((stored.values, now.values), (stored.seconds, now.seconds), (stored.valid, now.valid))
    return all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


def _is_nearly(stored: Track, now: Track) -> bool:
    """Whether other versions of libraries, or another processor, account for what differs."""
    if stored.values.shape != now.values.shape or not np.allclose(stored.seconds, now.seconds):
        return False
    valid = stored.valid & now.valid
    if valid.sum() < (1 - _NEARLY) * max(stored.valid.sum(), now.valid.sum()):
        return False
    before, after = (track.values[valid].astype(np.float64) for track in (stored, now))
    spread = np.abs(before - before.mean()).mean() if before.size else 0.0
    return bool(before.size) and bool(np.abs(after - before).mean() <= _NEARLY * spread)
