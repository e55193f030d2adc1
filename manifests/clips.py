"""Clips: what can be measured. One row is one clip, a media file or a span of one."""

from dataclasses import dataclass
from enum import StrEnum

from manifests.table import Table


class StreamKind(StrEnum):
    """What a media file may hold."""

    SOUND = "sound"
    PICTURES = "pictures"


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip as its corpus names it.

    The stream facts at the end are None until the file has been probed.
    """

    clip_id: str
    """`corpus/stem`, made once by the corpus module and never parsed again."""
    corpus: str
    subject_id: str | None
    """Who speaks, `corpus/speaker`; None where the corpus does not say."""
    group_id: str | None
    """What a split must keep on one side: the subject, or more (a session); None where nothing is
    known."""
    take_id: str
    """One recorded performance: all renderings of it (with sound, silent, audio alone) share this
    id."""
    sex: str | None
    """`female` or `male`, where the corpus says so."""
    path: str
    """Relative to the corpus root, with forward slashes."""
    sha256: str
    bytes: int
    start_s: float | None = None
    """The clip is the span [start_s, end_s) of a longer file; None: from the file's start."""
    end_s: float | None = None
    region: str | None = None
    """The part of the frame that shows the subject: `left` or `right` half; None: all of it."""

    text_id: str | None = None
    """What is said, `corpus/...`: clips that share it say the same sentence, or act one part of a
    script. Never the words themselves."""
    session_id: str | None = None
    """The recording session, whose clips share speakers, room and microphones."""
    dialogue_id: str | None = None
    """The conversation that the clip is a turn of."""
    episode_id: str | None = None
    """The broadcast that the clip is cut from."""
    episode_start_s: float | None = None
    """Where the clip lies in the episode, by the corpus's own table: the span [episode_start_s,
    episode_end_s). No position in the file."""
    episode_end_s: float | None = None

    duration_s: float | None = None
    """Length by the header, in seconds, of the longest stream."""
    has_audio: bool | None = None
    has_video: bool | None = None
    audio_s: float | None = None
    """Length of the audio stream by the header, in seconds."""
    video_s: float | None = None
    """Length of the video stream by the header, in seconds."""
    rate_hz: int | None = None
    """Sampling rate of the audio as recorded."""
    channels: int | None = None
    width_px: int | None = None
    height_px: int | None = None
    fps: float | None = None
    """Average frames per second by the header."""
    frames: int | None = None
    """Number of video frames by the header; None where it does not say."""
    variable_rate: bool | None = None
    """The frames are not evenly spaced."""
    audio_start_s: float | None = None
    """Time stamp of the first audio sample, on the file's own clock."""
    video_start_s: float | None = None
    """Time stamp of the first frame, on the file's own clock."""


CLIPS = Table("clips", Clip, key=("clip_id",))

HEADER_FACTS = (
    "duration_s",
    "has_audio",
    "has_video",
    "audio_s",
    "video_s",
    "rate_hz",
    "channels",
    "width_px",
    "height_px",
    "fps",
    "frames",
    "variable_rate",
    "audio_start_s",
    "video_start_s",
)
"""Columns that probing a file fills."""
