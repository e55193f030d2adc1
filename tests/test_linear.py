"""What looks at the bytes of a file takes a time that grows with their number, not with their
order: no repetition within a repetition, and no read beyond what a header may be."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from itertools import product

import pytest

from extractors.declared_ends import sphere_fields
from extractors.ffmpeg_decoder import _TICKS, _plain
from extractors.first_look import _MATRIX
from extractors.frame_ends import _amf_number
from extractors.opening import check_head
from manifests.quarantine import BadClip, Reason

BEGINNINGS = (b"", b"<?xml ?>", b"\xef\xbb\xbf", b"NIST_1A\n", b"#", b"ffconcat", b"<", b"file ")
REPEATED = (
    b"<!---->", b"<!-- -->", b"<!--", b"-->", b"<?xml ?>", b"<!>", b"<a:", b" ", b"\n", b" \n",
    b"\t", b"file", b"file ", b"\nfile", b"\nfile\n", b"a -a a\n", b"a -", b"\na", b"tkhd\0",
    b"mvhd\x01", b"\0\x08duration\0", b"[", b"[]", b"[] ", b"Parsed_showinfo", b"\0", b"\xff",
)  # fmt: skip


@pytest.fixture(autouse=True)
def watched() -> Iterator[None]:
    """A regular expression that never ends is no test that never ends."""

    def too_long(*_: object) -> None:
        raise TimeoutError("this takes more than a minute, expected no time at all")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, 60)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("repeated", REPEATED)
def test_no_repetition_at_the_beginning_of_a_file_takes_long(repeated: bytes) -> None:
    for begins, ends in product(BEGINNINGS, (b"", b"x", b"<b", b"<mpd")):
        head = (begins + repeated * 4096)[: 4096 - len(ends)] + ends
        with suppress(BadClip):
            check_head("made/clip", head)


@pytest.mark.parametrize("repeated", REPEATED)
def test_no_repetition_in_a_header_takes_long(repeated: bytes) -> None:
    data = repeated * ((1 << 16) // len(repeated))
    assert isinstance(sphere_fields(data), dict)
    assert isinstance(_MATRIX.findall(data), list)
    assert _amf_number(data, b"duration") >= 0
    text = data.decode("latin-1")
    assert isinstance(_TICKS.findall(text), list)
    assert isinstance(_plain(text), str)


@pytest.mark.parametrize(
    "before", [b"<!---->" * 40, b"<!-- <mpd> -->\n<!-- -- -->", b"<!DOCTYPE mpd>", b"<?a?>", b"\n"]
)
def test_a_playlist_behind_comments_is_one(before: bytes) -> None:
    with pytest.raises(BadClip) as caught:
        check_head("made/clip", b"<?xml version='1.0'?>\n" + before + b"<ns:MPD xmlns=''>")
    assert caught.value.reason == Reason.FORBIDDEN
    check_head("made/clip", b"<?xml version='1.0'?>\n" + before + b"<svg>")


def test_ffmpegs_words_about_a_frame_are_not_those_of_a_title() -> None:
    said = (
        "    title : Parsed_showinfo_0 @ 0x1 n: 0 pts: 7\n"
        "[Parsed_showinfo_0 @ 0x55d1] n:   0 pts:   -512 pts_time:1"
    )
    assert _TICKS.findall(said) == ["-512"]
