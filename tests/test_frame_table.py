"""Codec x container x frames held back: each frame once, in order, at ffmpeg's time."""

from pathlib import Path

import pytest

from tests.support.frame_table import CODECS, CONTAINERS, check, check_span_facts, make

CORE = [
    "h264_3.avi", "h264_open.mkv", "h264_interlaced.ts", "h264_2.mpg", "hevc_3.mp4", "mpeg4_2.avi",
    "mpeg4_2.asf", "xvid_packed_2.avi", "xvid_packed_2.mkv", "xvid_2.avi", "mpeg2_2.mpg",
    "mpeg1_1.avi", "wmv2.asf", "vp8_hidden.webm",
]  # fmt: skip
"""Each kind of times that packets may hold, once."""


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("name", CORE)
def test_each_frame_is_shown_once_at_its_time(name: str, tmp_path: Path) -> None:
    codec, suffix = name.split(".")
    made = make(tmp_path, codec, suffix)
    assert made is not None
    check(made)
    check(made, "ffmpeg")


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("codec", ["h264_3", "mpeg4_2", "xvid_packed_2", "mpeg1_1", "mjpeg"])
def test_a_part_of_an_avi_has_the_facts_of_all_of_it(codec: str, tmp_path: Path) -> None:
    made = make(tmp_path, codec, "avi")
    assert made is not None
    check_span_facts(made)


@pytest.mark.long
@pytest.mark.parametrize("decoder", ["pyav", "ffmpeg"])
@pytest.mark.parametrize("suffix", list(CONTAINERS))
@pytest.mark.parametrize("codec", list(CODECS))
def test_each_frame_of_any_file_is_shown_once_at_its_time(
    codec: str, suffix: str, decoder: str, tmp_path: Path
) -> None:
    made = make(tmp_path, codec, suffix)
    if made is None:
        pytest.skip(f"{suffix} does not hold {codec}")
    check(made, decoder)
