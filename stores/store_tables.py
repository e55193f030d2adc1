"""The tables of a store as pandas has them: what there is of clips, labels, folds and features."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.audits import AUDITS
from manifests.clips import CLIPS
from manifests.features import INDEX
from manifests.folds import FOLDS
from manifests.labels import LABELS
from manifests.quarantine import QUARANTINE
from manifests.table import Table
from stores.location import Location
from stores.snapshot import Snapshot, read_table

if TYPE_CHECKING:
    import pandas as pd


class StoreTables:
    """Each table of one snapshot as a frame; a cell without a value is missing (NA or None)."""

    location: Location
    """Where the store lies."""
    snapshot: Snapshot
    """What it holds."""

    def clips(self) -> "pd.DataFrame":
        """The clips: a row each, in the order of their ids.

        Returns:
            Columns: `clip_id` and `corpus`; `subject_id`, who speaks; `group_id`, what a split
            keeps on one side; `take_id`, one performance, whatever its renderings; `sex`, female or
            male; `path` below the corpus's folder; `sha256` and `bytes` of the file; `start_s` and
            `end_s` of a span of a longer file; `region` of the frame, left or right; `text_id`,
            what is said; `session_id`, `dialogue_id` and `episode_id`; `episode_start_s` and
            `episode_end_s`, where it lies in the episode; and by the headers of the file
            `duration_s`; `has_audio` and `has_video`; `audio_s` and `video_s`, their lengths;
            `rate_hz` and `channels` of the sound; `width_px`, `height_px`, `fps` and `frames` of
            the pictures; `variable_rate`, whether these are unevenly spaced; `audio_start_s` and
            `video_start_s`, the first time stamps.
        """
        return self._frame(CLIPS)

    def labels(self) -> "pd.DataFrame":
        """The labels of all label schemes: a row for each value that somebody gave to a clip.

        Returns:
            Columns: `clip_id`; `scheme`, such as ravdess8; `annotator`, a rater, or vote, or
            intended; `value`; `weight`, its share of the annotator's vote.
        """
        return self._frame(LABELS)

    def folds(self) -> "pd.DataFrame":
        """The folds of every split scheme: a row for each clip of each fold.

        Returns:
            Columns: `scheme` and number of the `fold`; `clip_id`; `group_id`, what the scheme kept
            on one side; `role`, which is train, valid or test.
        """
        return self._frame(FOLDS)

    def index(self) -> "pd.DataFrame":
        """Where each feature of each clip lies: a row for each clip and feature.

        Returns:
            Columns: `clip_id`, `feature` and its `fingerprint`; `state`, such as stored or
            quarantined; the `shard`, a file below the store's folder; `start`, its first row
            there, and number of `rows`; `valid_rows`, those where something was measured; `notes`,
            separated by commas.
        """
        return self._frame(INDEX)

    def quarantine(self) -> "pd.DataFrame":
        """What could not be measured, and why: a row for each clip and feature.

        Returns:
            Columns: `clip_id` and `feature`; `reason`, one word such as no_face; `detail`, a
            sentence.
        """
        return self._frame(QUARANTINE)

    def audits(self) -> "pd.DataFrame":
        """What the audit of each split scheme found: a row for each rule, fold and part of it.

        Returns:
            Columns: `rule`, such as L1; `severity`; split `scheme` and number of the `fold`, -1
            where it is about all; `what` is at fault, and the `count` of it; `example_ids`, one a
            line; `detail`, a sentence; how many clips of a side could be judged and how many not:
            `judged_train`, `judged_valid`, `judged_test`, `unjudged_train`, `unjudged_valid`,
            `unjudged_test`; `verdict` on the scheme, such as HOLDS.
        """
        return self._frame(AUDITS)

    def _frame(self, table: Table[Any]) -> "pd.DataFrame":
        import pandas as pd  # which the workers of a build, who read shards too, do without

        # Columns with gaps stay integers and booleans.
        types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        rows = read_table(self.location, self.snapshot, table)
        frame: pd.DataFrame = rows.to_pandas(types_mapper=types.get)
        return frame
