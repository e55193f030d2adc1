"""The tracks of one feature by clip id: those in shards, and those that a fitted state makes."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from manifests.features import FeatureSpec
from manifests.shown import as_html, as_text
from manifests.suggestions import closest
from manifests.tracks import Track
from stores import transforms
from stores.location import Location, fault_of
from stores.records import ShardRecord, StoredFeature
from stores.row_places import RowPlace, RowPlaces
from stores.shard import Shard, open_shard
from stores.shard_layout import ShardLayout, WrongShard
from stores.shown import facts_of_tracks

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_MOST_MAPS = 400
"""Shards mapped at once: each map holds a file descriptor, of which a process has 1,024 by default.
"""
_MOST_COMPARED = 20_000
"""Names among which a misspelt one is looked for; with more it would take longer than a second."""

Stamp = tuple[int, ...]
Reasons = Mapping[str, tuple[str, str]]
"""Clip in quarantine -> reason and detail."""
Absent = Mapping[str, str]
"""Clip -> what its file never had, by the rule of its corpus."""


class NotInStore(KeyError):
    """What was asked for is not in this snapshot; the message says what is, or why not."""

    def __str__(self) -> str:
        return str(self.args[0])


class ClipTracks(Mapping[str, Track]):
    """The tracks of one feature by clip id: `len`, `in`, iteration in the order of ids, access."""

    def __init__(self, spec: FeatureSpec, clip_ids: Collection[str]) -> None:
        """Describes the tracks.

        Args:
            spec: The feature.
            clip_ids: The clips that have a track, in order.
        """
        self.spec, self._clip_ids = spec, clip_ids

    @property
    @abstractmethod
    def quarantined(self) -> Reasons:
        """The clips that should have a track and have none -> reason and detail."""

    @property
    @abstractmethod
    def absent(self) -> Absent:
        """The clips that have no track, since their files never had what it is measured on."""

    @abstractmethod
    def stored_rows(self, clip_id: str) -> int:
        """Counts the stored rows of a clip, by the index: no track is read.

        Args:
            clip_id: The clip.

        Returns:
            The rows; of a fitted feature those of its input. 0 for a clip without a track.
        """

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._clip_ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._clip_ids)

    def __len__(self) -> int:
        return len(self._clip_ids)

    def __repr__(self) -> str:
        return as_text(f"tracks of {self.spec.name}", facts_of_tracks(self.spec, len(self)))

    def _repr_html_(self) -> str:
        return as_html(f"tracks of {self.spec.name}", facts_of_tracks(self.spec, len(self)))

    def to_pandas(self, clip_id: str) -> "pd.DataFrame":
        """Copies the track of a clip to a table.

        Args:
            clip_id: The clip.

        Returns:
            A row for each row of the track, by its time: the index is `seconds`. Columns: the
            numbers of a row, by the names that the feature's units give them, then `valid`.

        Raises:
            NotInStore: The clip has no track.
            ValueError: A row has more than one dimension, as pictures have.
        """
        return self[clip_id].to_pandas(self.spec)

    def to_xarray(self, clip_id: str) -> "xr.DataArray":
        """Copies the track of a clip to an array with the names of the feature.

        Args:
            clip_id: The clip.

        Returns:
            Coordinates `time`, the seconds of the rows, and `valid`; attributes `units` and
            `notes`.

        Raises:
            NotInStore: The clip has no track.
            ImportError: xarray is not installed.
        """
        return self[clip_id].to_xarray(self.spec)


class FittedTracks(ClipTracks):
    """The tracks of its input, each passed through the state of one fold when it is asked for."""

    def __init__(
        self,
        spec: FeatureSpec,
        state: transforms.State,
        transform: Callable[[transforms.State, Track], Track],
        source: ClipTracks,
    ) -> None:
        """Joins a state and its input; nothing is read yet.

        Args:
            spec: The fitted feature.
            state: What was learned from the training clips of the fold.
            transform: One of `stores.transforms`.
            source: The tracks of the input.
        """
        super().__init__(spec, source)
        self._state, self._transform, self._source = state, transform, source

    @property
    def quarantined(self) -> Reasons:
        return self._source.quarantined

    @property
    def absent(self) -> Absent:
        return self._source.absent

    def stored_rows(self, clip_id: str) -> int:
        return self._source.stored_rows(clip_id)

    def __getitem__(self, clip_id: str) -> Track:
        return self._transform(self._state, self._source[clip_id])


class StoredTracks(ClipTracks):
    """The tracks in the shards of a feature."""

    def __init__(
        self,
        feature: StoredFeature,
        places: Mapping[str, RowPlace],
        reasons: Callable[[], Reasons],
        absent: Callable[[], Absent],
        maps: "ShardMaps",
    ) -> None:
        """Describes the tracks; no shard is opened yet.

        Args:
            feature: The feature and its shards.
            places: Where the rows of each clip lie in them.
            reasons: Gives the clips in quarantine, when they are needed.
            absent: Gives the clips whose files never had what the feature is measured on.
            maps: Where the shards are mapped.
        """
        super().__init__(feature.spec, places)
        self._places, self._reasons, self._absent, self._maps = places, reasons, absent, maps
        maps.expect(feature, places if isinstance(places, RowPlaces) else None)

    @cached_property
    def quarantined(self) -> Reasons:
        """The clips that should have a track and have none -> reason and detail."""
        return self._reasons()

    @cached_property
    def absent(self) -> Absent:
        """The clips that have no track, since their files never had what it is measured on."""
        return self._absent()

    def stored_rows(self, clip_id: str) -> int:
        if clip_id not in self._places:
            return 0
        place = self._places[clip_id]
        return place.stop - place.start

    def __getitem__(self, clip_id: str) -> Track:
        return self.track(clip_id)

    def track(self, clip_id: str, decode: bool = True) -> Track:
        """Reads the track of a clip.

        Args:
            clip_id: The clip.
            decode: JPEG rows become (time, height, width, 3) uint8 RGB; else they stay `bytes`.

        Returns:
            The track; raw values are read-only views of the file.

        Raises:
            NotInStore: It has none; a KeyError that says why.
            WrongShard: The file is damaged, or is not the one that was recorded.
            WrongPlace: The file is a link, or no plain file.
        """
        try:
            file, start, stop, notes = self._places[clip_id]
        except KeyError:
            raise NotInStore(self._why_not(clip_id)) from None
        except TypeError:  # what cannot be a key, as a slice
            raise TypeError(
                f"a track of {self.spec.name} was asked for by {clip_id!r}, expected a clip's id"
            ) from None
        return self._maps[file].slice(start, stop, notes, decode)

    def _why_not(self, clip_id: str) -> str:
        if what := self.absent.get(clip_id):
            return f"{clip_id} has no {self.spec.name}: by its corpus's rule it never had {what}"
        if clip_id in self.quarantined:
            reason = ": ".join(self.quarantined[clip_id])
            return f"{clip_id} has no {self.spec.name}, it is quarantined: {reason}"
        return unknown(f"clip of {self.spec.name}", clip_id, self._clip_ids)


class ShardMaps(dict[str, Shard]):
    """The shards of a store that are mapped, by file; asking for another one maps it.

    The oldest map goes first; tracks that still refer to it keep it alive, and where its datasets
    lie stays known, so that mapping it again costs a few system calls as long as it is that file.
    """

    def __init__(self, location: Location, verify: bool = False) -> None:
        """Maps nothing yet.

        Args:
            location: Where the store lies.
            verify: Hash each shard when it is first mapped.
        """
        super().__init__()
        self._location, self._verify = location, verify
        self._known: dict[str, tuple[ShardLayout, Stamp]] = {}
        self._expected: dict[str, tuple[FeatureSpec, ShardRecord, RowPlaces | None]] = {}

    def expect(self, feature: StoredFeature, places: RowPlaces | None = None) -> None:
        """Notes what the snapshot says of some shards: no other file is mapped.

        Args:
            feature: A feature and its shards.
            places: What the index says of them; None for shards that it does not list.
        """
        self._expected |= {shard.file: (feature.spec, shard, places) for shard in feature.shards}

    def __missing__(self, file: str) -> Shard:
        known = self._known.get(file)
        if known and known[1] == _stamp(self._location.path(file)):
            shard = Shard(self._location, file, known[0])
        else:
            shard = self._open(file)
        for old in list(self)[: len(self) + 1 - _MOST_MAPS]:
            self.pop(old, None)
        self[file] = shard
        return shard

    def _open(self, file: str) -> Shard:
        record = self._expected[file][1]
        path = self._location.fetch(record)
        try:
            shard = self._open_checked(file)
        except WrongShard:
            if self._location.is_local:
                raise
            path = self._location.fetch_again(record)
            shard = self._open_checked(file)
        self._known[file] = shard.layout, _stamp(path)
        return shard

    def _open_checked(self, file: str) -> Shard:
        spec, record, places = self._expected[file]
        if self._verify and (fault := fault_of(self._location, record)):
            raise WrongShard(fault)
        shard = open_shard(self._location, spec, record)
        if places is not None:
            shard.check_clips(places.in_file(file))
        return shard


def _stamp(path: Path) -> Stamp:
    """What changes with a file that is replaced or written to; none where it is missing."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def open_tracks(location: Location, feature: StoredFeature, index: pa.Table) -> StoredTracks:
    """Opens the tracks of a feature whose shards are there, whether they are published or not.

    Args:
        location: Where the store lies.
        feature: The feature and its shards.
        index: Rows of the table INDEX, those of the feature among them.

    Returns:
        The tracks.
    """
    return StoredTracks(feature, RowPlaces(feature, index), dict, dict, ShardMaps(location))


def network_tracks(
    feature: StoredFeature, absent: Callable[[], Absent], maps: ShardMaps
) -> StoredTracks:
    """Opens the tracks that a network made for one fold.

    Such shards have no rows in the index of the store, and say themselves what they hold.

    Args:
        feature: The feature and its shards.
        absent: Gives the clips that lack an input which their files never had.
        maps: Where the shards are mapped.

    Returns:
        The tracks.

    Raises:
        WrongShard: A file is damaged, or is not the one that was recorded.
        WrongPlace: A file is a link, or no plain file.
    """
    places: dict[str, RowPlace] = {}
    quarantined: dict[str, tuple[str, str]] = {}
    maps.expect(feature)
    for record in feature.shards:
        shard = maps[record.file]
        for clip_id, start, rows, _, notes in shard.entries:
            places[clip_id] = RowPlace(record.file, start, start + rows, notes)
        quarantined |= {clip_id: (reason, detail) for clip_id, reason, detail in shard.refused}
    return StoredTracks(feature, dict(sorted(places.items())), lambda: quarantined, absent, maps)


def unknown(what: str, name: str, known: Collection[str], where: str = "store") -> str:
    """Words the refusal of a name.

    Args:
        what: Kind of thing that has the name.
        name: As it was asked for.
        known: The names that there are.
        where: What should hold it.

    Returns:
        A sentence that suggests others.
    """
    near = closest(name, known, most=3) if len(known) <= _MOST_COMPARED else []
    if near:
        hint = f"did you mean {' or '.join(near)}"
    elif len(known) <= 20:
        hint = f"there are {', '.join(known) or 'none'}"
    else:
        hint = f"there are {len(known)}, such as {next(iter(known))}"
    return f"the {where} has no {what} named {name!r}; {hint}"
