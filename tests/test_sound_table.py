"""Sound of every coding in every container that can be made here: sample for sample what ffmpeg's
own program gives, by both decoders, and as long as the clip's facts say."""

from pathlib import Path

import numpy as np
import pytest

from extractors.media import DECODERS, Decoded, Limits, decode, probe
from flows.building.run import run_build
from flows.view.store import print_result
from manifests.clips import Clip
from manifests.quarantine import Reason
from stores import FeatureStore
from tests.support.media_made import REAL_CLIPS, a_clip, tone
from tests.support.sound_made import a_wave, ffmpeg, heard_by_ffmpeg, sphere, with_edits

pytestmark = pytest.mark.usefixtures("processes")

TABLE = {
    "aac": "mp4 mov m4a 3gp mkv flv avi ts aac",
    "libmp3lame": "mp3 mp4 mov mkv avi flv ts mpg asf wav caf",
    "mp2": "mp2 mp4 mkv avi ts mpg wav",
    "libopus": "opus webm mkv mp4 ts",
    "libvorbis": "ogg webm mkv mp4",
    "flac": "flac ogg mkv mp4 caf",
    "alac": "m4a mov caf mkv",
    "ac3": "ac3 mp4 mov mkv avi ts mpg wav asf",
    "eac3": "eac3 mp4 mkv ts",
    "libopencore_amrnb": "amr 3gp",
    "wmav1": "wma",
    "wmav2": "wma wmv avi mkv wav",
    "pcm_s16le": "wav w64 avi mkv mov caf asf",
    "pcm_s16be": "aiff au mov caf mpg",
    "pcm_s24le": "wav w64 mkv mov",
    "pcm_s24be": "aiff au",
    "pcm_s32le": "wav caf",
    "pcm_f32le": "wav mkv mov caf",
    "pcm_f32be": "au aiff",
    "pcm_f64le": "wav",
    "pcm_u8": "wav avi mkv",
    "pcm_s8": "aiff au",
    "pcm_mulaw": "wav au avi mov caf",
    "pcm_alaw": "wav au",
    "adpcm_ms": "wav avi",
    "adpcm_ima_wav": "wav",
    "adpcm_ima_qt": "mov aiff",
    "adpcm_swf": "flv",
    "nellymoser": "flv",
    "truehd": "mkv",
    "tta": "mkv",
    "wavpack": "mkv",
    "dca": "mkv ts",
    "s302m": "ts",
}
RATES = {"libopencore_amrnb": 8000, "libopus": 48000, "truehd": 48000, "dca": 48000, "s302m": 48000}
CHANNELS = {"libopencore_amrnb": 1, "nellymoser": 1}
CELLS = [(codec, suffix) for codec, suffixes in TABLE.items() for suffix in suffixes.split()]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.3 s of stereo at 44.1 kHz: a whole number of frames of no coding."""
    return a_wave(tmp_path_factory.mktemp("source") / "source.wav", 1.3, 44100, 2)


def encode(source: Path, path: Path, codec: str, *options: object) -> Path:
    rate, channels = RATES.get(codec, 44100), CHANNELS.get(codec, 2)
    form = ("-c:a", codec, "-strict", -2, "-ar", rate, "-ac", channels)
    ffmpeg("-i", source, *form, *options, path)
    assert path.stat().st_size, f"ffmpeg has not made {path.name}"
    return path


def heard(path: Path, decoder: str = "pyav") -> tuple[Clip, Decoded]:
    clip = probe(a_clip(path), path, Limits())
    return clip, decode(clip, path, audio=True, grids={}, limits=Limits(), decoder=decoder)


def same_as_ffmpeg(path: Path, decoders: tuple[str, ...] = DECODERS) -> None:
    expected = None
    for decoder in decoders:
        clip, decoded = heard(path, decoder)
        pcm = decoded.pcm
        assert pcm is not None
        if expected is None:
            expected = heard_by_ffmpeg(path, pcm.samples.shape[1])
        assert len(pcm.samples) == len(expected), decoder
        assert np.array_equal(pcm.samples, expected), decoder
        assert clip.audio_s == len(expected) / pcm.rate_hz
        assert clip.audio_start_s == pcm.start_s
        assert clip.rate_hz == pcm.rate_hz
        assert clip.duration_s == clip.audio_s or clip.has_video


@pytest.mark.parametrize(("codec", "suffix"), CELLS, ids=str)
def test_the_samples_are_ffmpegs_and_the_facts_theirs(
    source: Path, tmp_path: Path, codec: str, suffix: str
) -> None:
    same_as_ffmpeg(encode(source, tmp_path / f"a.{suffix}", codec))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "m4a", "mkv", "flv"])
@pytest.mark.parametrize("rate", [22050, 24000])
def test_he_aac_is_as_long_as_it_sounds(
    source: Path, tmp_path: Path, suffix: str, rate: int
) -> None:
    """The header of AAC-LC is made to announce spectral band replication, with which a frame has
    2048 samples at twice the rate."""
    checksums = ("-write_crc32", 0) if suffix == "mkv" else ()
    path = encode(source, tmp_path / f"a.{suffix}", "aac", "-ar", rate, *checksums)
    data = path.read_bytes()
    none, doubled = b"\x56\xe5\x00", bytes([0x56, 0xE5, 0x80 | {22050: 4, 24000: 3}[rate] << 3])
    assert data.count(none) == 1
    path.write_bytes(data.replace(none, doubled))
    same_as_ffmpeg(path)
    assert heard(path)[0].rate_hz == 2 * rate


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "ac3", "alac", "flac", "pcm_s16le"])
@pytest.mark.parametrize(
    "edits",
    [
        [(20000, 11111)],
        [(4410, -1), (20000, 11111)],
        [(10000, 5000), (10000, 5000)],
        [(353, -1), (57330, 0)],
    ],
    ids=["the middle", "later", "twice", "late from the start"],
)
def test_an_edit_list_is_kept_to_at_both_ends(
    source: Path, tmp_path: Path, codec: str, edits: list[tuple[int, int]]
) -> None:
    suffix = "mp4" if codec == "flac" else "mov"
    path = encode(source, tmp_path / f"a.{suffix}", codec)
    path.write_bytes(with_edits(path.read_bytes(), *edits))
    same_as_ffmpeg(path)


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "ac3", "libopus", "libvorbis"])
@pytest.mark.parametrize("flags", ["empty_moov+frag_keyframe", "delay_moov+frag_every_frame"])
def test_fragments_have_no_end_to_cut_at(
    source: Path, tmp_path: Path, codec: str, flags: str
) -> None:
    if codec == "ac3":
        flags = flags.replace("empty_moov", "delay_moov")
    same_as_ffmpeg(encode(source, tmp_path / "a.mp4", codec, "-movflags", flags))


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "ac3", "libopus", "libvorbis"])
def test_without_an_edit_list_the_track_ends_where_its_table_does(
    source: Path, tmp_path: Path, codec: str
) -> None:
    same_as_ffmpeg(encode(source, tmp_path / "a.mp4", codec, "-use_editlist", 0))


LAYOUTS = {
    ("aac", "m4a"): "5.1 6.1 7.1",
    ("libopus", "opus"): "5.1 6.1 7.1",
    ("libopus", "webm"): "5.1 6.1 7.1",
    ("libvorbis", "ogg"): "5.1 6.1 7.1 7.1.4 hexadecagonal",
    ("flac", "flac"): "5.1 6.1 7.1",
    ("alac", "m4a"): "5.1 6.1",
    ("ac3", "ac3"): "5.1",
    ("truehd", "mkv"): "5.1",
    ("pcm_s16le", "wav"): "5.1 6.1 7.1 7.1.4 hexadecagonal",
    ("wavpack", "mkv"): "5.1 6.1 7.1 7.1.4 hexadecagonal",
}
CHANNELS_OF = {"5.1": 6, "6.1": 7, "7.1": 8, "7.1.4": 12, "hexadecagonal": 16}


@pytest.mark.parametrize(
    ("codec", "suffix", "layout"),
    [(*cell, layout) for cell, layouts in LAYOUTS.items() for layout in layouts.split()],
)
def test_any_number_of_channels_is_decoded(
    tmp_path: Path, codec: str, suffix: str, layout: str
) -> None:
    channels = CHANNELS_OF[layout]
    tones = "|".join(f"0.3*sin({200 + 90 * c}*2*PI*t)" for c in range(channels))
    path = tmp_path / f"a.{suffix}"
    sound = ("-f", "lavfi", "-i", f"aevalsrc={tones}:s=48000:d=0.2:c={layout}")
    ffmpeg(*sound, "-c:a", codec, "-strict", -2, path)
    clip, decoded = heard(path)
    assert decoded.pcm is not None
    assert decoded.pcm.samples.shape[1] == clip.channels == channels
    same_as_ffmpeg(path)


@pytest.mark.parametrize("name", REAL_CLIPS)
def test_real_clips_sound_as_ffmpeg_has_them(real_clips: Path, name: str) -> None:
    same_as_ffmpeg(real_clips / name)


def test_a_chained_ogg_is_as_long_as_both_its_parts(source: Path, tmp_path: Path) -> None:
    parts = [
        encode(source, tmp_path / f"{name}.ogg", "libvorbis", "-serial_offset", name)
        for name in (1, 2)
    ]
    path = tmp_path / "chained.ogg"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    same_as_ffmpeg(path)  # by either decoder: the second is not offered where times run back
    assert heard(path)[0].audio_s == pytest.approx(2.6, abs=0.02)


RECIPE = """
about = "sound"
source = "these tests"
max_bad_fraction = 1.0

[features.audio]
extractor = "audio"
store = true
"""


def test_a_folder_of_sound_files_is_built_and_what_is_left_out_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, recipe = tmp_path / "clips", tmp_path / "sound.toml"
    root.mkdir()
    recipe.write_text(RECIPE)
    values = np.rint(tone(1.0)[:, 0] * 30000).astype("<i2")
    (root / "named.wav").write_bytes(sphere(values.tobytes()))
    (root / "known.SPH").write_bytes(sphere(values.tobytes()))
    source = a_wave(root / "plain.wav", 1.0)
    for suffix in ("au", "snd", "caf", "aiff", "w64"):
        form = ("-f", "au") if suffix == "snd" else ()
        ffmpeg("-i", source, *form, root / f"sound.{suffix}")
    ffmpeg("-i", source, "-ar", 48000, root / "sound.ac3")
    picture = ("-f", "lavfi", "-i", "testsrc2=s=720x576:r=25:d=1")
    ffmpeg(*picture, "-i", source, "-c:v", "mpeg2video", "-ar", 48000, root / "sound.mxf")
    ffmpeg("-i", source, root / "cut.aac")
    (root / "cut.aac").write_bytes((root / "cut.aac").read_bytes()[:165])
    for name in ("a.shn", "b.SHN", "notes.txt", "labels.csv", ".hidden"):
        (root / name).write_text("clip\n" if name == "labels.csv" else "")
    result = run_build(tmp_path / "store", {"folder": root}, str(recipe), workers=1)
    store = FeatureStore(tmp_path / "store")
    stored = {row["clip_id"] for _, row in store.index().iterrows() if row["state"] == "stored"}
    assert len(stored) == 10
    quarantine = store.quarantine()
    assert list(zip(quarantine["clip_id"], quarantine["reason"], strict=True)) == [
        ("folder/cut", Reason.TRUNCATED)
    ]
    assert result.left_out == {".shn": 2, ".txt": 1}
    print_result("a store", result, [])
    assert "left out: 2 .shn, 1 .txt" in capsys.readouterr().out
