"""The steps of the flows, as plain functions: nothing here knows of Prefect."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from extractors.media import Limits, probe
from flows.auditing import audit_again
from flows.crew import advance
from flows.pending import NOTHING_HELD, Held, Key, chunks, span, still_good
from flows.recipe import Recipe
from flows.shards import ShardTask
from manifests.audits import AUDITS
from manifests.clips import CLIPS, Clip
from manifests.corpora.catalog import CORPORA, Found
from manifests.corpora.known_issues import apply_known_issues
from manifests.features import INDEX, IndexRow, Json, State
from manifests.folds import FOLDS, SCHEMES, Fold, Scheme, SplitError, empty_classes, refuse_leaks, weigh
from manifests.labels import LABELS, Label
from manifests.quarantine import QUARANTINE, BadClip, Quarantined, Reason
from stores.snapshot import NotCommitted, Snapshot, load_snapshot, publish, read_table
from stores.trainings import carry


class BuildError(ValueError):
    """The build cannot start or must not publish; the message says why and what to do."""


class StoreBusy(BuildError):
    """Another process is writing to the store."""


@dataclass(frozen=True)
class Scan:
    """What the corpora hold now."""

    roots: Mapping[str, Path]
    found: tuple[Found, ...]
    """Sorted by clip id, hashed and probed."""

    def path(self, clip: Clip) -> Path:
        return self.roots[clip.corpus] / clip.path

    @property
    def bad(self) -> dict[str, BadClip]:
        """Clips that are refused before any decoding."""
        return {f.clip.clip_id: f.bad for f in self.found if f.bad is not None}


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the store for one writer; StoreBusy when another has it."""
    from filelock import FileLock, Timeout

    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StoreBusy(f"another build or split is writing to {root}; wait until it ends, then run the same command again") from error
    try:
        yield
    finally:
        lock.release()


def list_clips(corpora: Mapping[str, Path], ignored_issues: Collection[str] = ()) -> list[Found]:
    """Every clip of every corpus, by name alone; files known to be bad are refused, but for the corpora and clips in `ignored_issues`."""
    found: list[Found] = []
    for name, root in sorted(corpora.items()):
        if name not in CORPORA:
            raise BuildError(f"there is no corpus {name!r}; there are {', '.join(CORPORA)}")
        found += CORPORA[name].scan(root)
    return apply_known_issues(sorted(found, key=lambda f: f.clip.clip_id), ignored_issues)


def inspect_clips(found: Sequence[Found], paths: Sequence[Path], known: Mapping[str, Clip], limits: Limits) -> list[Found]:
    """Hash each file, and probe those whose bytes are new; runs in a worker process."""
    return [_inspect(f, path, known.get(f.clip.clip_id), limits) for f, path in zip(found, paths, strict=True)]


def _inspect(found: Found, path: Path, known: Clip | None, limits: Limits) -> Found:
    if found.bad:
        advance(1)
        return found
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except PermissionError:
        advance(1)
        bad = BadClip(found.clip.clip_id, Reason.UNREADABLE, "this user may not read the file; change its permissions")
        return replace(found, bad=bad)
    clip = replace(found.clip, sha256=digest, bytes=size)
    try:
        clip = _with_facts(clip, known) if known and _is_the_same(clip, known) else probe(clip, path, limits)
    except BadClip as bad:
        return replace(found, clip=clip, bad=bad)
    finally:
        advance(1)
    return replace(found, clip=clip)


def _is_the_same(clip: Clip, known: Clip) -> bool:
    """The bytes and the part of them that were probed before."""
    return known.sha256 == clip.sha256 and span(known) == span(clip) and known.duration_s is not None


_FACTS = (
    "duration_s", "has_audio", "has_video", "audio_s", "video_s", "rate_hz", "channels", "width_px", "height_px",
    "fps", "frames", "variable_rate", "audio_start_s", "video_start_s",
)  # fmt: skip


def _with_facts(clip: Clip, known: Clip) -> Clip:
    """The stream facts of the same bytes, as probed before."""
    return replace(clip, **{name: getattr(known, name) for name in _FACTS})


def load_held(root: Path) -> Held:
    """What the store holds; nothing when there is no store yet."""
    try:
        snapshot = load_snapshot(root)
    except NotCommitted:
        return NOTHING_HELD
    return Held(
        snapshot=snapshot,
        clips={clip.clip_id: clip for clip in CLIPS.rows(read_table(root, snapshot, CLIPS))},
        index={(row.clip_id, row.feature): row for row in INDEX.rows(read_table(root, snapshot, INDEX))},
        quarantine={(row.clip_id, row.feature): row for row in QUARANTINE.rows(read_table(root, snapshot, QUARANTINE))},
    )


def check_corpora(root: Path, held: Held, given: Iterable[str]) -> None:
    """A build says everything: a corpus that the store holds is never dropped by leaving it out."""
    forgotten = {clip.corpus for clip in held.clips.values()} - set(given)
    if forgotten:
        options = " ".join(f"--corpus {name}=FOLDER" for name in sorted(forgotten))
        names = ", ".join(sorted(forgotten))
        raise BuildError(f"{root} holds clips of {names}, which this build does not name; add {options}, or build into another store")


@dataclass(frozen=True)
class Plan:
    """What a build will do."""

    good: Mapping[Key, IndexRow]
    """Rows that stay as they are."""
    tasks: tuple[ShardTask, ...]


def make_plan(root: Path, recipe: Recipe, scan: Scan, held: Held) -> Plan:
    bad = scan.bad
    clips = [f.clip for f in scan.found if f.clip.clip_id not in bad]
    specs = {name: recipe.graph.specs[name] for name in recipe.stored}
    same_media = held.snapshot is not None and held.snapshot.recipe.get("media") == recipe.resolved()["media"]
    good = still_good(held, clips, specs, same_media)
    pending = {clip.clip_id: frozenset(name for name in specs if (clip.clip_id, name) not in good) for clip in clips}
    by_id = {clip.clip_id: clip for clip in clips}
    tasks = [
        _task(root, recipe, scan, held, good, [by_id[clip_id] for clip_id in ids], features)
        for ids, features in chunks(pending, recipe.clips_per_shard)
    ]
    return Plan(good, tuple(tasks))


def _task(
    root: Path, recipe: Recipe, scan: Scan, held: Held, good: Mapping[Key, IndexRow], clips: list[Clip], features: frozenset[str]
) -> ShardTask:
    graph = recipe.graph
    inputs = {encoder.needs["input"] for encoder in graph.encoders(features).values()} - features
    rows = {name: [good[clip.clip_id, name] for clip in clips] for name in sorted(inputs) if recipe.features[name].store}
    return ShardTask(
        root=root,
        graph=graph,
        media=recipe.decoding,
        clips=tuple(clips),
        paths=tuple(scan.path(clip) for clip in clips),
        features=tuple(name for name in graph.order if name in features),
        held={name: {row.clip_id: row.shard for row in found if row.shard} for name, found in rows.items()},
        lost={
            (row.clip_id, name): _as_bad(held.quarantine[row.clip_id, name])
            for name, found in rows.items()
            for row in found
            if row.state == State.QUARANTINED
        },
    )


def _as_bad(row: Quarantined) -> BadClip:
    return BadClip(row.clip_id, Reason(row.reason), row.detail)


def write_folds(root: Path, scheme: str, folds: int | None, seed: int, test: tuple[str, ...] = (), valid: tuple[str, ...] = ()) -> Snapshot:
    """Deal the clips that have at least one stored feature to folds; publish them beside the other schemes, and what the audit finds.

    `test` and `valid` are subjects, for the scheme `holdout`. What a scheme claims to keep on one side is checked before it is stored:
    LeakingSplit where the claim does not hold.
    """
    if scheme not in SCHEMES:
        raise SplitError(f"there is no split scheme {scheme!r}; there are {', '.join(SCHEMES)}")
    snapshot = load_snapshot(root)
    tables = {table.name: read_table(root, snapshot, table) for table in (CLIPS, LABELS, FOLDS, INDEX, QUARANTINE, AUDITS)}
    stored = {row.clip_id for row in INDEX.rows(tables["index"]) if row.state == State.STORED}
    clips = [clip for clip in CLIPS.rows(tables["clips"]) if clip.clip_id in stored]
    labels = LABELS.rows(tables["labels"])
    dealt = SCHEMES[scheme](clips, labels, folds, seed, test, valid)
    asked: dict[str, Json] = {"folds": folds, "seed": seed, "test": list(test), "valid": list(valid)}
    facts = _facts(SCHEMES[scheme], dealt, clips, labels)
    others = [fold for fold in FOLDS.rows(tables["folds"]) if fold.scheme != scheme]
    whole = {**tables, "folds": FOLDS.build([*others, *dealt])}
    fitted = carry(snapshot.fitted, snapshot.fitted, lambda table: table.rows(whole[table.name]))
    return publish(
        root,
        parent=snapshot,
        recipe=snapshot.recipe,
        tables={**whole, "audits": audit_again(root, whole, snapshot.features, fitted, scheme)},
        features=snapshot.features,
        fitted=fitted,
        versions=snapshot.versions,
        schemes={**snapshot.schemes, scheme: {**asked, **facts}},
    )


def _facts(scheme: Scheme, dealt: Sequence[Fold], clips: Sequence[Clip], labels: Sequence[Label]) -> dict[str, Json]:
    """What the snapshot says of the folds of a scheme, once its claim has been checked."""
    mine = scheme.of(clips)
    refuse_leaks(dealt, mine, scheme.keeps)
    balance = weigh(dealt, mine, labels) if scheme.disjoint else None
    return {
        "disjoint": scheme.disjoint,
        "keeps": list(scheme.keeps),
        "imbalance": balance.imbalance if balance else None,
        "least_imbalance": balance.bound if balance else None,
        "empty_classes": list(empty_classes(dealt, mine, labels)),
    }
