"""The audio autoencoder: its segments, its training, and that training sees nothing but what it is
given."""

import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch

from extractors.audio import Audio
from extractors.base import Pcm
from extractors.fitted import conv_autoencoder
from extractors.fitted.autoencoder import Autoencoder, _Best
from extractors.fitted.base import Examples
from extractors.fitted.segments import SegmentSampler, moments, spans, starts
from extractors.logmel import LogMel
from flows.sample.speech import RATE_HZ, speak
from manifests.clips import Clip
from manifests.corpora.sample import SampleClip
from manifests.features import FeatureSpec
from manifests.tracks import Track

ROOT = Path(__file__).parents[1]
SMALL = Autoencoder(input="logmel", dim=4, segment=16, steps=60, batch=16)


def spec_of(shape: tuple[int, ...] = (24,), hop_s: float | None = 0.01) -> FeatureSpec:
    return FeatureSpec(
        "logmel", "float32", ("time", "mel"), shape, "dB", hop_s, "0" * 32, "logmel", 1, "{}"
    )


def chirps(clips: int, seed: int = 0, rows: int = 80, bands: int = 24) -> list[Track]:
    """A ridge of its own place and speed in each clip: a few numbers say all, but not linearly."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(clips):
        centre = rng.uniform(4, bands - 4) + 6 * np.sin(
            np.arange(rows) / rng.uniform(5, 12) + rng.uniform(0, 6)
        )
        values = -60 + 40 * np.exp(-((np.arange(bands) - centre[:, None]) ** 2) / 4)
        made.append(track_of(values))
    return made


def track_of(values: np.ndarray, valid: np.ndarray | None = None) -> Track:
    mask = np.ones(len(values), np.bool_) if valid is None else valid
    return Track(values.astype(np.float32), 2.0 + 0.01 * np.arange(len(values)), mask, ("silent",))


def examples_of(tracks: Sequence[Track], groups: Sequence[str] | None = None) -> Examples:
    groups = groups or [f"g{i % 4}" for i in range(len(tracks))]
    return Examples(
        tuple(f"c/{i}" for i in range(len(tracks))), tuple(groups), (), {"input": tracks}
    )


def log_mels(actors: range) -> list[Track]:
    """Log-mels of the sample corpus's speech."""
    clip = Clip("made/a", "made", None, None, "a", None, "a.wav", "0" * 64, 1)
    found = []
    for actor in actors:
        for emotion in ("neutral", "happy", "sad", "angry"):
            spoken = SampleClip(actor, emotion, 1, 1, 1)
            samples = speak(spoken, crc32(spoken.stem.encode()))
            found.append(
                LogMel(n_mels=32).extract(
                    clip, Inputs(Audio().convert(clip, Pcm(samples[:, None], RATE_HZ, 0.0)))
                )
            )
    return found


class Inputs:
    def __init__(self, track: Track) -> None:
        self._track = track

    def __getitem__(self, role: str) -> Track:
        return self._track

    def once(self, key, compute):  # type: ignore[no-untyped-def]
        return compute()


def error_of(fitter: Autoencoder, state: dict[str, np.ndarray], tracks: list[Track]) -> float:
    """Mean squared error of the reconstruction, in units of the training clips' deviation."""
    pairs = [
        (fitter.segments(state, t), fitter.decode(state, fitter.encode(state, {"input": t}).values))
        for t in tracks
    ]
    return float(np.concatenate([((a - b) ** 2).ravel() for a, b in pairs]).mean())


# Training


@pytest.mark.usefixtures("networks_of_real_size")
def test_the_error_on_speakers_outside_the_training_falls_below_that_of_pca_of_equal_size() -> None:
    fitter = Autoencoder(input="logmel", dim=6, segment=16, steps=250)
    trained_tracks, judged_tracks = log_mels(range(1, 5)), log_mels(range(7, 9))
    state = fitter.fit(
        examples_of(trained_tracks, [f"actor{i // 4}" for i in range(len(trained_tracks))])
    )
    source = SegmentSampler(trained_tracks, state["mean"], state["scale"], fitter.segment)
    known = np.concatenate(
        [
            source._cut(track, starts(track.valid, 16)[::2]).reshape(-1, 16 * 32)
            for track in trained_tracks
        ]
    )
    mean = known.mean(axis=0)
    basis = np.linalg.svd(known - mean, full_matrices=False)[2][: fitter.dim]
    judged = (
        np.concatenate(
            [fitter.segments(state, track).reshape(-1, 16 * 32) for track in judged_tracks]
        )
        - mean
    )
    by_pca = float(((judged - judged @ basis.T @ basis) ** 2).mean())
    assert error_of(fitter, state, judged_tracks) < by_pca < 1.0


@pytest.mark.usefixtures("networks_of_real_size")
def test_the_same_clips_give_the_same_bytes_whatever_torch_did_before() -> None:
    examples = examples_of(chirps(12))
    first = SMALL.fit(examples)
    threads = torch.get_num_threads()
    torch.manual_seed(99)
    torch.set_num_threads(2)
    before = torch.random.get_rng_state()
    try:
        second = SMALL.fit(examples)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()
    assert {name: array.tobytes() for name, array in first.items()} == {
        name: array.tobytes() for name, array in second.items()
    }
    assert not np.array_equal(
        first["down.weight"], replace(SMALL, seed=1).fit(examples)["down.weight"]
    )


@pytest.mark.usefixtures("networks_of_real_size")
def test_training_stops_when_clips_held_out_are_reconstructed_no_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("extractors.fitted.autoencoder._CHECK_STEPS", 10)
    rng = np.random.default_rng(0)
    noise = examples_of([track_of(rng.standard_normal((40, 24))) for _ in range(8)])
    taken = []
    batches = SegmentSampler.batches

    def counted(*args):  # type: ignore[no-untyped-def]
        for batch in batches(*args):
            taken.append(len(batch))
            yield batch

    monkeypatch.setattr(SegmentSampler, "batches", counted)
    replace(SMALL, steps=2000, patience=3, learning_rate=0.01).fit(noise)
    assert len(taken) < 400
    assert set(taken) == {16}


def test_the_weights_kept_are_the_best_ones_and_not_the_last() -> None:
    network = conv_autoencoder.build(16, 8, 2)
    shapes = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    silence, best = np.zeros((3, 16, 8), np.float32), _Best(patience=2)
    answers = []
    for offset in (3.0, 1.0, 2.0, 1.0):
        conv_autoencoder.fill(
            network, {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        )
        network.get_parameter("decoder.2.bias").data[:] = offset
        answers.append(best.is_enough(network, silence))
    assert answers == [False, False, False, True]
    assert best.weights["decoder.2.bias"].tolist() == [1.0]


@pytest.mark.usefixtures("networks_of_real_size")
def test_clips_held_out_to_judge_by_are_of_groups_not_trained_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: dict[str, set[int]] = {}
    usable = SegmentSampler._usable

    def watched(self: SegmentSampler, clips: np.ndarray, which: str) -> np.ndarray:
        used[which] = set(clips.tolist())
        return usable(self, clips, which)

    monkeypatch.setattr(SegmentSampler, "_usable", watched)
    examples = examples_of(chirps(12))
    SMALL.fit(examples)
    assert used["held-out"] | used["other"] == set(range(12))
    assert not {examples.groups[i] for i in used["held-out"]} & {
        examples.groups[i] for i in used["other"]
    }
    assert len(used["held-out"]) == 3


@pytest.mark.usefixtures("networks_of_real_size")
def test_few_tracks_are_in_memory_at_a_time() -> None:
    tracks = chirps(12)

    class Lazy(Sequence[Track]):
        alive = 0
        most = 0

        def __len__(self) -> int:
            return len(tracks)

        def __getitem__(self, number):  # type: ignore[no-untyped-def, override]
            values = tracks[number].values.copy().view(Counted)
            Lazy.alive += 1
            Lazy.most = max(Lazy.most, Lazy.alive)
            return replace(tracks[number], values=values)

    class Counted(np.ndarray):  # type: ignore[type-arg]
        def __del__(self) -> None:
            if self.base is not None and not isinstance(self.base, Counted):
                Lazy.alive -= 1

    lazy = SMALL.fit(examples_of(Lazy()))
    assert Lazy.most <= 3
    assert np.array_equal(lazy["down.weight"], SMALL.fit(examples_of(tracks))["down.weight"])


@pytest.mark.usefixtures("networks_of_real_size")
def test_clips_that_teach_nothing_are_passed_over_and_none_left_is_one_sentence() -> None:
    tracks = chirps(8)
    spoilt = track_of(
        np.where(np.arange(40)[:, None] % 8 == 0, np.nan, -50.0).repeat(24, 1)[:, :24],
        np.arange(40) % 8 != 0,
    )
    assert np.isfinite(SMALL.fit(examples_of([*tracks, spoilt]))["down.weight"]).all()
    with pytest.raises(
        ValueError, match=r"no held-out training clip of 1 has a segment of 16 valid rows"
    ):
        SMALL.fit(examples_of([spoilt] * 4))
    with pytest.raises(ValueError, match="all training clips are of one group"):
        SMALL.fit(examples_of(tracks, ["a"] * 8))
    with pytest.raises(ValueError, match="none of the 2 training clips has a valid row"):
        SMALL.fit(examples_of([track_of(np.full((3, 24), np.nan), np.zeros(3, np.bool_))] * 2))


# Segments


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, []),
        (5, [(0, 5)]),
        (16, [(0, 16)]),
        (17, [(0, 16), (1, 17)]),
        (32, [(0, 16), (16, 32)]),
        (40, [(0, 16), (16, 32), (24, 40)]),
    ],
)
def test_segments_follow_one_another_and_the_last_one_ends_with_the_clip(
    length: int, expected: list[tuple[int, int]]
) -> None:
    assert spans(length, 16) == expected


def test_a_segment_begins_wherever_all_its_rows_are_valid() -> None:
    assert starts(np.array([1, 1, 1, 0, 1, 1, 1, 1], np.bool_), 3).tolist() == [0, 4, 5]
    assert starts(np.ones(2, np.bool_), 3).tolist() == [0]
    assert starts(np.array([True, False]), 3).tolist() == []
    assert starts(np.ones(0, np.bool_), 3).tolist() == []


def test_moments_are_those_of_all_valid_rows_together() -> None:
    rng = np.random.default_rng(0)
    tracks = [
        track_of(rng.standard_normal((n, 3)) * [1, 2, 0] - 50, rng.random(n) < 0.8)
        for n in (10, 1, 33)
    ]
    rows = np.concatenate([track.values[track.valid] for track in tracks]).astype(np.float64)
    mean, scale = moments(tracks, 3)
    assert np.allclose(mean, rows.mean(axis=0))
    assert np.allclose(scale, [*rows.std(axis=0)[:2], 1.0], rtol=1e-5)


# Features


@pytest.mark.usefixtures("networks_of_real_size")
def test_each_segment_gets_its_code_its_centre_and_its_validity() -> None:
    state = SMALL.fit(examples_of(chirps(8)))
    valid = np.ones(40, np.bool_)
    valid[20] = False
    found = SMALL.encode(state, {"input": track_of(np.full((40, 24), -50.0), valid)})
    assert found.values.shape == (3, SMALL.dim)
    assert found.values.dtype == np.float32
    assert found.valid.tolist() == [True, False, True]
    assert np.isfinite(found.values).all(axis=1).tolist() == [True, False, True]
    assert found.seconds.tolist() == pytest.approx([2.075, 2.235, 2.315])
    assert found.notes == ("silent",)
    layout = SMALL.layout({"input": spec_of()})
    assert (layout.shape, layout.hop_s) == ((4,), 0.16)
    assert len(SMALL.encode(state, {"input": track_of(np.zeros((0, 24)))})) == 0


@pytest.mark.usefixtures("networks_of_real_size")
def test_a_clip_shorter_than_a_segment_is_filled_with_the_training_mean() -> None:
    state = SMALL.fit(examples_of(chirps(8)))
    short = track_of(np.full((5, 24), -50.0))
    segments = SMALL.segments(state, short)
    assert segments.shape == (1, 16, 24)
    assert (segments[0, 5:] == 0).all()
    assert np.allclose(segments[0, :5] * state["scale"] + state["mean"], -50, atol=1e-3)
    assert SMALL.encode(state, {"input": short}).valid.tolist() == [True]


@pytest.mark.usefixtures("networks_of_real_size")
@pytest.mark.parametrize("bands", [13, 24])
def test_any_number_of_bands_is_reconstructed(bands: int) -> None:
    tracks = chirps(8, bands=bands)
    state = SMALL.fit(examples_of(tracks))
    codes = SMALL.encode(state, {"input": tracks[0]}).values
    assert SMALL.decode(state, codes).shape == (5, 16, bands)
    assert SMALL.decode(state, codes[:0]).shape == (0, 16, bands)


@pytest.mark.usefixtures("networks_of_real_size")
def test_a_code_does_not_change_when_another_state_was_used_between() -> None:
    tracks = chirps(8)
    one, other = SMALL.fit(examples_of(tracks)), replace(SMALL, seed=5).fit(examples_of(tracks))
    first = SMALL.encode(one, {"input": tracks[0]}).values
    assert not np.array_equal(first, SMALL.encode(other, {"input": tracks[0]}).values)
    assert np.array_equal(
        first, SMALL.encode(pickle.loads(pickle.dumps(one)), {"input": tracks[0]}).values
    )


# Parameters


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dim": 0}, "dim = 0, expected at least 1"),
        ({"segment": 20}, "segment = 20, expected a multiple of 8"),
        ({"batch": 30}, "batch = 30, expected a multiple of 4"),
        ({"learning_rate": 0.0}, r"learning_rate = 0.0, expected more than 0"),
    ],
)
def test_a_parameter_out_of_range_gets_one_sentence(change: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(SMALL, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [spec_of((4, 4)), spec_of(hop_s=None)])
def test_an_input_that_is_no_even_row_of_vectors_is_refused(source: FeatureSpec) -> None:
    with pytest.raises(
        ValueError, match="the autoencoder takes vectors of float numbers at an even hop"
    ):
        SMALL.layout({"input": source})


@pytest.mark.usefixtures("processes")
def test_torch_is_not_imported_before_a_network_is_built() -> None:
    script = (
        "import sys, extractors.fitted.catalog; print('torch' in sys.modules, 'sklearn' in "
        "sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout.split() == ["False", "False"]
