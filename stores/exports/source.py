"""What an export takes of a store: some clips, some features, their labels and their folds."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from operator import attrgetter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.clips import CLIPS, Clip
from manifests.features import INDEX, FeatureSpec, Json
from manifests.folds import FOLDS, Fold, Role
from manifests.labels import LABELS, Label
from manifests.quarantine import QUARANTINE
from manifests.tracks import Track
from manifests.variant_names import plain_name
from stores.clip_tracks import ClipTracks, NotInStore, StoredTracks
from stores.fold_clips import role_of
from stores.reader import FeatureStore
from stores.snapshot import read_table

WHOLE = "full"
"""The one part of an export without a fold."""
_MOST_CLIPS = 512
_MOST_BYTES = 64 << 20
_JPEG = 16
"""A picture takes so many times less as JPEG, or so."""


class WrongExport(ValueError):
    """What was asked for cannot be exported so; the message says why, and what can."""


@dataclass(frozen=True)
class Request:
    """What is wanted of a store."""

    features: tuple[str, ...] | None = None
    """Names; None: all that are stored, but for augmented variants."""
    clip_ids: frozenset[str] | None = None
    """The clips that may be in it; None: all."""
    scheme: str | None = None
    """A split scheme; None: those of the store go along in their table, and parts are not made."""
    fold: int | None = None
    """Number of a fold, whose roles are the parts of the export; fitted features are its own."""
    role: str | None = None
    """One role of the fold alone."""


class Source:
    """Some clips and features of one snapshot, in the order of clip ids."""

    def __init__(self, store: FeatureStore, request: Request) -> None:
        """Chooses; no track is read.

        Args:
            store: The store.
            request: What is wanted of it.

        Raises:
            NotInStore: A feature, split scheme, fold or role is unknown.
            NotFitted: A feature is not fitted for the fold.
            WrongExport: Nothing is left, or the request contradicts itself.
        """
        request = replace(request, role=role_of(request.role))
        self.store, self.request = store, request
        _check_parts(request)
        stored = [name for name, spec in store.features.items() if not spec.variant]
        self.features = tuple(dict.fromkeys(request.features or sorted(stored)))
        folds = self._folds()
        self.roles = {row.clip_id: row.role for row in folds} if request.fold is not None else None
        chosen = set(self.roles or (clip.clip_id for clip in store.rows(CLIPS)))
        if request.clip_ids is not None:
            chosen &= request.clip_ids
        self.clips = tuple(clip for clip in store.rows(CLIPS) if clip.clip_id in chosen)
        if not self.clips:
            raise WrongExport(
                f"none of the {store.snapshot.counts['clips']} clips of {store.location} is left "
                "to be exported; ask for other clips, or another role"
            )
        self._chosen = chosen
        self._unreleased = 0
        """Bytes that were read since shards were unmapped."""
        self.tracks: Mapping[str, ClipTracks] = {name: self._tracks(name) for name in self.features}

    @property
    def specs(self) -> dict[str, FeatureSpec]:
        """What the exported numbers mean, by feature."""
        return {name: tracks.spec for name, tracks in self.tracks.items()}

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpora that the clips are of, sorted."""
        return tuple(sorted({clip.corpus for clip in self.clips}))

    @cached_property
    def labels(self) -> dict[str, tuple[Label, ...]]:
        """Clip -> its labels."""
        rows = (row for row in self.store.rows(LABELS) if row.clip_id in self._chosen)
        return {key: tuple(some) for key, some in groupby(rows, attrgetter("clip_id"))}

    @cached_property
    def parts(self) -> dict[str, tuple[Clip, ...]]:
        """Part -> its clips: the roles of the fold that have any, or all under `full`."""
        if self.roles is None:
            return {WHOLE: self.clips}
        by_role = {
            str(role): tuple(clip for clip in self.clips if self.roles[clip.clip_id] == role)
            for role in Role
        }
        return {role: clips for role, clips in by_role.items() if clips}

    def batches(self, part: str) -> list[tuple[Clip, ...]]:
        """Cuts a part into files of 64 MiB of values or so, always in the same way.

        Args:
            part: One of `parts`.

        Returns:
            Clips that share a file, in order.
        """
        files: list[list[Clip]] = [[]]
        size = 0
        for clip in self.parts[part]:
            bytes_ = self._bytes.get(clip.clip_id, 0)
            if files[-1] and (size + bytes_ > _MOST_BYTES or len(files[-1]) == _MOST_CLIPS):
                files.append([])
                size = 0
            files[-1].append(clip)
            size += bytes_
        return [tuple(some) for some in files]

    def track(self, feature: str, clip_id: str, decode: bool = True) -> Track | None:
        """Reads a track.

        Args:
            feature: One of `features`.
            clip_id: One of the clips.
            decode: False: pictures stay JPEG images, as `bytes`.

        Returns:
            The track; None where the store has none.
        """
        tracks = self.tracks[feature]
        if self._unreleased > _MOST_BYTES:
            self.store.release()
            self._unreleased = 0
        if decode or not isinstance(tracks, StoredTracks):
            track = tracks.get(clip_id)
        else:
            track = tracks.track(clip_id, decode=False) if clip_id in tracks else None
        if track is not None:
            encoded = track.values.dtype == object
            self._unreleased += sum(map(len, track.values)) if encoded else track.values.nbytes
        return track

    def tables(self) -> Iterator[tuple[str, pa.Table]]:
        """The tables of the store, cut down to what is exported.

        Yields:
            `clips`, `labels`, `folds`, `index` and `quarantine`, with their rows.
        """
        ids = pa.array(sorted(self._chosen), pa.string())
        for table in (CLIPS, LABELS, FOLDS, INDEX, QUARANTINE):
            rows = read_table(self.store.location, self.store.snapshot, table)
            keep = pc.is_in(rows.column("clip_id"), value_set=ids)
            if "feature" in rows.schema.names:
                names = pa.array(self.features, pa.string())
                keep = pc.and_(keep, pc.is_in(rows.column("feature"), value_set=names))
            if table is FOLDS and self.request.scheme is not None:
                keep = pc.and_(keep, pc.equal(rows.column("scheme"), self.request.scheme))
            yield table.name, rows.filter(keep)

    def described(self) -> dict[str, Json]:
        """All that decides on the bytes of the export, but for its format."""
        tables: dict[str, Json] = {
            name: record.sha256 for name, record in self.store.snapshot.tables.items()
        }
        states: dict[str, Json] = {
            name: state.sha256
            for name, entry in self.store.snapshot.fitted.items()
            if name in map(plain_name, self.features)
            for state in entry.states
            if (state.scheme, state.fold) == (self.request.scheme, self.request.fold)
        }
        return {
            "snapshot": self.store.snapshot.number,
            "tables": tables,
            "features": {name: spec.fingerprint for name, spec in self.specs.items()},
            "states": states,
            "clips": len(self.clips),
            "scheme": self.request.scheme,
            "fold": self.request.fold,
            "role": self.request.role,
            "clip_ids": None if self.request.clip_ids is None else list[Json](sorted(self._chosen)),
        }

    def _folds(self) -> Sequence[Fold]:
        """The rows of the fold and role that are wanted; of the scheme, where no fold is."""
        scheme, fold, role = self.request.scheme, self.request.fold, self.request.role
        if scheme is None:
            return ()
        rows = self.store.rows(FOLDS)
        for column, value, what in (
            ("scheme", scheme, "split scheme"),
            ("fold", fold, f"fold of {scheme}"),
            ("role", role, f"role in fold {fold} of {scheme}"),
        ):
            if value is None:
                continue
            known = {getattr(row, column) for row in rows}
            if value not in known:
                there = ", ".join(map(str, sorted(known))) or "none"
                raise NotInStore(f"the store has no {what} {value!r}; there are {there}")
            rows = [row for row in rows if getattr(row, column) == value]
        return rows

    def _tracks(self, name: str) -> ClipTracks:
        if plain_name(name) not in self.store.snapshot.fitted:
            return self.store[name]
        if self.request.scheme is None or self.request.fold is None:
            raise WrongExport(f"{name} is fitted for each fold; say which with --scheme and --fold")
        return self.store.fitted(name, self.request.scheme, self.request.fold)

    @cached_property
    def _bytes(self) -> dict[str, int]:
        """Clip -> bytes of its values, of the features that are stored."""
        index = read_table(self.store.location, self.store.snapshot, INDEX)
        sizes: dict[str, int] = {}
        for name, spec in self.specs.items():
            mine = index.filter(pc.equal(index.column("feature"), name))
            row = (
                math.prod(spec.shape)
                * np.dtype(spec.dtype).itemsize
                // (_JPEG if spec.codec != "raw" else 1)
            )
            rows = mine.column("rows").fill_null(0)
            for clip_id, size in zip(
                mine.column("clip_id").to_pylist(),
                pc.multiply(rows, row).to_pylist(),
                strict=True,
            ):
                sizes[clip_id] = sizes.get(clip_id, 0) + size
        return sizes


def _check_parts(request: Request) -> None:
    if request.fold is not None and request.scheme is None:
        raise WrongExport(
            f"fold {request.fold} of which scheme? add --scheme, such as subject_kfold"
        )
    if request.role is not None and request.fold is None:
        raise WrongExport(f"role {request.role!r} of which fold? add --scheme and --fold")
