"""Columns of foreign tables: which name means what.

Any CSV (also with `;` or tabs), JSON Lines or Parquet table serves that has a column for the clip
and one for the side. Columns are known by their names, in any case and with any blanks, dots or
hyphens in them:

    clip       clip_id clip filename file_name file filepath file_path path wav video audio name key
               id; or dialogue_id and utterance_id
    side       role split partition subset set usage fold: train, valid, test, or the usual other
               words for these. Where each of several tables is one side, the file's name says which
               (train_sent_emo.csv)
    fold       fold, fold_id, cv_fold beside a column for the side: the number of the fold that the
               line belongs to. Without such a column, numbers in it are parts: fold i tests part i
               and trains on all others
    scheme     scheme
    subject    speaker speaker_id subject subject_id actor actor_id spk spk_id
    group, take, session, dialogue, episode (or season and episode), video (that clips were cut
    from), corpus, text, label, sex: by these and a few usual other names
    times      start, end (also start_s, starttime ...) in seconds or as h:mm:ss,mmm of the episode
               or dialogue; duration_s
    hashes     sha256 (of the file), pcm_sha256, frames_sha256
    facts      channels, rate_hz, fps, width_px, height_px, bytes
    window     window window_id segment chunk frame: the line is a part of the clip
    origin     origin original augmented_from: the clip that the line's clip is a copy of
    fitted     fitted, used_to_fit: yes where a scaler, a selection or a backbone was fitted on the
               line
    selected   selected, used_to_select: yes where a model was chosen by the line

Of several names for one thing the one further left counts, and other columns are let be. What the
naming rule of the corpus says of a clip counts before what the table says; labels are the table's.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from manifests.audit.errors import WrongForeignTable

_NAMES = {
    "name": "clip_id clip filename file_name file filepath file_path path wav video audio name key "
    "id",
    "role": "role split partition subset set usage",
    "fold": "fold fold_id cv_fold",
    "scheme": "scheme",
    "subject": "speaker speaker_id subject subject_id actor actor_id spk spk_id",
    "group": "group group_id",
    "take": "take take_id",
    "session": "session session_id",
    "dialogue": "dialogue dialogue_id dialog dialog_id conversation conversation_id",
    "utterance": "utterance_id utt_id",
    "season": "season",
    "episode": "episode episode_id series series_name",
    "video": "video_id source_video youtube_id",
    "corpus": "dataset corpus database",
    "text": "text utterance transcript transcription sentence statement text_id",
    "label": "label emotion class category",
    "sex": "sex gender",
    "start_s": "start_s start starttime start_time",
    "end_s": "end_s end endtime end_time",
    "duration_s": "duration_s duration length_s",
    "sha256": "sha256 file_sha256",
    "pcm": "pcm_sha256 audio_sha256",
    "frames": "frames_sha256 video_sha256",
    "channels": "channels",
    "rate_hz": "rate_hz sample_rate sampling_rate",
    "fps": "fps",
    "width_px": "width_px width",
    "height_px": "height_px height",
    "bytes": "bytes size_bytes",
    "window": "window window_id segment chunk frame",
    "origin": "origin original augmented_from",
    "fitted": "fitted used_to_fit",
    "selected": "selected used_to_select",
}

COLUMNS = {meaning: tuple(names.split()) for meaning, names in _NAMES.items()}
"""What a column means -> the names it is known by, the best first."""


def recognise(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Finds the columns of a table that are understood.

    Args:
        path: The table's file, for messages.
        names: Its columns.

    Returns:
        Meaning (a key of COLUMNS) -> column.

    Raises:
        WrongForeignTable: Two columns have the same name, blanks and case aside.
    """
    plain: dict[str, str] = {}
    for name in names:
        key = re.sub(r"[^a-z0-9]+", "_", name.strip().casefold()).strip("_")
        if key in plain:
            what = f"{plain[key]!r} and {name!r} are the same name; remove or rename one of them"
            raise WrongForeignTable.at(path, 1, what, f"column {name}")
        plain[key] = name
    return {
        meaning: plain[known]
        for meaning, all_known in COLUMNS.items()
        if (known := next((name for name in all_known if name in plain), None))
    }
