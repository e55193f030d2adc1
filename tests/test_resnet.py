"""The ResNet encoder: its parameters, its images, its engines, and full batches across clips."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from extractors import engines
from extractors.base import Extractor, Runtime
from extractors.batching import encode_stream
from extractors.engines import Begin, Engine
from extractors.frames import encode_jpeg
from extractors.mfcc import Mfcc
from extractors.resnet import ResNet, mfcc_image, segment_spans
from extractors.resnet_map import ResNetMap
from manifests.features import FeatureSpec
from manifests.tracks import Track

ROOT = Path(__file__).parents[1]
SMALL = ResNet(depth=18, weights="random", seed=3, size=64)
MFCC_IMAGES = ResNet(
    input="mfcc", depth=18, weights="random", seed=3, size=64, segment_s=1.0, segment_hop_s=0.5
)
ON_CPU = [Runtime("openvino", threads=1), Runtime("torch", threads=1)]


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def pictures(n: int, side: int = 64, seed: int = 0) -> np.ndarray:
    """Noise at three scales under a gradient: no two alike, and not only in their pixels' order."""
    rng = np.random.default_rng(seed)
    images = np.empty((n, side, side, 3), np.uint8)
    for i in range(n):
        step = 1 << (2 * (i % 3))
        coarse = (
            rng.integers(0, 200, (side // step + 1, side // step + 1, 3))
            .repeat(step, 0)
            .repeat(step, 1)[:side, :side]
        )
        images[i] = coarse + np.linspace(0, 10 * (i % 6), side)[:, None, None]
    return images


def spec_of(
    shape: tuple[int, ...], dtype: str = "uint8", extractor: str = "crops", params: str = "{}"
) -> FeatureSpec:
    dims = ("time", *(f"d{i}" for i in range(len(shape))))
    return FeatureSpec("input", dtype, dims, shape, "", 0.1, "0" * 32, extractor, 1, params)


CROPS = spec_of((224, 224, 3))


def track_of(images: np.ndarray, valid: list[bool] | None = None, start_s: float = 0.0) -> Track:
    mask = np.ones(len(images), np.bool_) if valid is None else np.array(valid, np.bool_)
    return Track(images, start_s + 0.1 * np.arange(len(images)), mask)


# Parameters


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: ResNet(depth=101),
            "depth = 101 is no ResNet known here; expected one of 18, 34, 50",
        ),
        (
            lambda: ResNet(depth=18, weights="IMAGENET1K_V2"),
            'weights = "IMAGENET1K_V2" is unknown for depth 18',
        ),
        (
            lambda: ResNet(weights="imagenet"),
            r'expected "IMAGENET1K_V1", "IMAGENET1K_V2", "random" or the path of a \.pth file',
        ),
        (lambda: ResNet(weights="random"), "needs a seed of 0 or more, got None"),
        (lambda: ResNet(weights="random", seed=-1), "needs a seed of 0 or more, got -1"),
        (lambda: ResNet(seed=1), "seed = 1 has no meaning"),
        (lambda: ResNet(size=16), "size = 16 does not suit"),
        (lambda: ResNet(precision="fp16"), 'precision = "fp16" is unknown'),
        (lambda: ResNet(segment_s=1.0), "they go together"),
        (lambda: ResNet(segment_s=1.0, segment_hop_s=1.5), "no sound is passed over"),
        (lambda: ResNet(segment_s=1.0, segment_hop_s=0.0), "must be more than 0"),
        (lambda: Runtime(threads=0), "threads = 0, but at least 1 is needed"),
        (lambda: Runtime(batch=0), "batch = 0, but at least 1 is needed"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(
    make: Callable[[], object], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_an_unknown_engine_and_a_precision_that_is_not_to_be_had_are_refused() -> None:
    images = pictures(1)
    with pytest.raises(
        ValueError, match='engine = "tensorrt" is unknown; expected auto, torch, openvino'
    ):
        SMALL.encode(images, Runtime("tensorrt"))
    with pytest.raises(
        ValueError, match='precision = "float16" needs the torch engine on a CUDA device'
    ):
        replace(SMALL, precision="float16").encode(images, Runtime("openvino"))


@pytest.mark.usefixtures("processes")
def test_bfloat16_is_refused_by_a_sentence_where_the_processor_does_not_compute_in_it() -> None:
    script = f"""
import numpy as np
from extractors.base import Runtime
from extractors.resnet import ResNet
try:
    {replace(SMALL, precision="bfloat16")!r}.check_runtime(Runtime("openvino"))
except ValueError as error:
    print(error)
"""
    assert run(script, OV_CPU_MAX_ISA="AVX2") == (
        'precision = "bfloat16" needs a CUDA device or a processor that computes in it (AVX-512 '
        'BF16 or AMX), and this one does not; use "float32"'
    )


@pytest.mark.usefixtures("processes")
@pytest.mark.skipif(
    not torch.__version__.endswith("+cpu"), reason="this torch may find a CUDA device"
)
def test_a_torch_without_cuda_is_not_imported_to_be_asked_for_a_device() -> None:
    code = (
        "import sys; from extractors.engines import resolve; print(resolve('auto'), 'torch' in "
        "sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        check=True,
    )
    assert found.stdout == "openvino False\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_without_cuda_auto_is_openvino_and_torch_gives_float32_only() -> None:
    assert engines.resolve("auto") == "openvino"
    with pytest.raises(
        ValueError, match='precision = "float16" needs the torch engine on a CUDA device'
    ):
        replace(SMALL, precision="float16").encode(pictures(1), Runtime("torch"))


def test_images_of_another_size_are_refused_by_the_network() -> None:
    with pytest.raises(
        ValueError,
        match=r"expected uint8 images of shape \(n, 64, 64, 3\), got \(1, 32, 32, 3\) uint8",
    ):
        SMALL.encode(pictures(1, 32), ON_CPU[0])


def test_untrained_weights_say_so_and_trained_ones_do_not() -> None:
    assert (
        SMALL.spec("e", {"input": CROPS}).about
        == "untrained weights (seed 3): shapes and speed are real, the embedding means nothing"
    )
    assert ResNet().spec("e", {"input": CROPS}).about == ""


@pytest.mark.parametrize(("depth", "dim"), [(18, 512), (34, 512), (50, 2048)])
def test_the_layout_says_what_the_rows_are(depth: int, dim: int) -> None:
    spec = ResNet(depth=depth).spec("embedding", {"input": CROPS})
    assert (spec.dtype, spec.dims, spec.shape, spec.hop_s) == (
        "float32",
        ("time", "embedding"),
        (dim,),
        0.1,
    )


def test_every_parameter_moves_the_fingerprint() -> None:
    changes = [
        {},
        {"seed": 4},
        {"size": 96},
        {"depth": 34},
        {"precision": "bfloat16"},
        {"weights": "IMAGENET1K_V1", "seed": None},
    ]
    prints = {
        replace(SMALL, **change).spec("e", {"input": CROPS}).fingerprint for change in changes
    }
    assert len(prints) == len(changes)
    other = replace(CROPS, fingerprint="1" * 32)
    assert SMALL.spec("e", {"input": other}).fingerprint not in prints


def test_the_input_must_be_what_the_parameters_say() -> None:
    with pytest.raises(
        ValueError, match=r"\(0, 0, 3\) uint8, but a ResNet takes square RGB pictures"
    ):
        SMALL.layout({"input": spec_of((0, 0, 3))})
    with pytest.raises(ValueError, match="give segment_s and segment_hop_s for MFCC"):
        SMALL.layout({"input": spec_of((120,), "float32", "mfcc", '{"deltas":2}')})
    with pytest.raises(ValueError, match="no stack of MFCC with first and second derivatives"):
        MFCC_IMAGES.layout({"input": spec_of((78,), "float32", "mfcc", '{"deltas":1}')})
    with pytest.raises(ValueError, match="leave segment_s and segment_hop_s out for pictures"):
        MFCC_IMAGES.layout({"input": CROPS})


def test_the_real_mfcc_extractor_fits() -> None:
    audio = FeatureSpec(
        "audio",
        "float32",
        ("time",),
        (),
        "full scale = 1",
        1 / 16000,
        "a" * 32,
        "audio",
        1,
        '{"rate_hz":16000}',
    )
    mfcc: Extractor = Mfcc()
    spec = mfcc.spec("mfcc", dict.fromkeys(mfcc.needs, audio))
    assert MFCC_IMAGES.layout({"input": spec}).hop_s == 0.5


@pytest.mark.usefixtures("processes")
def test_looking_at_a_feature_imports_no_network_library() -> None:
    script = f"""
import sys
from extractors.resnet import ResNet
{SMALL!r}.params()
print([name for name in ("torch", "openvino") if name in sys.modules])
"""
    assert run(script) == "[]"


# Images


def test_rows_without_a_face_stay_without_one() -> None:
    found = SMALL.images(track_of(pictures(3), [True, False, True]))
    assert found.valid.tolist() == [True, False, True]
    assert np.array_equal(found.values[0], pictures(3)[0])
    assert found.values[1].max() == 0
    assert found.seconds.tolist() == pytest.approx([0.0, 0.1, 0.2])


def test_jpeg_crops_are_decoded_and_resized_and_empty_rows_are_left_alone() -> None:
    smooth = np.linspace(0, 255, 96).astype(np.uint8)[:, None, None] * np.ones((1, 96, 3), np.uint8)
    values = np.empty(2, object)
    values[:] = [encode_jpeg(smooth), b""]
    found = SMALL.images(track_of(values, [True, False]))
    assert found.values.shape == (2, 64, 64, 3)
    expected = np.linspace(0, 255, 64)[:, None, None]
    assert np.abs(found.values[0].astype(float) - expected).max() < 5
    assert found.values[1].max() == 0


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (0, []),
        (1, [(0, 1)]),
        (40, [(0, 40)]),
        (100, [(0, 100)]),
        (150, [(0, 100), (50, 150)]),
        (151, [(0, 100), (50, 150), (51, 151)]),
        (199, [(0, 100), (50, 150), (99, 199)]),
        (200, [(0, 100), (50, 150), (100, 200)]),
    ],
)
def test_segments_cover_every_row_and_the_last_one_ends_with_the_clip(
    rows: int, expected: list[tuple[int, int]]
) -> None:
    assert segment_spans(0.01 * np.arange(rows), 1.0, 0.5) == expected


def test_a_hop_that_is_no_multiple_of_a_row_does_not_drift() -> None:
    spans = segment_spans(0.01 * np.arange(10_000), 0.333, 0.0333)
    starts = np.array([first for first, _ in spans])[:-1]
    assert np.abs(starts - 3.33 * np.arange(len(starts))).max() <= 0.5 + 1e-9


def test_an_mfcc_image_has_three_scaled_channels_with_time_to_the_right() -> None:
    rows, n_mfcc = 64, 64
    stack = np.zeros((rows, 3, n_mfcc), np.float32)
    stack[:, 0] = np.linspace(-700, 100, rows)[:, None]
    stack[:, 1] = np.linspace(1, -1, n_mfcc)[None]
    stack[:, 2] = 5.0
    image = mfcc_image(stack.reshape(rows, 3 * n_mfcc), 64)
    assert (image[:, 0, 0] == 0).all()
    assert (image[:, -1, 0] == 255).all()
    assert (image[0, :, 1] == 255).all()
    assert (image[-1, :, 1] == 0).all()
    assert (image[:, :, 2] == 0).all()


@pytest.mark.usefixtures("networks_of_real_size")
def test_mfcc_segments_have_their_centre_as_time_and_are_valid_where_all_rows_are() -> None:
    values = np.random.default_rng(0).standard_normal((210, 120)).astype(np.float32)
    valid = np.ones(210, np.bool_)
    valid[205], values[205] = False, np.nan
    found = MFCC_IMAGES.images(Track(values, 3.0 + 0.01 * np.arange(210), valid, ("silent",)))
    assert found.seconds.tolist() == pytest.approx([3.495, 3.995, 4.495, 4.595])
    assert found.valid.tolist() == [True, True, True, False]
    assert found.notes == ("silent",)
    embedded = dict(
        encode_stream(
            MFCC_IMAGES, [("c", Track(values, 3.0 + 0.01 * np.arange(210), valid))], ON_CPU[0]
        )
    )["c"]
    assert embedded.values.shape == (4, 512)
    assert np.isfinite(embedded.values).all(axis=1).tolist() == found.valid.tolist()


# Engines


@pytest.mark.usefixtures("networks_of_real_size")
@pytest.mark.parametrize("depth", [18, pytest.param(34, marks=pytest.mark.long), 50])
def test_both_engines_agree_and_untrained_weights_tell_pictures_apart(depth: int) -> None:
    encoder = ResNet(depth=depth, weights="random", seed=5, size=64)
    by_openvino, by_torch = (
        encoder.encode(pictures(6), runtime).astype(np.float64) for runtime in ON_CPU
    )
    assert by_torch.shape == (6, encoder.dim)
    assert np.linalg.norm(by_openvino - by_torch) < 1e-5 * np.linalg.norm(by_torch)
    assert np.abs(by_openvino - by_torch).max() < 1e-5 * np.abs(by_torch).max()
    assert 0.05 < by_torch.std() < 50
    across = by_torch.std(axis=0)
    assert (across > 1e-3 * by_torch.std()).mean() > 0.9


@pytest.mark.usefixtures("networks_of_real_size")
def test_the_network_computes_what_a_plain_torch_resnet_does() -> None:
    """Not folded, in float64, from the state alone: an oracle for both engines."""
    from extractors.network import build
    from extractors.weights import random_state

    state = random_state(18, 3)
    rng = np.random.default_rng(0)
    for name, array in state.items():
        if name.endswith(
            ("running_mean", "running_var", "bn1.weight", "bn2.weight", "bn1.bias", "bn2.bias")
        ):
            state[name] = (array + 0.2 * rng.random(array.shape)).astype(np.float32)
    network = build(18, state).double()
    images = torch.from_numpy(pictures(2))
    x = (images.double() / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor(
        [0.229, 0.224, 0.225]
    )
    expected = x.permute(0, 3, 1, 2)
    for layer in (network.conv1, network.bn1, torch.relu, torch.nn.MaxPool2d(3, 2, 1)):
        expected = layer(expected)
    for stage in range(1, 5):
        for block in network.get_submodule(f"layer{stage}").children():
            shortcut = expected if block.downsample is None else block.downsample(expected)
            inner = torch.relu(block.bn1(block.conv1(expected)))
            expected = torch.relu(block.bn2(block.conv2(inner)) + shortcut)
    expected = expected.mean(dim=(2, 3)).numpy()
    assert np.allclose(build(18, state)(images).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("networks_of_real_size")
@pytest.mark.parametrize("runtime", ON_CPU, ids=lambda runtime: runtime.engine)
def test_the_mean_of_a_map_is_the_embedding_and_a_place_shows_its_part(runtime: Runtime) -> None:
    kind = ResNetMap(depth=18, weights="random", seed=3, size=160)
    spec = kind.spec("conv5_3", {"input": CROPS})
    assert (spec.dims, spec.shape) == (("time", "row", "column", "channel"), (5, 5, 512))
    images = pictures(2, 160)
    images[1] = images[0]
    images[1, :32, 128:] = 255  # the upper right corner
    rows = dict(encode_stream(kind, [("c", track_of(images, [True, True]))], runtime))["c"].values
    pooled = ResNet(depth=18, weights="random", seed=3, size=160).encode(images, runtime)
    assert rows.shape == (2, 5, 5, 512)
    np.testing.assert_allclose(rows.mean(axis=(1, 2)), pooled, rtol=1e-4, atol=1e-5)
    moved = np.abs(rows[1] - rows[0]).mean(axis=2)
    assert np.unravel_index(moved.argmax(), moved.shape) == (0, 4)


@pytest.mark.usefixtures("networks_of_real_size")
@pytest.mark.parametrize("runtime", ON_CPU, ids=lambda runtime: runtime.engine)
def test_a_row_has_the_same_bits_in_any_batch_and_any_company(runtime: Runtime) -> None:
    images = pictures(11)
    expected = SMALL.encode(images, runtime)
    for batch in (1, 8):
        again = [SMALL.encode(images[i : i + batch], runtime) for i in range(0, len(images), batch)]
        assert np.array_equal(np.concatenate(again), expected), f"batch of {batch}"
    assert np.array_equal(SMALL.encode(images, replace(runtime, batch=1)), expected)
    order = np.random.default_rng(1).permutation(11)
    assert np.array_equal(SMALL.encode(images[order], runtime), expected[order])


@pytest.mark.usefixtures("networks_of_real_size")
def test_the_last_pass_of_openvino_computes_the_rows_that_are_left_and_no_padding() -> None:
    images = pictures(8)
    begin = engines._openvino_begin(SMALL._network(), 1, 8)
    whole, part = begin(images)(), begin(images[:3])()
    assert part.shape == (3, 512)
    assert np.array_equal(part, whole[:3])


@pytest.mark.usefixtures("networks_of_real_size")
def test_bfloat16_on_a_processor_is_near_float32_and_does_not_depend_on_company() -> None:
    try:  # here: to ask OpenVINO imports what closes the output of pytest when Prefect comes later
        engines.check_precision("bfloat16", Runtime("openvino"))
    except ValueError as error:
        pytest.skip(str(error))
    images, runtime = pictures(11), Runtime("openvino", threads=1)
    exact, encoder = SMALL.encode(images, runtime), replace(SMALL, precision="bfloat16")
    rounded = encoder.encode(images, runtime)
    assert 0 < np.linalg.norm(rounded - exact) < 0.02 * np.linalg.norm(exact)
    assert np.array_equal(encoder.encode(images[::-1], runtime), rounded[::-1])
    assert np.array_equal(encoder.encode(images[3:4], runtime), rounded[3:4])


@pytest.mark.usefixtures("networks_of_real_size")
def test_openvino_gives_the_same_bits_also_after_its_batch_was_halved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = pictures(9)
    expected = SMALL.encode(images, ON_CPU[0])
    for batch in (1, 16):
        monkeypatch.setattr(engines, "_CPU_BATCH", batch)
        assert np.array_equal(
            SMALL.encode(images, Runtime("openvino", threads=1, batch=100 + batch)), expected
        ), f"batch of {batch}"


@pytest.mark.usefixtures("networks_of_real_size")
def test_openvino_gives_the_same_bits_with_one_thread_and_two() -> None:
    images = pictures(9)
    one, two = (SMALL.encode(images, Runtime("openvino", threads=threads)) for threads in (1, 2))
    assert np.array_equal(one, two)


@pytest.mark.usefixtures("networks_of_real_size")
def test_the_network_is_loaded_once_a_process_and_torch_s_random_numbers_are_left_alone() -> None:
    before = torch.random.get_rng_state()
    runtime = Runtime("torch", batch=3)
    SMALL.encode(pictures(1), runtime)
    assert torch.equal(before, torch.random.get_rng_state())
    loaded = engines.load.cache_info().misses
    SMALL.encode(pictures(1), runtime)
    assert engines.load.cache_info().misses == loaded


@pytest.mark.usefixtures("networks_of_real_size")
def test_read_only_rows_are_encoded() -> None:
    images = pictures(8)
    images.flags.writeable = False
    for runtime in ON_CPU:
        assert np.isfinite(SMALL.encode(images, runtime)).all()


@pytest.mark.usefixtures("processes")
def test_openvino_looks_nothing_up() -> None:
    script = f"""
import socket, sys, time
asked = []
def refuse(*args, **_):
    asked.append(args)
    raise OSError("the network is cut")
socket.getaddrinfo = socket.socket.connect = socket.socket.sendto = refuse
import numpy as np
from extractors.base import Runtime
from extractors.resnet import ResNet
{SMALL!r}.encode(np.zeros((1, 64, 64, 3), np.uint8), Runtime("openvino", threads=1))
time.sleep(1.0)
print(asked, [name for name in sys.modules if name.startswith("openvino_telemetry.")])
print(sys.modules["openvino_telemetry"], "torch" in sys.modules)
"""
    assert run(script) == "[] []\nNone False"


# Memory


class Limited:
    """A network on a device that has memory for `room` rows at once."""

    def __init__(self, room: int, error: Callable[[], BaseException]) -> None:
        self.room, self.error, self.tried = room, error, list[int]()

    def compile_for(self, batch: int) -> Begin:
        def begin(images: np.ndarray) -> Callable[[], np.ndarray]:
            assert len(images) <= batch
            self.tried.append(batch)
            if batch > self.room:
                raise self.error()
            return lambda: images.reshape(len(images), -1)[:, :2].astype(np.float32)

        return begin


@pytest.mark.parametrize(
    "error",
    [
        MemoryError,
        lambda: torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        lambda: RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"
        ),
        lambda: RuntimeError("Exception from src/inference: std::bad_alloc"),
    ],
)
def test_the_batch_is_halved_where_memory_runs_out_and_stays_so(
    error: Callable[[], BaseException],
) -> None:
    device = Limited(room=3, error=error)
    engine = Engine(device.compile_for, 10, 2)
    images = pictures(11)
    found = engine(images)
    assert np.array_equal(found, images.reshape(11, -1)[:, :2])
    assert device.tried == [10, 5, 3, 3, 3, 3]
    engine(images[:1])
    assert device.tried[-1] == 3


def test_no_memory_for_one_row_is_one_sentence() -> None:
    with pytest.raises(
        MemoryError, match="no memory left to encode even one image at a time; use fewer workers"
    ):
        Engine(Limited(0, MemoryError).compile_for, 4, 2)(pictures(1))


def test_another_error_is_not_taken_for_a_lack_of_memory() -> None:
    device = Limited(0, lambda: RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        Engine(device.compile_for, 4, 2)(pictures(1))
    assert device.tried == [4]


@pytest.mark.usefixtures("processes")
@pytest.mark.skipif(sys.platform != "linux", reason="the limit on a process's memory is Linux's")
def test_a_process_that_really_runs_out_of_memory_goes_on_with_a_smaller_batch() -> None:
    script = f"""
import resource, numpy as np
from extractors import engines
from extractors.base import Runtime
from extractors.resnet import ResNet
engines._CPU_BATCH = 512
encoder = {replace(SMALL, size=128)!r}
images = np.random.default_rng(0).integers(0, 256, (512, 128, 128, 3), np.uint8)
few = encoder.encode(images[:4], Runtime("torch", batch=4))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (600 << 20), resource.RLIM_INFINITY))
runtime = Runtime("torch", batch=512)
found = encoder.encode(images[:16], runtime)
batch = engines.load(encoder._network(), runtime).batch
print(16 <= batch < 512, bool(np.array_equal(found[:4], few)))
"""
    assert run(script) == "True True"


# Across clips


def clips() -> list[tuple[str, Track]]:
    """Clips of many lengths: longer than a batch, empty, and without any valid row, at both ends
    and in between."""
    lengths = [0, 3, 1, 21, 2, 5, 0, 4]
    images = pictures(sum(lengths), seed=4)
    ends = np.cumsum(lengths)
    parts = np.split(images, ends[:-1])
    masks = [[(i + row) % 4 != 0 for row in range(len(part))] for i, part in enumerate(parts)]
    masks[2], masks[4] = [False], [False, False]
    return [
        (f"c/{i}", track_of(part, mask, start_s=i))
        for i, (part, mask) in enumerate(zip(parts, masks, strict=True))
    ]


@pytest.mark.usefixtures("networks_of_real_size")
@pytest.mark.parametrize("batch", [1, 8, None])
def test_every_clip_gets_its_own_rows_whatever_the_batch(batch: int | None) -> None:
    given = clips()
    runtime = Runtime("openvino", threads=1, batch=batch)
    found = list(encode_stream(SMALL, given, runtime))
    assert [clip_id for clip_id, _ in found] == [clip_id for clip_id, _ in given]
    for (_, track), (_, source) in zip(found, given, strict=True):
        assert track.values.dtype == np.float32
        assert np.array_equal(track.seconds, source.seconds)
        assert np.array_equal(track.valid, source.valid)
        assert np.isnan(track.values[~source.valid]).all()
        assert np.array_equal(
            track.values[source.valid], SMALL.encode(source.values[source.valid], ON_CPU[0])
        )


@pytest.mark.usefixtures("networks_of_real_size")
def test_results_do_not_depend_on_where_clips_end() -> None:
    images = pictures(20, seed=9)
    expected = dict(encode_stream(SMALL, [("expected", track_of(images))], ON_CPU[0]))[
        "expected"
    ].values
    for cuts in ([1], [7, 8], [3, 3, 11, 19]):
        parts = [(str(i), track_of(part)) for i, part in enumerate(np.split(images, cuts))]
        again = np.concatenate(
            [track.values for _, track in encode_stream(SMALL, parts, ON_CPU[0])]
        )
        assert np.array_equal(again, expected)


@pytest.mark.usefixtures("networks_of_real_size")
def test_a_clip_is_given_back_as_soon_as_its_last_row_is_encoded() -> None:
    taken = []

    def source() -> Iterator[tuple[str, Track]]:
        for i in range(6):
            taken.append(i)
            yield str(i), track_of(pictures(2, seed=i))

    stream = encode_stream(SMALL, source(), Runtime("openvino", threads=1, batch=4))
    assert next(stream)[0] == "0"
    assert taken == [0, 1]
    assert next(stream)[0] == "1"
    assert taken == [0, 1]
    assert next(stream)[0] == "2"
    assert taken == [0, 1, 2, 3]


@pytest.mark.usefixtures("networks_of_real_size")
def test_the_network_sees_full_batches() -> None:
    sizes = []

    class Watched(ResNet):
        def encode_batches(
            self, batches: Iterable[np.ndarray], runtime: Runtime
        ) -> Iterator[np.ndarray]:
            given = [*batches]
            sizes.extend(map(len, given))
            yield from super().encode_batches(given, runtime)

    encoder = Watched(depth=18, weights="random", seed=3, size=64)
    tracks = [(str(i), track_of(pictures(3))) for i in range(5)]
    assert len(list(encode_stream(encoder, tracks, Runtime("openvino", threads=1, batch=4)))) == 5
    assert sizes == [4, 4, 4, 3]


@pytest.mark.usefixtures("networks_of_real_size")
def test_threads_make_pictures_ahead_and_every_clip_keeps_its_rows() -> None:
    runtime = Runtime("openvino", threads=1, batch=8)
    expected = dict(encode_stream(SMALL, clips(), runtime))
    taken = []

    def source() -> Iterator[tuple[str, Track]]:
        for clip_id, track in 4 * clips():
            taken.append(clip_id)
            yield clip_id, track

    stream = encode_stream(SMALL, source(), replace(runtime, preparing=3))
    first = next(stream)
    assert len(clips()) <= len(taken) < 3 * len(clips()), "some ahead, and not all"
    for clip_id, track in [first, *stream]:
        assert np.array_equal(track.values, expected[clip_id].values, equal_nan=True)


@pytest.mark.usefixtures("networks_of_real_size")
def test_torch_asks_for_the_next_batch_while_it_has_one_and_fills_two_slots_in_turn() -> None:
    images, said = pictures(40), list[str]()

    def batches() -> Iterator[np.ndarray]:
        for number in range(5):
            said.append(f"taken {number}")
            yield images[8 * number : 8 * number + (3 if number == 4 else 8)]

    expected = SMALL.encode(images, ON_CPU[1])
    for number, found in enumerate(SMALL.encode_batches(batches(), ON_CPU[1])):
        said.append(f"given {number}")
        assert np.array_equal(found, expected[8 * number : 8 * number + len(found)])
    assert said == [
        *("taken 0", "taken 1", "given 0", "taken 2", "given 1"),
        *("taken 3", "given 2", "taken 4", "given 3", "given 4"),
    ]


@pytest.mark.usefixtures("networks_of_real_size")
def test_a_stream_that_is_given_up_leaves_nothing_to_the_next_one() -> None:
    images = pictures(24)
    stream = SMALL.encode_batches(iter([images[:8], images[8:16], images[16:]]), ON_CPU[1])
    next(stream)
    stream.close()
    assert np.array_equal(
        SMALL.encode(images[:11], ON_CPU[1]),
        np.concatenate([SMALL.encode(part, ON_CPU[1]) for part in (images[:5], images[5:11])]),
    )


# A GPU


@pytest.mark.usefixtures("networks_of_real_size")
@pytest.mark.gpu
@needs_gpu
def test_cuda_in_float32_agrees_with_openvino_and_does_not_depend_on_company() -> None:
    images = pictures(40)
    on_gpu, on_cpu = (
        SMALL.encode(images, Runtime("torch", batch=16)),
        SMALL.encode(images, ON_CPU[0]),
    )
    assert np.linalg.norm(on_gpu - on_cpu) < 1e-5 * np.linalg.norm(on_cpu)
    assert np.array_equal(SMALL.encode(images[::-1], Runtime("torch", batch=16)), on_gpu[::-1])
    assert np.array_equal(SMALL.encode(images[3:4], Runtime("torch", batch=16)), on_gpu[3:4])


@pytest.mark.usefixtures("networks_of_real_size")
@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.05), ("float16", 0.01)])
def test_half_precision_on_cuda_stays_near_float32(precision: str, tolerance: float) -> None:
    images = pictures(16)
    exact = SMALL.encode(images, Runtime("torch"))
    rounded = replace(SMALL, precision=precision).encode(images, Runtime("torch"))
    assert rounded.dtype == np.float32
    assert 0 < np.linalg.norm(rounded - exact) < tolerance * np.linalg.norm(exact)


@pytest.mark.usefixtures("networks_of_real_size")
@pytest.mark.gpu
@needs_gpu
def test_a_full_gpu_makes_the_batch_smaller() -> None:
    encoder = replace(SMALL, size=224)
    runtime = Runtime("torch", batch=512)
    torch.cuda.set_per_process_memory_fraction(
        (1 << 30) / torch.cuda.get_device_properties(0).total_memory
    )
    try:
        assert np.isfinite(encoder.encode(pictures(3, 224), runtime)).all()
        assert engines.load(encoder._network(), runtime).batch < 512
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def run(script: str, **environment: str) -> str:
    """What a script prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
