"""Near-duplicates: recall by kind of change, false alarms over all unrelated pairs, and speed:
`python -m benchmarks.near [FOLDER ...]`.

Recordings of the folders are cut into pieces of 2.5 s; beside them stand the sample corpus and
synthetic voices (no real people's takes: two takes of a synthetic voice are far more alike than a
person's). Some of the clips are encoded again, each in every way of `SOUND` and `PICTURE`, measured
as a build measures them, and compared with all originals. The pieces of one recording are the
hardest unrelated pairs that are at hand: one person, one shot, other seconds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any
from zlib import crc32

import av
import cv2
import numpy as np
import soxr
from numpy.typing import NDArray

from extractors.audio import Audio
from extractors.faceprint import FacePrint
from extractors.faces import Faces
from extractors.frames import Frames
from extractors.plan import Graph, Media, measure
from extractors.soundprint import SoundPrint
from flows.sample.pictures import write_sample
from flows.sample.speech import RATE_HZ, speak
from manifests.clips import Clip
from manifests.corpora.ravdess import EMOTIONS
from manifests.corpora.sample import SampleClip
from manifests.tracks import Track
from stores.near_duplicates import FACE_LEAST, SOUND_LEAST, near_faces, near_sounds

Samples = NDArray[np.float32]
Pictures = list[tuple[float, NDArray[np.uint8]]]
"""(seconds, frame)"""

PIECE_S = 2.5
GRAPH = Graph(
    {
        "audio": Audio(),
        "soundprint": SoundPrint(),
        "frames": Frames(),
        "faces": Faces(),
        "faceprint": FacePrint(),
    }
)


def write_sound(
    path: Path,
    samples: Samples,
    codec: str,
    kbits: int = 0,
    rate_hz: int = RATE_HZ,
    gain_db: float = 0.0,
    trim_s: tuple[float, float] = (0, 0),
) -> Path:
    """Samples at 48 kHz, cut by `trim_s` at both ends, louder by `gain_db`, resampled, encoded."""
    first, last = (round(seconds * RATE_HZ) for seconds in trim_s)
    cut = samples[first : len(samples) - last] * np.float32(10 ** (gain_db / 20))
    sound = np.clip(soxr.resample(cut, RATE_HZ, rate_hz, quality="HQ"), -1, 1).astype(np.float32)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=rate_hz, layout="mono")
        if kbits:
            stream.bit_rate = 1000 * kbits
        _mux_sound(out, stream, sound, rate_hz)
    return path


def _mux_sound(out: Any, stream: Any, sound: Samples, rate_hz: int) -> None:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None]), "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
    for part in av.AudioResampler(
        format=stream.codec_context.format, layout="mono", rate=rate_hz
    ).resample(frame):
        out.mux(stream.encode(part))
    out.mux(stream.encode(None))


def write_pictures(
    path: Path,
    pictures: Pictures,
    codec: str = "libx264",
    crf: int = 23,
    scale: float = 1.0,
    gain: float = 1.0,
    trim_s: float = 0.0,
) -> Path:
    """Pictures without those before `trim_s`, of `scale` times the size and `gain` times the
    brightness, encoded."""
    kept = [(seconds, rgb) for seconds, rgb in pictures if seconds >= pictures[0][0] + trim_s]
    height, width = (int(side * scale) // 2 * 2 for side in kept[0][1].shape[:2])
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10000)
        if codec == "libx264":
            stream.options = {"crf": str(crf), "preset": "veryfast"}
        else:
            stream.bit_rate = 600_000
        for seconds, rgb in kept:
            small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
            frame = av.VideoFrame.from_ndarray(
                np.clip(small * gain, 0, 255).astype(np.uint8), "rgb24"
            )
            frame.pts, frame.time_base = round((seconds - kept[0][0]) * 10000), Fraction(1, 10000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


SOUND: dict[str, tuple[str, dict[str, Any]]] = {
    "aac 64k": (".m4a", {"codec": "aac", "kbits": 64}),
    "aac 32k": (".m4a", {"codec": "aac", "kbits": 32}),
    "mp3 64k": (".mp3", {"codec": "libmp3lame", "kbits": 64, "rate_hz": 44100}),
    "mp3 32k": (".mp3", {"codec": "libmp3lame", "kbits": 32, "rate_hz": 22050}),
    "opus 48k": (".ogg", {"codec": "libopus", "kbits": 48}),
    "opus 24k": (".ogg", {"codec": "libopus", "kbits": 24}),
    "opus 12k": (".ogg", {"codec": "libopus", "kbits": 12}),
    "flac 16 bit": (".flac", {"codec": "flac"}),
    "-12 dB": (".wav", {"codec": "pcm_s16le", "gain_db": -12}),
    "+6 dB": (".wav", {"codec": "pcm_s16le", "gain_db": 6}),
    "50 ms cut off": (".wav", {"codec": "pcm_s16le", "trim_s": (0.05, 0)}),
    "307 ms cut off": (".wav", {"codec": "pcm_s16le", "trim_s": (0.307, 0)}),
    "100 and 200 ms cut off": (".wav", {"codec": "pcm_s16le", "trim_s": (0.1, 0.2)}),
    "at 8 kHz": (".wav", {"codec": "pcm_s16le", "rate_hz": 8000}),
    "at 22.05 kHz": (".wav", {"codec": "pcm_s16le", "rate_hz": 22050}),
    "mp3 64k, -8 dB, 211 ms": (
        ".mp3",
        {"codec": "libmp3lame", "kbits": 64, "gain_db": -8, "trim_s": (0.211, 0)},
    ),
}
PICTURE: dict[str, tuple[str, dict[str, Any]]] = {
    "crf 28": (".mp4", {"crf": 28}),
    "crf 35": (".mp4", {"crf": 35}),
    "half the size": (".mp4", {"scale": 0.5}),
    "3/4 of the size": (".mp4", {"scale": 0.75}),
    "mpeg4": (".avi", {"codec": "mpeg4"}),
    "brighter, 1.2": (".mp4", {"gain": 1.2}),
    "darker, 0.7": (".mp4", {"gain": 0.7}),
    "130 ms cut off": (".mp4", {"trim_s": 0.13}),
    "half, crf 28, 220 ms": (".mp4", {"scale": 0.5, "crf": 28, "trim_s": 0.22}),
}


def fingerprint(path: Path, feature: str) -> Track | None:
    """As a build measures it; None where the clip has no such track."""
    clip = Clip(
        f"folder/{path.stem}", "folder", None, None, path.stem, None, path.name, "0" * 64, 1
    )
    found = measure(GRAPH, [feature], clip, path, Media())[feature]
    return found if isinstance(found, Track) else None


def sounds_of(path: Path) -> dict[str, Samples]:
    """The pieces of a recording's sound, at 48 kHz."""
    with av.open(str(path)) as file:
        if not file.streams.audio:
            return {}
        resampler = av.AudioResampler(format="fltp", rate=RATE_HZ)
        parts = [
            part.to_ndarray()
            for frame in file.decode(audio=0)
            for part in resampler.resample(frame)
        ]
    whole = np.concatenate(parts, axis=1).mean(axis=0).astype(np.float32)
    length = round(PIECE_S * RATE_HZ)
    pieces = [whole[at : at + length] for at in range(0, len(whole) - length + 1, length)]
    return {
        f"{path.stem} {number}": piece
        for number, piece in enumerate(pieces)
        if np.abs(piece).max() > 0.01
    }


def pictures_of(path: Path) -> dict[str, Pictures]:
    pieces: dict[int, Pictures] = {}
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            pieces.setdefault(int((frame.time or 0.0) / PIECE_S), []).append(
                (frame.time or 0.0, frame.to_ndarray(format="rgb24"))
            )
    return {
        f"{path.stem} {number}": piece
        for number, piece in pieces.items()
        if piece[-1][0] - piece[0][0] > 0.8 * PIECE_S
    }


def voices() -> dict[str, Samples]:
    """12 synthetic speakers, 8 emotions, 2 sentences, 2 takes of each, which differ in tempo by up
    to 10 % and in all that is random."""
    # From speaker 13 on the voices of the first twelve come again.
    clips = [
        SampleClip(a, e, 1, s, r)
        for a in range(1, 13)
        for e in EMOTIONS
        for s in (1, 2)
        for r in (1, 2)
    ]
    return {clip.stem: speak(clip, crc32(clip.stem.encode())) for clip in clips}


def kind_of(first: str, second: str) -> str:
    """How two originals are related that are no copies of each other."""
    if first[0].isdigit() != second[0].isdigit():
        return "real and synthetic"
    if not first[0].isdigit():
        return (
            "one recording, other seconds"
            if first.rpartition(" ")[0] == second.rpartition(" ")[0]
            else "two recordings"
        )
    a, b = first.split("-"), second.split("-")
    if a[-1] != b[-1]:
        return "synthetic, two speakers"
    return "synthetic, two takes of one sentence" if a[2:5] == b[2:5] else "synthetic, one speaker"


Compare = Callable[[Mapping[str, Track]], list[Any]]


def false_alarms(originals: Mapping[str, Track], compare: Compare) -> None:
    names = sorted(originals)
    pairs: dict[str, int] = {}
    for number, name in enumerate(names):
        for other in names[number + 1 :]:
            pairs[kind_of(name, other)] = pairs.get(kind_of(name, other), 0) + 1
    found = compare(originals)
    for kind, count in pairs.items():
        alarms = [near for near in found if kind_of(near.first, near.second) == kind]
        print(f"  {len(alarms):6} false alarms in {count:6} pairs: {kind}")


def recall(
    originals: Mapping[str, Track],
    changed: Mapping[str, list[tuple[str, Track | None]]],
    compare: Compare,
) -> None:
    hits = total = 0
    for how, copies in changed.items():
        scores = [_score(name, copy, originals, compare) for name, copy in copies]
        found = [score for score in scores if score is not None]
        hits, total = hits + len(found), total + len(scores)
        least = f"similarity from {min(found):.3f}" if found else ""
        print(f"  {len(found):4} of {len(scores):3} found: {how:24} {least}")
    print(f"  {hits:4} of {total:3} found in all ({100 * hits / total:.1f} %)")


def _score(
    name: str, copy: Track | None, originals: Mapping[str, Track], compare: Compare
) -> float | None:
    if copy is None:
        return None
    pairs = compare({name: originals[name], "~copy": copy})
    return pairs[0].similarity if pairs else None


def sound(folders: Iterable[Path], work: Path) -> None:
    real = {name: piece for path in media(folders) for name, piece in sounds_of(path).items()}
    spoken = voices()
    whole = {**real, **spoken}
    originals = {
        name: _kept(
            fingerprint(write_sound(work / f"{name}.wav", piece, "pcm_s16le"), "soundprint")
        )
        for name, piece in whole.items()
    }
    chosen = [*real, *list(spoken)[::12]]
    print(
        f"sound: {len(real)} real pieces, {len(spoken)} synthetic clips; near from {SOUND_LEAST} "
        "of the bits"
    )
    recall(
        originals,
        {
            how: _encoded(work, whole, chosen, way, write_sound, "soundprint")
            for how, way in SOUND.items()
        },
        near_sounds,
    )
    false_alarms(originals, near_sounds)


def face(folders: Iterable[Path], work: Path) -> None:
    write_sample(work / "sample")
    real = {name: piece for path in media(folders) for name, piece in pictures_of(path).items()}
    paths = {path.stem: path for path in sorted((work / "sample").rglob("*.mp4"))}
    prints = {
        name: fingerprint(write_pictures(work / f"{name}.mp4", piece, crf=18), "faceprint")
        for name, piece in real.items()
    }
    prints |= {name: fingerprint(path, "faceprint") for name, path in paths.items()}
    originals = {name: track for name, track in prints.items() if track is not None}
    drawn = [name for name in paths if name in originals][::8]
    whole = real | {name: pictures_of_whole(paths[name]) for name in drawn}
    chosen = [*(name for name in real if name in originals), *drawn]
    print(
        f"face: {len(chosen) - len(drawn)} real pieces, "
        f"{len(originals) - len(chosen) + len(drawn)} sample clips; near from {FACE_LEAST}"
    )
    recall(
        originals,
        {
            how: _encoded(work, whole, chosen, way, write_pictures, "faceprint")
            for how, way in PICTURE.items()
        },
        near_faces,
    )
    false_alarms(originals, near_faces)


def pictures_of_whole(path: Path) -> Pictures:
    with av.open(str(path)) as file:
        return [
            (frame.time or 0.0, frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)
        ]


def _kept(track: Track | None) -> Track:
    if track is None:
        raise ValueError("an original has no fingerprint")
    return track


def _encoded(
    work: Path,
    whole: Mapping[str, Any],
    chosen: Iterable[str],
    way: tuple[str, dict[str, Any]],
    write: Callable[..., Path],
    feature: str,
) -> list[tuple[str, Track | None]]:
    suffix, options = way
    return [
        (name, fingerprint(write(work / f"copy{suffix}", whole[name], **options), feature))
        for name in chosen
    ]


def media(folders: Iterable[Path]) -> list[Path]:
    suffixes = {".mp4", ".avi", ".mkv", ".mov", ".flv", ".wav", ".mp3"}
    return [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in suffixes
    ]


def scale(clips: int) -> None:
    """Random fingerprints of 3 s, one in a hundred a copy of another with 5 % of the bits turned,
    or with noise on its motion."""
    random = np.random.default_rng(0)
    sounds = dict(_with_copies(random, clips, _random_sound, _turned))
    faces = dict(_with_copies(random, clips, _random_face, _noisy))
    for name, tracks, compare in (("sound", sounds, near_sounds), ("face", faces, near_faces)):
        start = time.perf_counter()
        found = compare(tracks)
        print(
            f"{clips:,} clips of 3 s by {name}: {len(found)} pairs of {clips // 100} planted in "
            f"{time.perf_counter() - start:.1f} s"
        )


def _with_copies(
    random: Any,
    clips: int,
    draw: Callable[[Any, int], Track],
    change: Callable[[Any, Track], Track],
) -> Iterable[tuple[str, Track]]:
    for number in range(clips):
        track = draw(random, number)
        yield f"{number:06d}", track
        if number % 100 == 0:
            yield f"{number:06d} copy", change(random, track)


def _random_sound(random: Any, number: int) -> Track:
    values = random.integers(0, 256, (210, 4), dtype=np.uint8)
    return Track(values, np.arange(210) / 80, np.ones(210, np.bool_))


def _turned(random: Any, track: Track) -> Track:
    turned = np.packbits(random.random((len(track), 32)) < 0.05, axis=1)
    return Track((track.values ^ turned)[7:], track.seconds[7:], track.valid[7:])


def _random_face(random: Any, number: int) -> Track:
    """The faces of 24 people, who look alike from clip to clip; each clip moves in its own way."""
    person = np.random.default_rng(number % 24).standard_normal(32)
    motion = np.cumsum(random.standard_normal((30, 32)), axis=0) * 0.05
    values = person + motion - motion.mean(axis=0) + 0.3 * random.standard_normal(32)
    return Track(
        (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32),
        np.arange(30) / 10,
        np.ones(30, np.bool_),
    )


def _noisy(random: Any, track: Track) -> Track:
    values = (track.values + 0.005 * random.standard_normal(track.values.shape)).astype(np.float32)
    return Track(values[2:], track.seconds[2:], track.valid[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="*")
    parser.add_argument("--clips", type=int, default=10_000, help="of the comparison at scale")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sound(args.folder, Path(folder))
        face(args.folder, Path(folder))
    scale(args.clips)


if __name__ == "__main__":
    main()
