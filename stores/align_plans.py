"""Plans of an alignment: made once for all clips whose rows lie at the same times."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.tracks import Track
from stores.resampling import Resampling, Seconds, all_true, blank

_MOST_BYTES = 1 << 24
"""Of time stamps that are kept to be compared: some thousand clips of different lengths."""


class ResampledTrack(Track):
    """A track that is computed when its values or their validity are asked for.

    A batch does not ask: it has them written into its own array, so that they are made once and
    copied nowhere.
    """

    @classmethod
    def planned(cls, source: Track, resampling: Resampling, at: Seconds) -> "ResampledTrack":
        """Describes a track; nothing is computed yet.

        Args:
            source: The track as it is stored.
            resampling: How its rows become others.
            at: Time of each new row.

        Returns:
            The track.
        """
        track = cls.__new__(cls)
        track.__dict__.update(seconds=at, notes=source.notes, _plan=(source, resampling))
        return track

    def __getattr__(self, name: str) -> Any:
        if name not in {"values", "valid"}:
            raise AttributeError(name)
        source, resampling = self.__dict__["_plan"]
        shape = len(self), *resampling.row_shape(source)
        values = np.empty(shape, source.values.dtype)
        valid = resampling.write(source, values)
        if valid is None:
            valid = np.ones(len(self), np.bool_)
        else:
            valid = valid.copy()
            if not all_true(valid):
                values[~valid] = blank(values)
        self.__dict__.update(values=values, valid=valid)
        return self.__dict__[name]

    def __reduce__(self) -> tuple[type[Track], tuple[Any, ...]]:
        return Track, (self.values, self.seconds, self.valid, self.notes)

    @property
    def is_computed(self) -> bool:
        """Whether somebody has asked for its values, and may have changed them."""
        return "values" in self.__dict__

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The dimensions of a row."""
        source, resampling = self.__dict__["_plan"]
        return tuple(resampling.row_shape(source))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        dtype: np.dtype[Any] = self.__dict__["_plan"][0].values.dtype
        return dtype

    def write(self, out: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Computes the values into an array.

        Args:
            out: Of their shape and type.

        Returns:
            Which rows are valid, to be read alone; None: all. The others are left as they come.
        """
        source, resampling = self.__dict__["_plan"]
        valid: NDArray[np.bool_] | None = resampling.write(source, out)
        return valid


@dataclass(frozen=True, eq=False)
class AlignmentPlan:
    """What becomes of the tracks of a clip."""

    at: Seconds | str
    """Time of each new row; or the feature that has these rows itself."""
    of: Mapping[str, Resampling]
    """Feature -> how it gets its rows; the others stay as they are."""

    def aligned(self, tracks: Mapping[str, Track]) -> dict[str, Track]:
        """Aligns the tracks of a clip.

        Args:
            tracks: Those that were planned for, or others with the same time stamps.

        Returns:
            All tracks, with values and times that may be written to where they are new.
        """
        at = tracks[self.at].seconds if isinstance(self.at, str) else self.at.copy()
        found = dict(tracks)
        for name, resampling in self.of.items():
            found[name] = ResampledTrack.planned(tracks[name], resampling, at)
        return found


class AlignmentPlans:
    """The plans that one alignment has made, by the time stamps of the features."""

    def __init__(self) -> None:
        """Knows no plan yet."""
        self._known: dict[tuple[Any, ...], tuple[list[bytes], AlignmentPlan]] = {}
        self._bytes = 0

    def __reduce__(self) -> tuple[type["AlignmentPlans"], tuple[()]]:
        return AlignmentPlans, ()  # worker processes plan for themselves

    def aligned(
        self,
        tracks: Mapping[str, Track],
        keep: Collection[str],
        make: Callable[[Mapping[str, Track]], AlignmentPlan],
    ) -> dict[str, Track]:
        """Aligns the tracks of a clip.

        Args:
            tracks: By feature.
            keep: Features whose time stamps do not matter.
            make: Makes the plan for tracks with such time stamps.

        Returns:
            The tracks, aligned.
        """
        key: list[Any] = [*tracks]
        stamps = []
        for name, track in tracks.items():
            if name not in keep:
                stamp = track.seconds.tobytes()
                key += track.values.dtype, len(stamp), stamp[:8], stamp[-8:]
                stamps.append(stamp)
        known = self._known.get(tuple(key))
        if known is None or known[0] != stamps:
            known = stamps, make(tracks)
            self._note(tuple(key), known)
        return known[1].aligned(tracks)

    def _note(self, key: tuple[Any, ...], known: tuple[list[bytes], AlignmentPlan]) -> None:
        self._bytes += sum(map(len, known[0]))
        if self._bytes > _MOST_BYTES:
            self._known, self._bytes = {}, sum(map(len, known[0]))
        self._known[key] = known
