"""Grid frames as a feature, and the JPEG coding of stored pictures."""

import numpy as np
import pytest

from extractors.frames import Frames, decode_jpeg, encode_jpeg, resize
from extractors.media import Limits, decode
from manifests.quarantine import BadClip, Reason
from manifests.tracks import Track
from tests.support.media_made import Writer, a_clip, picture


def measure(frames: Frames, write_media: Writer) -> Track:
    path = write_media(frames=30, fps=30)
    clip = a_clip(path)
    sink = frames.sink(clip, {})
    decode(clip, path, audio=False, grids={frames.fps: sink.push}, limits=Limits())
    return sink.finish()


def test_frames_are_resized_and_keep_their_time_stamps(write_media: Writer) -> None:
    track = measure(Frames(size=32), write_media)
    assert (track.values.shape, track.values.dtype) == ((10, 32, 32, 3), np.uint8)
    assert track.seconds.tolist() == [k / 10 for k in range(10)]
    assert track.valid.all()
    assert track.values[1:].any()


def test_frames_as_jpeg_are_bytes_that_decode_to_nearly_the_same(write_media: Writer) -> None:
    raw, jpeg = (
        measure(Frames(size=96), write_media),
        measure(Frames(size=96, pixels="jpeg"), write_media),
    )
    assert jpeg.values.dtype == object
    assert all(isinstance(image, bytes) for image in jpeg.values)
    error = np.abs(decode_jpeg(jpeg.values[3]).astype(int) - raw.values[3])
    assert error.mean() < 8


def test_frames_without_a_size_keep_time_stamps_and_no_pixels(write_media: Writer) -> None:
    frames = Frames()
    track = measure(frames, write_media)
    assert track.values.shape == (10, *frames.layout({}).shape) == (10, 0, 0, 3)
    assert len(track.seconds) == 10


def test_the_layout_is_what_a_track_has(write_media: Writer) -> None:
    spec = Frames(fps=5.0, size=32).spec("frames", {})
    assert (spec.dtype, spec.shape, spec.hop_s, spec.codec) == ("uint8", (32, 32, 3), 0.2, "raw")
    assert Frames(size=32, pixels="jpeg").spec("frames", {}).codec == "jpeg"
    assert len({Frames(fps=fps).spec("frames", {}).fingerprint for fps in (5.0, 10.0)}) == 2


def test_no_frame_is_no_video(write_media: Writer) -> None:
    path = write_media("a.wav", frames=0, audio_s=0.1)
    sink = Frames(size=32).sink(a_clip(path), {})
    decode(a_clip(path), path, audio=False, grids={10.0: sink.push}, limits=Limits())
    with pytest.raises(BadClip) as caught:
        sink.finish()
    assert caught.value.reason == Reason.NO_VIDEO


def test_a_picture_survives_jpeg_with_red_first_and_the_same_bytes_each_time() -> None:
    red = np.zeros((40, 60, 3), np.uint8)
    red[..., 0] = 200
    data = encode_jpeg(red)
    assert data == encode_jpeg(red.copy())
    assert np.abs(decode_jpeg(data).astype(int) - red).max() <= 3
    assert decode_jpeg(data).shape == (40, 60, 3)
    assert len(encode_jpeg(picture(1), 50)) < len(encode_jpeg(picture(1)))


def test_what_is_no_picture_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"a picture is \(height, width, 3\) uint8, got \(4, 4\)"):
        encode_jpeg(np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match="0 bytes are not a JPEG image"):
        decode_jpeg(b"")
    with pytest.raises(ValueError, match="4 bytes are not a JPEG image"):
        decode_jpeg(b"abcd")


def test_shrinking_averages_and_growing_interpolates() -> None:
    checks = np.zeros((64, 64, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 255
    assert np.abs(resize(checks, 16).astype(int) - 128).max() <= 1
    assert resize(checks, 100).shape == (100, 100, 3)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"fps": 0.0}, "fps of frames is 0.0"),
        ({"size": 0}, "size of frames"),
        ({"pixels": "png"}, "pixels of frames"),
        ({"pixels": "jpeg"}, "without a size"),
    ],
)
def test_wrong_parameters_are_refused_with_a_sentence(
    wrong: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Frames(**wrong)  # type: ignore[arg-type]
