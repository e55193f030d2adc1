"""Media files: what their header says (`probe`), and one pass over what they hold (`decode`).

Everything is decoded once: one open, one reading, for the sound and for any number of frame grids
(see `extractors.frames` for what a grid is). Frames are passed on one by one; the compressed
packets of the file and the samples of the clip are what stays in memory. PyAV and ffmpeg are
imported where a file is opened, so that nobody waits for them who opens none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from extractors.base import Pcm, Rgb
from extractors.damage import CONCEALED, OF_THE_CONTENT, Damage
from extractors.limits import Deadline, Limits
from extractors.media_file import MediaFile, path_of
from extractors.plain_wave import PlainWave, plain_wave
from extractors.sound_extent import SoundExtent
from extractors.timegrid import Cadence, PerSecond, exact_fps
from extractors.truncation import check_samples
from manifests.clips import Clip
from manifests.quarantine import BadClip

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.video.stream import VideoStream

    from extractors.container import Content
    from extractors.first_look import FirstLook
    from extractors.packets import Packets
    from extractors.sound_extent import Run

__all__ = ["DECODED_BY_FFMPEG", "DECODERS", "Decoded", "Limits", "decode", "probe"]

DECODERS = ("pyav", "ffmpeg")
"""Names of the decoders, which give the same bits."""
DECODED_BY_FFMPEG = "decoded_by_ffmpeg"
"""Note: PyAV has no decoder for the clip's codec, and the second decoder was used though the first
was asked for."""

DECODED_BY_PYAV = "decoded_by_pyav"
"""Note: the second decoder was asked for, which is not offered for a file of this kind."""

Shown = tuple[Fraction, Fraction]
"""When the first frame is shown and when the last one ends, in seconds."""
Push = Callable[[float, Rgb], None]
"""push(seconds, rgb): takes a frame's time stamp and its pixels."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """What is left of a decode when the frames have been passed on."""

    pcm: Pcm | None
    """None where sound was not asked for, or there is not a sample of it in the clip."""
    notes: tuple[str, ...] = ()
    """Named facts that end in the index: `decoded_by_ffmpeg`, `decoded_by_pyav`, `audio_gaps`,
    `may_be_cut`, `head_left_out`, `tail_left_out`, `wrong_size`, `checksum_differs`,
    `uneven_times`, `several_video`, `several_audio`, `undecodable_start`, `content_lost`,
    `concealed`."""
    audio_fault: BadClip | None = None
    """Why the sound cannot be used: it was asked for and is damaged."""
    video_fault: BadClip | None = None
    """Why the frames cannot be used, those that were passed on before the damage included."""


def probe(clip: Clip, file: MediaFile, limits: Limits) -> Clip:
    """Reads the stream facts of a clip.

    The packets are read, so that a file cut short does not pass for a shorter one; none is decoded.
    A stream that declares itself but holds no packet counts as absent.

    Args:
        clip: The clip as its corpus describes it.
        file: Its file.
        limits: What the clip may ask for.

    Returns:
        The clip with its facts; `duration_s` of a span is the part of it that the file covers.

    Raises:
        BadClip: EMPTY_FILE, FORBIDDEN, UNREADABLE, TRUNCATED, CORRUPT (the container breaks off),
            TOO_LARGE, TOO_LONG, TIMED_OUT.
        OSError: The file is missing or the disk fails.
    """
    if wave := plain_wave(file):
        return _facts_of(wave, clip, limits)
    path = path_of(file)
    try:
        return _probe(clip, path, limits, Damage(keep=False))
    except BadClip as bad:
        if not limits.keep_damaged or bad.reason not in OF_THE_CONTENT:
            raise
        return _probe(clip, path, limits, Damage(keep=True))


def _facts_of(wave: PlainWave, clip: Clip, limits: Limits) -> Clip:
    """The stream facts of a clip whose file is plain."""
    with Deadline(clip.clip_id, limits.timeout_s):
        sound, channels = SoundExtent(0.0, wave.length_s), wave.samples.shape[1]
        length = _duration_s(clip, None, sound)
        limits.check_samples(clip.clip_id, length, wave.rate_hz, channels)
        limits.check_length(clip.clip_id, length)
        facts = replace(clip, has_audio=True, has_video=False, duration_s=length)
        return _with_sound(facts, sound, wave.rate_hz, channels)


def _probe(clip: Clip, path: Path, limits: Limits, damage: Damage) -> Clip:
    from extractors.container import opened
    from extractors.first_look import first_look

    deadline = Deadline(clip.clip_id, limits.timeout_s)
    with (
        deadline,
        opened(
            clip.clip_id, path, deadline, to_decode=False, pictures=False, damage=damage
        ) as content,
    ):
        sound = None if content.audio is None else _extent(clip, content.audio, limits, deadline)
        _check(clip, path, content, sound, limits, damage)
        facts = replace(
            clip, has_audio=content.audio is not None, has_video=content.video is not None
        )
        shown = None
        if content.audio is not None:
            facts = _audio_facts(facts, content.audio, sound)
        if content.video is not None:
            found = first_look(clip, path, content.video, limits, deadline)
            shown = _shown(content.video, found.times)
            facts = _video_facts(facts, content.video, found, shown)
        return replace(facts, duration_s=_duration_s(clip, shown, sound))


def decode(
    clip: Clip,
    file: MediaFile,
    *,
    audio: bool,
    grids: Mapping[float, Push] | Mapping[Cadence, Push],
    limits: Limits,
    decoder: str = "pyav",
    strict: bool = True,
) -> Decoded:
    """Decodes a clip in one pass: its samples, and the frames of every grid in order of time.

    The clip's span and region are kept to: frames outside are not converted and samples are cut to
    the span exactly.

    Args:
        clip: The clip.
        file: Its file.
        audio: Whether the samples are wanted.
        grids: Cadence, or grid times a second -> receiver. A receiver is called with (the frame's
            own time stamp in seconds, (height, width, 3) uint8 RGB), once for each grid time; the
            same array goes to all receivers, so none may write to it. A clip without video calls
            none.
        limits: What the clip may ask for.
        decoder: `pyav`, or `ffmpeg` for the binary that imageio-ffmpeg brings; both give the same
            bits. Where PyAV has no decoder for a codec, ffmpeg is used and the result's notes say
            `decoded_by_ffmpeg`; where ffmpeg is not offered for a kind of file (see
            `extractors.ffmpeg_decoder.is_offered`), PyAV is, and they say `decoded_by_pyav`.
        strict: Refuse the clip for damage in either stream; without it, damage in one leaves what
            the other holds, and the result says what is wrong.

    Returns:
        The samples, what was noted, and what is wrong with either stream.

    Raises:
        BadClip: For the reasons of `probe`; and, where `strict`, CORRUPT for a packet that the
            wanted frames or samples need and that is refused by its decoder, or a frame that comes
            out with damage concealed.
        OSError: The file is missing or the disk fails.
        ValueError: The decoder is unknown.
    """
    if decoder not in DECODERS:
        raise ValueError(f"decoder is {decoder!r}, expected one of {', '.join(DECODERS)}")
    if decoder == "pyav" and (wave := plain_wave(file)):
        _facts_of(wave, clip, limits)  # refuses what is too long
        return Decoded(wave.pcm(clip) if audio else None)
    from extractors.clip_decoder import ClipDecoder
    from extractors.container import opened
    from extractors.ffmpeg_decoder import is_offered

    path, receivers = path_of(file), {_cadence(grid): push for grid, push in grids.items()}
    damage = Damage(keep=False)
    if limits.keep_damaged:
        damage = _damage_of(clip, path, audio, tuple(receivers), limits, decoder)
    deadline = Deadline(clip.clip_id, limits.timeout_s)
    with (
        deadline,
        opened(
            clip.clip_id, path, deadline, to_decode=True, pictures=bool(grids), damage=damage
        ) as content,
    ):
        _check(clip, path, content, _counted(content.audio), limits, damage)
        is_fit = not damage.is_kept and is_offered(content) if decoder == "ffmpeg" else True
        decoded = ClipDecoder(clip, path, receivers, limits, deadline, damage).run(
            content.audio if audio else None,
            content.video if grids else None,
            decoder if is_fit else "pyav",
            strict and not damage.is_kept,
        )
        notes = (DECODED_BY_PYAV,) * (not is_fit) + content.notes + decoded.notes + damage.notes
        return replace(decoded, notes=tuple(dict.fromkeys(notes)))


def _damage_of(
    clip: Clip,
    path: Path,
    audio: bool,
    cadences: Sequence[Cadence],
    limits: Limits,
    decoder: str,
) -> Damage:
    """Decodes a clip for its damage alone, since frames that were passed on cannot be taken back.

    What a decoder conceals it tells only where it is to stop there.
    """
    try:
        found = decode(
            clip,
            path,
            audio=audio,
            grids=dict.fromkeys(cadences, lambda seconds, rgb: None),
            limits=replace(limits, keep_damaged=False),
            decoder=decoder,
            strict=False,
        )
    except BadClip as bad:
        if bad.reason not in OF_THE_CONTENT:
            raise
        damage = Damage(keep=True)
        damage.report(bad)
        return damage
    damage = Damage(keep=bool(found.audio_fault or found.video_fault))
    if found.audio_fault:
        damage.report(found.audio_fault)
    if found.video_fault:
        damage.report(found.video_fault, CONCEALED)
    return damage


def _cadence(grid: Cadence | float) -> Cadence:
    return grid if isinstance(grid, Cadence) else PerSecond(exact_fps(grid))


def _extent(
    clip: Clip, packets: "Packets[AudioStream]", limits: Limits, deadline: Deadline
) -> SoundExtent | None:
    """Where the sound lies; it is decoded where its packets do not say that."""
    from extractors.pyav_decoder import decoded_runs
    from extractors.sound_extent import sound_extent

    runs = decoded_runs(clip.clip_id, packets, deadline)
    if clip.start_s is None and clip.end_s is None:
        runs = _limited(clip, runs, packets, limits)
    return sound_extent(packets, runs)


def _limited(
    clip: Clip, runs: "Iterator[Run]", packets: "Packets[AudioStream]", limits: Limits
) -> "Iterator[Run]":
    """Stops decoding for the length of sound that is too long for the clip."""
    samples, context = 0, packets.stream.codec_context
    for run in runs:
        samples += run[1]
        if context is not None and context.sample_rate:
            length = samples / context.sample_rate
            limits.check_heard(clip.clip_id, length)
            limits.check_samples(clip.clip_id, length, context.sample_rate, context.channels)
        yield run


def _counted(packets: "Packets[AudioStream] | None") -> SoundExtent | None:
    """Where the sound lies, if its packets say that; else its decoding will."""
    from extractors.sound_extent import is_counted, sound_extent

    return sound_extent(packets) if packets and is_counted(packets.stream) else None


def _check(
    clip: Clip,
    path: Path,
    content: "Content",
    sound: SoundExtent | None,
    limits: Limits,
    damage: Damage,
) -> None:
    """Refuses a clip that its header or its packets put beyond a limit."""
    try:
        _check_whole(clip.clip_id, path, content)
    except BadClip as bad:
        damage.report(bad)
    picture = None if content.video is None else content.video.stream
    if picture is not None and picture.codec_context is not None:
        limits.check_pixels(clip.clip_id, picture.width, picture.height)
    shown = None if content.video is None else _shown(content.video, None)
    heard = None if content.audio is None else content.audio.stream.codec_context
    if heard is not None and sound is not None:
        limits.check_samples(
            clip.clip_id, _duration_s(clip, None, sound), heard.sample_rate, heard.channels
        )
    length = _duration_s(clip, shown, sound)
    limits.check_length(clip.clip_id, length)


def _check_whole(clip_id: str, path: Path, content: "Content") -> None:
    """Refuses a file of which samples are missing by its table or its count."""
    from extractors.sound_extent import check_frames_meet

    name = content.container.format.name
    for packets in (content.video, content.audio):
        if packets is not None:
            end_s = packets.end_s if name == "flac" else None
            check_samples(clip_id, path, name, packets.stream, end_s)
    if content.audio is not None and name == "flac":
        check_frames_meet(clip_id, content.audio)


def _duration_s(clip: Clip, shown: Shown | None, sound: SoundExtent | None) -> float:
    video_start, video_end = (0.0, 0.0) if shown is None else (float(shown[0]), float(shown[1]))
    if clip.start_s is None and clip.end_s is None:
        return max(video_end - video_start, 0.0 if sound is None else sound.length_s)
    end = max(video_end, 0.0 if sound is None else sound.start_s + sound.length_s)
    return max(0.0, min(end, clip.end_s if clip.end_s is not None else end) - (clip.start_s or 0.0))


def _audio_facts(clip: Clip, packets: "Packets[AudioStream]", sound: SoundExtent | None) -> Clip:
    context = packets.stream.codec_context
    if context is None:
        return _with_sound(clip, sound, None, None)
    return _with_sound(clip, sound, context.sample_rate or None, context.channels)


def _with_sound(
    clip: Clip, sound: SoundExtent | None, rate_hz: int | None, channels: int | None
) -> Clip:
    return replace(
        clip,
        audio_s=None if sound is None else sound.length_s,
        audio_start_s=None if sound is None else sound.start_s,
        rate_hz=rate_hz,
        channels=channels,
    )


def _video_facts(
    clip: Clip, packets: "Packets[VideoStream]", found: "FirstLook", shown: Shown | None
) -> Clip:
    from extractors.h264 import pixel_aspect
    from extractors.pixels import shown_size
    from extractors.presentation import frame_count

    stream = packets.stream
    rate, size = stream.average_rate, None
    if stream.codec_context is not None:
        aspect = stream.sample_aspect_ratio
        if aspect is None and stream.codec_context.name == "h264":
            aspect = pixel_aspect(stream.codec_context.extradata)
        size = shown_size(stream.width, stream.height, aspect, found.orientation)
    return replace(
        clip,
        video_s=float(shown[1] - shown[0]) if shown else None,
        video_start_s=float(shown[0]) if shown else None,
        width_px=size[0] if size else None,
        height_px=size[1] if size else None,
        fps=float(rate) if rate else None,
        frames=len(found.times) if found.times else frame_count(packets),
        variable_rate=_variable(packets),
    )


def _shown(packets: "Packets[VideoStream]", times: Sequence[int] | None) -> Shown | None:
    """When the first frame is shown and the last one ends; None where nothing is known of it."""
    from extractors.presentation import extent

    known = extent(packets)
    if known is None:
        return None
    if times:
        return times[0] * packets.time_base, known.end_after(times)
    return known.first, known.end


def _variable(packets: "Packets[VideoStream]") -> bool | None:
    """Whether intervals differ by more than their rounding; None without time stamps.

    They must differ by more than a tenth of the middle one, and by more than the container's
    rounding.
    """
    stamps = packets.stamps
    if stamps is None or len(stamps) < 3:
        return None if stamps is None else False
    gaps = sorted(after - before for before, after in pairwise(stamps))
    return gaps[-1] - gaps[0] > max(2, 0.1 * gaps[len(gaps) // 2])
