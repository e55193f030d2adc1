"""Columns of foreign tables: which name means what.

Any table serves that has a column for the clip, and a column or a name of its file for the side.
Columns are known by their names, in any case and with any blanks, dots or hyphens in them:

    clip       clip_id clip filename file_name file filepath file_path path wav_filename wav_path
               wav video audio name key utt id and a few like them; or dialogue_id and
               utterance_id. A running number is the clip only where no other column is; a clip_id
               that begins anew in each video_id stands with it. A table without clips may list
               speakers
    side       role split partition subset set usage mode phase fold: train, valid, test, or the
               usual other words for these; or is_test, is_train, is_valid: yes and no. Where each
               of several tables is one side, the file's name says which (train_sent_emo.csv)
    fold       fold, fold_id, cv_fold beside a column for the side: the number of the fold that the
               line belongs to. Without such a column, numbers in it are parts: fold i tests part i
               and trains on all others
    scheme     scheme
    subject    speaker speaker_id subject subject_id actor actor_id spk spk_id and a few like them
    group, take, session, dialogue, episode (or season and episode), video (that clips were cut
    from), corpus, text, label, sex, age: by these and a few usual other names
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
from collections.abc import Iterable, Sequence
from pathlib import Path

from manifests.audit.errors import WrongForeignTable

_NAMES = {
    "name": "clip_id clip filename file_name file filepath file_path path wav_filename wav_file "
    "wav_path wav_name wav audio_filename audio_file audio_path audio_filepath audio "
    "video_filename video_file video_path video_name video fname rel_path relative_path "
    "full_path name key utt "
    "uttid utterance_name file_id sample_id segment_id utterance_id utt_id video_id img_path "
    "image_path image img frames_dir frame_dir sample id",
    "role": "role split partition subset set usage mode phase fold_type data_split",
    "fold": "fold fold_id cv_fold fold_no fold_number",
    "scheme": "scheme",
    "subject": "speaker speaker_id subject subject_id actor actor_id spk spk_id spkid spk_name "
    "speakerid speaker_name actorid speakers participant participant_id person person_id client_id",
    "group": "group group_id",
    "take": "take take_id",
    "session": "session session_id",
    "dialogue": "dialogue dialogue_id dialog dialog_id conversation conversation_id",
    "utterance": "utterance_id utt_id",
    "season": "season",
    "episode": "episode episode_id series series_name",
    "video": "video_id source_video youtube_id yt_id",
    "corpus": "dataset corpus database",
    "text": "text utterance transcript transcription sentence statement text_id",
    "label": "label emotion emo emotion_label label_name emotion_name emotion_class major_emotion "
    "class category class_name target tag",
    "sex": "sex gender speaker_gender spk_gender speaker_sex",
    "age": "age speaker_age",
    "start_s": "start_s start starttime start_time",
    "end_s": "end_s end endtime end_time",
    "duration_s": "duration_s duration length_s length",
    "sha256": "sha256 file_sha256",
    "pcm": "pcm_sha256 audio_sha256",
    "frames": "frames_sha256 video_sha256",
    "channels": "channels channel",
    "rate_hz": "rate_hz sample_rate sampling_rate sr",
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


def plain(name: str) -> str:
    """A column's name without what people write differently.

    Args:
        name: Such as `Speaker ID`.

    Returns:
        Such as `speaker_id`.
    """
    return re.sub(r"[^a-z0-9]+", "_", name.strip().casefold()).strip("_")


_KNOWN = {name for names in COLUMNS.values() for name in names}
FLAGS = {"train": "is_train train", "valid": "is_valid is_val is_dev valid val dev"}
FLAGS |= {"test": "is_test test is_eval heldout is_heldout"}
"""Side -> names of a column that says of each line whether it is on that side."""
_KNOWN |= {name for names in FLAGS.values() for name in names.split() if "is_" in name}


def known_names(cells: Iterable[str]) -> list[str]:
    """The cells that name a column which is understood.

    Args:
        cells: Of what may be a header.

    Returns:
        Those that do.
    """
    return [cell for cell in cells if plain(cell) in _KNOWN]


def candidates(path: Path, names: Sequence[str], line: int = 1) -> dict[str, list[int]]:
    """Finds the columns of a table that are known by name.

    Args:
        path: The table's file, for messages.
        names: Its columns.
        line: Where they stand in the file.

    Returns:
        Meaning (a key of COLUMNS) -> numbers of the columns that may have it, the best first.

    Raises:
        WrongForeignTable: Two columns have the same name, blanks and case aside.
    """
    numbers: dict[str, int] = {}
    for number, name in enumerate(names):
        key = plain(name)
        if key in numbers and key in _KNOWN:
            what = (
                f"{names[numbers[key]]!r} and {name!r} are the same name; remove or rename one of "
                "them"
            )
            raise WrongForeignTable.at(path, line, what, f"column {name}")
        numbers.setdefault(key, number)
    found = {
        meaning: [numbers[known] for known in all_known if known in numbers]
        for meaning, all_known in COLUMNS.items()
    }
    return {meaning: some for meaning, some in found.items() if some}
