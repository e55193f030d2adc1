"""An mp4 of H.264 is opened without decoding a picture, where that changes nothing."""

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from extractors import h264, opening
from extractors.h264 import says_all
from extractors.limits import Deadline
from extractors.media import Limits, decode
from extractors.timegrid import EveryNth, PerSecond
from tests.support.media_made import CLIPS, Writer, a_clip

REAL = sorted(CLIPS.glob("*.mp4"))
HOW: dict[str, dict[str, Any]] = {
    "plain": {},
    "two-sided": {"video_options": {"bf": "3", "b-pyramid": "normal"}},
    "odd size": {"size": (162, 122), "pix_fmt": "yuv444p"},
    "fields": {"video_options": {"x264-params": "interlaced=1"}},
    "fragments": {"options": {"movflags": "frag_keyframe+empty_moov"}},
}


def decoded(path: Path) -> tuple[list[Any], Any]:
    """Every frame and all sound, as far as they can be compared, and the notes."""
    frames: list[Any] = []
    grids = {
        grid: lambda seconds, rgb: frames.append((seconds, hashlib.md5(rgb).hexdigest()))
        for grid in (EveryNth(1), PerSecond(Fraction(10)))
    }
    found = decode(a_clip(path), path, audio=True, grids=grids, limits=Limits())
    return frames, (found.notes, found.pcm and hashlib.md5(found.pcm.samples).hexdigest())


def is_opened_unseen(path: Path) -> bool:
    head = path.read_bytes()[:16]
    container = opening._unseen(str(path.absolute()), head, Deadline("made/clip", 60))
    if container is None:
        return False
    container.close()
    return True


def same_as_seen(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unseen = decoded(path)
    monkeypatch.setattr(opening, "_unseen", lambda *given: None)
    assert decoded(path) == unseen


@pytest.mark.parametrize("how", HOW)
def test_nothing_is_decoded_otherwise(
    how: str, write_media: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_media("clip.mp4", frames=25, audio_s=0.8, **HOW[how])
    assert is_opened_unseen(path)
    same_as_seen(path, monkeypatch)


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_clips_are_decoded_as_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same_as_seen(path, monkeypatch)


@pytest.mark.parametrize("codec", ["mpeg4", "libx265"])
def test_other_codings_are_looked_at(codec: str, write_media: Writer) -> None:
    assert not is_opened_unseen(write_media("clip.mp4", frames=8, video_codec=codec))
    assert not is_opened_unseen(write_media("clip.mkv", frames=8))


def configuration(path: Path) -> bytes:
    with av.open(str(path)) as file:
        found: bytes = file.streams.video[0].codec_context.extradata
    return found


def without_usability(path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The configuration of a file, whose parameter set ends before it says how many frames are
    held back, as cameras write it: zeros take the place of the rest."""
    whole, ends = configuration(path), list[int]()
    with monkeypatch.context() as patched:
        patched.setattr(h264, "_aspect", lambda bits: ends.append(bits._at))
        h264._parameter_sets(whole)
    unit = next(unit for unit in h264._units(whole) if unit[0] & 0x1F == 7)
    bits = "".join(f"{byte:08b}" for byte in unit)[: ends[0] - 1] + "01"
    short = int(bits.ljust(8 * len(unit), "0"), 2).to_bytes(len(unit))
    return whole.replace(unit, short)


def test_a_parameter_set_that_does_not_say_how_many_frames_are_held_back_is_not_enough(
    write_media: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_media("clip.mp4", frames=25, video_options={"bf": "3"})
    whole, short = configuration(path), without_usability(path, monkeypatch)
    assert says_all(whole, 160, 120, None)
    assert not says_all(short, 160, 120, None)
    camera = tmp_path / "camera.mp4"
    camera.write_bytes(path.read_bytes().replace(whole, short))
    assert configuration(camera) == short
    assert not is_opened_unseen(camera)
    same_as_seen(camera, monkeypatch)


def test_a_container_that_contradicts_the_parameter_set_is_looked_into(write_media: Writer) -> None:
    told = configuration(write_media("clip.mp4", frames=3, size=(162, 122)))
    assert says_all(told, 162, 122, None)
    assert not says_all(told, 160, 122, None)
    assert not says_all(told, 162, 120, None)
    wide = configuration(
        write_media("wide.mp4", frames=3, video_options={"x264-params": "sar=4/3"})
    )
    assert says_all(wide, 160, 120, Fraction(4, 3))
    assert not says_all(wide, 160, 120, None)
    assert not says_all(told[:12], 162, 122, None)
    assert not says_all(None, 162, 122, None)
