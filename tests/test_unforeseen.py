"""Nothing that a file holds ends a build: an error that nobody foresaw is a row that asks to be
reported, and one that hits every clip, or comes from the machine, is no clip's fault."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors import clip_decoder, media
from extractors.audio import Audio
from extractors.base import Encoder, FromFrames, Layout, Rgb, Runtime, Sink
from extractors.batching import encode_stream
from extractors.ffmpeg_decoder import FfmpegDecoder
from extractors.frames import Frames
from extractors.limits import Limits
from extractors.logmel import LogMel
from extractors.plan import Graph, Media, Outcome, measure
from extractors.unforeseen import guarded, is_of_the_machine, refusal
from flows.building import plan as build_plan
from flows.building import probing, shard_task
from flows.building.probing import probe_clips
from flows.errors import BuildError
from manifests.clips import Clip
from manifests.corpora.base import Found
from manifests.features import FeatureSpec
from manifests.quarantine import UNFORESEEN, BadClip, Reason
from manifests.tracks import Track
from stores import FeatureStore
from tests.support.in_process import build_here
from tests.support.media_made import Writer, a_clip, write

GRAPH = Graph({"audio": Audio(), "logmel": LogMel(n_mels=20), "frames": Frames(size=8)})


def measured(path: Path, graph: Graph = GRAPH) -> Mapping[str, Outcome]:
    return measure(graph, graph.order, a_clip(path), path, Media())


def adts(path: Path, size: int) -> Path:
    """A raw AAC file without all but its first bytes."""
    write(path, frames=0, audio_s=0.5, audio_codec="aac", container="adts")
    path.write_bytes(path.read_bytes()[:size])
    return path


# One file


@pytest.mark.parametrize("size", [9, 60, 100, 165, 200])
def test_sound_with_packets_and_no_rate_is_a_row_and_never_an_error(
    tmp_path: Path, size: int
) -> None:
    path = adts(tmp_path / "cut.aac", size)
    [probed] = probe_clips([Found(a_clip(path), ())], [path], {}, Limits())
    assert probed.bad is None or UNFORESEEN not in probed.bad.detail
    for outcome in measured(path).values():
        assert isinstance(outcome, BadClip) or len(outcome)
        assert not isinstance(outcome, BadClip) or UNFORESEEN not in outcome.detail


def test_a_stream_that_appears_in_the_middle_is_named(write_media: Writer) -> None:
    """A tag of FLV that brings text is a stream of its own, of which the header says nothing."""
    path = write_media("a.flv", frames=90, audio_s=3.0)
    data, at = path.read_bytes(), 13
    while at < len(data) * 3 // 4:
        at += 15 + int.from_bytes(data[at + 1 : at + 4])
    text = b"\x02\0\x0aonTextData\x08\0\0\0\1\0\4text\x02\0\2hi\0\0\x09"
    length = len(text).to_bytes(3)
    tag = b"\x12" + length + bytes(7) + text + (11 + len(text)).to_bytes(4)
    path.write_bytes(data[:at] + tag + data[at:])
    [found] = probe_clips([Found(a_clip(path), ())], [path], {}, Limits())
    assert found.bad is not None
    assert found.bad.reason == Reason.CORRUPT
    assert "a stream appears in the middle" in found.bad.detail


def test_an_error_in_a_header_is_a_row_that_names_the_file_the_type_and_the_place(
    write_media: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def length(*_: object) -> float:
        raise ZeroDivisionError(f"at {hex(id(path))}")

    path = write_media("a.wav", frames=0, audio_s=0.1)
    monkeypatch.setattr(media, "_duration_s", length)
    [found] = probe_clips([Found(a_clip(path), ())], [path], {}, Limits())
    assert found.bad is not None
    assert (found.bad.reason, found.clip.sha256 != "") == (Reason.UNREADABLE, True)
    for word in ("a.wav", "ZeroDivisionError", "media.py, line", "please report", "at 0x...)"):
        assert word in found.bad.detail
    assert found.bad.reason.is_fault


@pytest.mark.parametrize(("step", "bad"), [("_hear", {"audio", "logmel"}), ("_see", {"frames"})])
def test_an_error_in_one_stream_leaves_the_other(
    write_media: Writer, monkeypatch: pytest.MonkeyPatch, step: str, bad: set[str]
) -> None:
    from extractors.clip_decoder import ClipDecoder

    def fails(*_: object) -> None:
        raise IndexError("stream 2")

    path = write_media(frames=5, audio_s=0.2)
    monkeypatch.setattr(ClipDecoder, step, fails)
    found = measured(path)
    assert {name for name, one in found.items() if isinstance(one, BadClip)} == bad
    assert all("IndexError (stream 2)" in found[name].detail for name in bad)  # type: ignore[union-attr]


class Failing:
    """A sink that fails at its third frame, or at its end."""

    def __init__(self, at: int) -> None:
        self.at, self.count = at, 0

    def push(self, seconds: float, rgb: Rgb) -> None:
        self.count += 1
        if self.count == self.at:
            raise KeyError("third frame")

    def finish(self) -> Track:
        if self.at == 0:
            raise KeyError("no frame")
        return Track(np.zeros(1, np.float32), np.zeros(1), np.ones(1, np.bool_))


@dataclass(frozen=True)
class Counting(FromFrames):
    """Makes a sink that fails."""

    name: ClassVar[str] = "counting"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("frames",)

    frames: str = "frames"
    at: int = 3

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return Layout("float32", ("time",), (), "1", None)

    def sink(self, clip: Clip, needs: Mapping[str, Sink]) -> Sink:
        return Failing(self.at)


@pytest.mark.parametrize("at", [0, 3])
def test_an_extractor_that_fails_costs_its_own_feature_and_what_needs_it(
    write_media: Writer, at: int
) -> None:
    graph = Graph(
        {"audio": Audio(), "frames": Frames(size=8), "a": Counting(at=at), "b": Counting("a", 99)}
    )
    found = measured(write_media(frames=30, audio_s=0.2), graph)
    assert {name for name, one in found.items() if isinstance(one, BadClip)} == (
        {"a", "b"} if at else {"a"}
    )
    assert "KeyError" in str(found["a"])


# Whose fault


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EIO, "Input/output error"),
        FileNotFoundError(errno.ENOENT, "gone"),
        MemoryError(),
        ImportError("cv2"),
    ],
    ids=repr,
)
def test_what_the_machine_causes_is_no_clips_fault(tmp_path: Path, error: Exception) -> None:
    assert is_of_the_machine(error)
    with pytest.raises(type(error)), guarded(a_clip(tmp_path / "a.wav")):
        raise error


@pytest.mark.parametrize(
    "error", [OSError(errno.EINVAL, "Invalid argument"), ValueError("x\0y"), RuntimeError()]
)
def test_what_a_files_content_causes_is_its_refusal(tmp_path: Path, error: Exception) -> None:
    """A seek to where a header points is one of these: EINVAL."""
    clip = a_clip(tmp_path / "a.wav")
    with pytest.raises(BadClip) as caught, guarded(clip):
        raise error
    assert caught.value.detail == refusal(clip, error).detail
    assert "\0" not in caught.value.detail


def test_errors_of_ffmpeg_speak_of_the_file(tmp_path: Path) -> None:
    import av.error

    assert not is_of_the_machine(av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory"))


def test_an_interrupt_is_let_through(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), guarded(a_clip(tmp_path / "a.wav")):
        raise KeyboardInterrupt


# A network


@dataclass(frozen=True)
class Brittle(Encoder):
    """Fails on batches that hold a pixel of a certain brightness."""

    name: ClassVar[str] = "brittle"
    version: ClassVar[int] = 1
    roles: ClassVar[tuple[str, ...]] = ("input",)

    input: str = "frames"
    fails_on: int = 200
    also: int = 201

    @property
    def dim(self) -> int:
        return 1

    def layout(self, needs: Mapping[str, FeatureSpec]) -> Layout:
        return Layout("float32", ("time", "dim"), (1,), "1", None)

    def ensure_weights(self) -> None:
        pass

    def images(self, track: Track) -> Track:
        if (track.values == self.also).any():
            raise TypeError("not an image")
        return track

    def encode(self, images: NDArray[np.uint8], runtime: Runtime) -> NDArray[np.float32]:
        if (images == self.fails_on).any():
            raise RuntimeError("a pixel too bright")
        return images.reshape(len(images), -1).astype(np.float32).max(axis=1, keepdims=True)


def pictures(*levels: int) -> Track:
    values = np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels])
    return Track(values, np.arange(len(levels), dtype=np.float64), np.ones(len(levels), np.bool_))


def encoded(
    encoder: Brittle, tracks: Mapping[str, Track]
) -> tuple[dict[str, list[float]], dict[str, Exception]]:
    failed: dict[str, Exception] = {}
    stream = encode_stream(
        encoder, tracks.items(), Runtime("openvino", batch=4), failed.__setitem__
    )
    return {clip_id: track.values[:, 0].tolist() for clip_id, track in stream}, failed


def test_a_network_that_fails_on_one_clip_encodes_the_others() -> None:
    tracks = {
        "a": pictures(1, 2),
        "b": pictures(3, 200, 4),
        "c": pictures(5, 6, 7),
        "d": pictures(201),
        "e": pictures(9),
    }
    good, failed = encoded(Brittle(), tracks)
    assert good == {"a": [1.0, 2.0], "c": [5.0, 6.0, 7.0], "e": [9.0]}
    assert {clip_id: type(error) for clip_id, error in failed.items()} == {
        "b": RuntimeError,
        "d": TypeError,
    }


@dataclass(frozen=True)
class OneAhead(Brittle):
    """It takes a batch while it works on another, as on a device."""

    def encode_batches(
        self, batches: Iterable[NDArray[np.uint8]], runtime: Runtime
    ) -> Iterator[NDArray[np.float32]]:
        last: NDArray[np.uint8] | None = None
        for images in batches:
            if last is not None:
                yield self.encode(last, runtime)
            last = images
        if last is not None:
            yield self.encode(last, runtime)


def test_a_failure_costs_no_clip_of_the_batches_that_were_under_way() -> None:
    tracks = {name: pictures(number, number + 10) for number, name in enumerate("abcdefgh")}
    tracks |= {"c": pictures(200, 1), "g": pictures(1, 2, 3, 4, 5, 200)}
    good, failed = encoded(OneAhead(), tracks)
    assert good == {
        name: track.values[:, 0, 0, 0].tolist()
        for name, track in tracks.items()
        if name not in "cg"
    }
    assert sorted(failed) == ["c", "g"]


def test_what_a_track_raises_on_its_way_to_the_network_is_no_failure_of_the_network() -> None:
    def tracks() -> Iterator[tuple[str, Track]]:
        yield "a", pictures(1, 2, 3, 4, 5)
        raise KeyError("no such shard")

    for encoder in (Brittle(), OneAhead()):
        with pytest.raises(KeyError, match="no such shard"):
            list(encode_stream(encoder, tracks(), Runtime("openvino", batch=4)))


def test_a_network_that_gives_back_too_little_is_no_success() -> None:
    @dataclass(frozen=True)
    class Greedy(Brittle):
        def encode_batches(
            self, batches: Iterable[NDArray[np.uint8]], runtime: Runtime
        ) -> Iterator[NDArray[np.float32]]:
            list(batches)
            yield from ()

    with pytest.raises(RuntimeError, match="brittle gave back fewer batches than it took"):
        encoded(Greedy(), {"a": pictures(1)})


def test_a_network_that_fails_on_whatever_it_is_given_is_no_clips_fault() -> None:
    for encoder in (Brittle(fails_on=0), OneAhead(fails_on=0)):
        with pytest.raises(RuntimeError, match="too bright"):
            encoded(encoder, {"a": pictures(0, 2), "b": pictures(3)})


# A lack of memory


@pytest.mark.usefixtures("processes")
def test_an_ffmpeg_that_is_killed_is_a_lack_of_memory(
    write_media: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(FfmpegDecoder):
        def __enter__(self) -> "Killed":
            super().__enter__()
            self._process.kill()
            return self

    path = write_media("a.wav", frames=0, audio_s=30.0)
    monkeypatch.setattr(clip_decoder, "FfmpegDecoder", Killed)
    with pytest.raises(MemoryError, match="ffmpeg was killed"):
        measure(GRAPH, ["audio"], a_clip(path), path, Media(decoder="ffmpeg"))


# A build


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(4):
        write(folder / f"{number}.wav", frames=0, audio_s=0.2, rate_hz=16000)
    return folder


def failing_on(names: set[str]) -> Callable[..., Track]:
    whole = LogMel.extract

    def extract(self: LogMel, clip: Clip, inputs: Any) -> Track:
        if clip.path in names:
            raise ArithmeticError("a bug")
        return whole(self, clip, inputs)

    return extract


def test_one_clip_that_nobody_foresaw_is_one_row_and_its_neighbours_are_stored(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LogMel, "extract", failing_on({"1.wav"}))
    build_here(tmp_path / "store", folder, "max_bad_fraction=0.25")
    store = FeatureStore(tmp_path / "store")
    rows = store.quarantine().query("feature == 'logmel'")
    assert list(rows["clip_id"]) == ["folder/1"]
    assert list(rows["reason"]) == [Reason.UNREADABLE]
    assert "1.wav: ArithmeticError (a bug)" in rows["detail"].iloc[0]
    assert len(list(store["logmel"])) == 3
    assert len(list(store["audio"])) == 4


def test_a_bug_that_hits_every_clip_ends_the_build_with_its_reason_and_is_not_kept(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LogMel, "extract", failing_on({f"{number}.wav" for number in range(4)}))
        with pytest.raises(BuildError, match=r"4 of 4 clips are damaged \(4 unreadable\).*Arithm"):
            build_here(tmp_path / "store", folder, "max_bad_fraction=0.5")
    build_here(tmp_path / "store", folder, "max_bad_fraction=0.5")
    assert len(list(FeatureStore(tmp_path / "store")["logmel"])) == 4


def test_a_track_that_cannot_be_stored_is_its_clips_row(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = LogMel.extract

    def extract(self: LogMel, clip: Clip, inputs: Any) -> Track:
        track = whole(self, clip, inputs)
        seconds = track.seconds * (np.nan if clip.path == "2.wav" else 1.0)
        return Track(track.values, seconds, track.valid)

    monkeypatch.setattr(LogMel, "extract", extract)
    build_here(tmp_path / "store", folder)
    rows = FeatureStore(tmp_path / "store").quarantine().query("feature == 'logmel'")
    assert list(rows["clip_id"]) == ["folder/2"]
    assert "ValueError" in rows["detail"].iloc[0]


def test_another_version_tries_again_what_this_one_did_not_foresee(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    with monkeypatch.context() as patch:
        patch.setattr(LogMel, "extract", failing_on({"1.wav"}))
        build_here(store, folder)
    assert not build_here(store, folder).is_new
    newer = {**shard_task.readers(), "affectstore": "99"}
    for module in (shard_task, build_plan):
        monkeypatch.setattr(module, "readers", lambda: newer)
    result = build_here(store, folder)
    assert result.clips_computed == 1
    assert len(list(FeatureStore(store)["logmel"])) == 4


def test_a_full_disk_ends_the_build_and_is_no_clips_fault(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shard_task.ShardWriter, "add", full)
    with pytest.raises(OSError, match="No space left"):
        build_here(tmp_path / "store", folder)


def test_a_disk_that_fails_in_a_header_is_no_clips_fault(
    write_media: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    path = write_media("a.wav", frames=0, audio_s=0.1)
    monkeypatch.setattr(probing, "probe", fails)
    with pytest.raises(OSError, match="Input/output"):
        probe_clips([Found(a_clip(path), ())], [path], {}, Limits())
