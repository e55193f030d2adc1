"""The parts of a Matroska file fill it, and keep their checksums."""

from pathlib import Path

import numpy as np
import pytest

from extractors.media import Limits, decode, probe
from manifests.quarantine import BadClip, Reason
from tests.support.media_made import Writer, a_clip

CLUSTER = b"\x1f\x43\xb6\x75"


def refusal(path: Path) -> str:
    with pytest.raises(BadClip) as caught:
        probe(a_clip(path), path, Limits())
    assert caught.value.reason == Reason.CORRUPT
    return caught.value.detail


@pytest.fixture(params=[".mkv", ".webm"])
def film(request: pytest.FixtureRequest, write_media: Writer) -> Path:
    return of_clusters(write_media, request.param)


def of_clusters(write_media: Writer, suffix: str) -> Path:
    """A film of several clusters."""
    return write_media(
        f"a{suffix}", frames=50, fps=25, audio_s=2.0, options={"cluster_time_limit": "500"}
    )


def test_the_parts_of_a_good_file_are_whole(film: Path) -> None:
    assert film.read_bytes().count(CLUSTER) > 2
    assert probe(a_clip(film), film, Limits()).video_s == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("checksums", [True, False])
def test_a_zeroed_end_is_damage(film: Path, checksums: bool) -> None:
    data = film.read_bytes()
    if not checksums:
        data = without_checksums(data)
    at = data.rindex(CLUSTER)
    film.write_bytes(data[:at] + bytes(len(data) - at))
    assert "no part" in refusal(film)


def without_checksums(data: bytes) -> bytes:
    """With an element of Void for each, as of a writer that keeps none."""
    return data.replace(b"\xbf\x84", b"\xec\x84")


def test_a_cluster_that_is_none_is_damage(film: Path) -> None:
    data = without_checksums(film.read_bytes())
    film.write_bytes(data)
    probe(a_clip(film), film, Limits())
    film.write_bytes(data.replace(CLUSTER, b"\x1f\x43\xb6\x74", 1))
    assert "no part" in refusal(film)
    at = data.index(CLUSTER) + 4
    film.write_bytes(data[:at] + b"\x10\xff\xff\xff" + data[at + 4 :])
    assert "and the Segment at" in refusal(film)


def test_no_bit_of_a_part_with_a_checksum_changes_in_silence(write_media: Writer) -> None:
    """Of Matroska: ffmpeg writes no checksums into WebM."""
    film = of_clusters(write_media, ".mkv")
    data, chance = film.read_bytes(), np.random.default_rng(2)
    for at in chance.integers(data.index(CLUSTER), data.rindex(CLUSTER), 40):
        if CLUSTER in data[at - 20 : at + 4]:
            continue  # the checksum itself
        changed = bytearray(data)
        changed[at] ^= 1 << int(chance.integers(8))
        film.write_bytes(changed)
        try:
            found = decode(a_clip(film), film, audio=True, grids={}, limits=Limits(), strict=False)
        except BadClip:
            continue
        assert "checksum_differs" in found.notes


def test_a_header_that_fails_its_checksum_is_damage(write_media: Writer) -> None:
    film = of_clusters(write_media, ".mkv")
    data = bytearray(film.read_bytes())
    data[data[: data.index(CLUSTER)].rindex(b"\x16\x54\xae\x6b") + 40] ^= 1
    film.write_bytes(data)
    assert "the part Tracks" in refusal(film)
