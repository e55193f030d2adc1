"""Where the weights come from, and what is refused."""

import hashlib
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from extractors import weights
from extractors.architecture import DEPTHS, convs, state_shapes
from extractors.network import build
from extractors.resnet import ResNet
from extractors.weights import (
    OFFICIAL,
    WeightsError,
    WeightsMissing,
    ensure,
    load_state,
    random_state,
)
from flows.downloads import shown_downloads

V1 = "IMAGENET1K_V1"


def save(state: dict[str, np.ndarray], folder: Path) -> Path:
    """A file that PyTorch wrote, under a name that holds the beginning of its hash."""
    draft = folder / "draft.pth"
    torch.save({name: torch.from_numpy(array) for name, array in state.items()}, draft)
    digest = hashlib.sha256(draft.read_bytes()).hexdigest()
    return draft.rename(folder / f"resnet18-{digest[:8]}.pth")


class Quiet(SimpleHTTPRequestHandler):
    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address and folder of a server on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()
    Quiet.requests = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", folder
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def official(server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands in for the official weights of depth 18, and is served."""
    address, folder = server
    path = save(random_state(18, seed=7), folder)
    monkeypatch.setitem(OFFICIAL, (18, V1), f"{address}/{path.name}")
    return path


@pytest.mark.parametrize(("depth", "entries"), [(18, 122), (34, 218), (50, 320)])
def test_names_and_shapes_are_those_of_the_torch_module_in_order(depth: int, entries: int) -> None:
    found = {
        name: tuple(value.shape)
        for name, value in build(depth, random_state(depth, 0)).state_dict().items()
    }
    assert list(found.items()) == list(state_shapes(depth).items())
    assert len(found) == entries


def test_shapes_agree_with_the_published_parameter_counts() -> None:
    counts = {
        depth: sum(
            int(np.prod(s))
            for n, s in state_shapes(depth).items()
            if not n.endswith(("running_mean", "running_var", "tracked"))
        )
        for depth in DEPTHS
    }
    assert counts == {18: 11_689_512, 34: 21_797_672, 50: 25_557_032}


def test_the_stride_of_a_bottleneck_lies_on_its_3x3_convolution() -> None:
    strided = {conv.name: conv.kernel for conv in convs(50) if conv.stride == 2}
    assert strided["layer2.0.conv2"] == 3
    assert "layer2.0.conv1" not in strided


def test_official_weights_are_fetched_once_and_kept(official: Path, cache: Path) -> None:
    first = load_state(18, V1, None)
    second = load_state(18, V1, None)
    assert Quiet.requests == 1
    assert [path.name for path in cache.iterdir()] == [official.name]
    expected = random_state(18, seed=7)
    assert list(first) == list(expected)
    assert all(
        np.array_equal(first[name], expected[name]) and np.array_equal(second[name], expected[name])
        for name in expected
    )


def test_the_hash_is_checked_also_when_the_file_was_cached(official: Path, cache: Path) -> None:
    path = ensure(18, V1)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        WeightsError,
        match=r"is damaged or is not the official file: its sha256 begins with \w{8}, "
        r"expected .*delete it",
    ):
        load_state(18, V1, None)


def test_a_truncated_cached_file_is_refused(official: Path, cache: Path) -> None:
    path = ensure(18, V1)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match="is damaged"):
        load_state(18, V1, None)


def test_a_download_of_other_bytes_leaves_nothing_behind(official: Path, cache: Path) -> None:
    official.write_bytes(b"a page that says: please log in")
    with pytest.raises(WeightsError, match="gave other bytes than its name says"):
        load_state(18, V1, None)
    assert list(cache.iterdir()) == []


def test_a_missing_page_is_one_sentence(
    server: tuple[str, Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{server[0]}/resnet18-00000000.pth"
    monkeypatch.setitem(OFFICIAL, (18, V1), url)
    with pytest.raises(WeightsMissing) as caught:
        ensure(18, V1)
    said = str(caught.value)
    assert said.startswith("resnet18-00000000.pth is not at ")
    assert str(cache) in said
    assert url in said
    assert "404" in said
    assert isinstance(caught.value, FileNotFoundError)


def test_a_download_shows_how_far_it_is(
    official: Path, cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.workers.progress._SECONDS_BETWEEN_LINES", 0.0)
    with shown_downloads():
        path = ensure(18, V1)
    lines = capsys.readouterr().err.splitlines()
    size = path.stat().st_size / 1e6
    assert lines[0] == f"fetching {path.name} ({size:.0f} MB)"
    assert lines[-1].startswith(f"{path.name}: {size:.0f}/{size:.0f} MB, ")
    with shown_downloads():
        ensure(18, V1)
    assert capsys.readouterr().err == ""  # it is there


@pytest.mark.usefixtures("processes")
def test_offline_and_not_cached_is_one_sentence_at_once(tmp_path: Path) -> None:
    script = """
import socket
def refuse(*_, **__): raise OSError("the network is cut")
socket.getaddrinfo = socket.socket.connect = refuse
from extractors.resnet import ResNet
try:
    ResNet(depth=50).ensure_weights()
except FileNotFoundError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    said = done.stdout.strip()
    assert "\n" not in said
    assert "resnet50-0676ba61.pth is not at " in said
    assert (
        "could not be fetched from https://download.pytorch.org/models/resnet50-0676ba61.pth"
        in said
    )
    assert str(Path("torch", "hub", "checkpoints", "resnet50-0676ba61.pth")) in said


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not weights",
        b"PK\x03\x04 cut",
        pickle.dumps({"conv1.weight": 1}),
        pickle.dumps(Path("x")),
    ],
)
def test_a_file_of_another_kind_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(content)
    with pytest.raises(
        WeightsError,
        match=r"mine\.pth (is damaged or holds no PyTorch weights|holds no state dict)",
    ) as caught:
        load_state(18, str(path), None)
    assert "\n" not in str(caught.value)


def test_a_pickle_that_would_run_code_is_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (Path(tmp_path / "ran"),)  # type: ignore[return-value]

    torch.save({"conv1.weight": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(WeightsError):
        load_state(18, str(tmp_path / "bomb.pth"), None)
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    path = save(random_state(18, 0), tmp_path)
    with pytest.raises(
        WeightsError,
        match=r"is not a ResNet-34: it lacks layer1\.2\.conv1\.weight, .* and \d+ more; "
        r"give the depth",
    ):
        load_state(34, str(path), None)


def test_missing_unexpected_and_misshapen_entries_are_named(tmp_path: Path) -> None:
    state = random_state(18, 0)
    del state["bn1.bias"]
    state["extra.weight"] = np.zeros(3, np.float32)
    state["conv1.weight"] = np.zeros((64, 1, 7, 7), np.float32)
    with pytest.raises(WeightsError) as caught:
        load_state(18, str(save(state, tmp_path)), None)
    said = str(caught.value)
    assert (
        "it lacks bn1.bias; it has unexpected extra.weight; it has another shape: conv1.weight is "
        "(64, 1, 7, 7), expected (64, 3, 7, 7)" in said
    )


def test_other_classes_missing_counters_and_half_precision_are_accepted(tmp_path: Path) -> None:
    state = {
        name: array
        for name, array in random_state(18, 0).items()
        if not name.endswith("num_batches_tracked")
    }
    state["fc.weight"], state["fc.bias"] = np.zeros((7, 512), np.float32), np.zeros(7, np.float32)
    state["conv1.weight"] = state["conv1.weight"].astype(np.float16)
    found = load_state(18, str(save(state, tmp_path)), None)
    assert list(found) == list(state_shapes(18))
    assert found["conv1.weight"].dtype == np.float32
    assert np.array_equal(found["conv1.weight"], state["conv1.weight"].astype(np.float32))
    assert build(18, found).fc.out_features == 7


def test_a_local_file_is_known_by_its_bytes_and_not_by_its_path(tmp_path: Path) -> None:
    path = save(random_state(18, 0), tmp_path)
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "copy.pth"
    copy.write_bytes(path.read_bytes())
    here, there = ResNet(depth=18, weights=str(path)), ResNet(depth=18, weights=str(copy))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert here.params() == there.params()
    assert here.params()["weights"] == f"file:{digest}"
    assert here.weights_sha256 == there.weights_sha256 == digest


def test_a_changed_local_file_has_another_identity(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"one")
    before = ResNet(depth=18, weights=str(path)).weights_sha256
    path.write_bytes(b"three")
    assert ResNet(depth=18, weights=str(path)).weights_sha256 != before


def test_a_local_copy_of_the_official_file_is_the_official_one(official: Path) -> None:
    local, named = ResNet(depth=18, weights=str(official)), ResNet(depth=18)
    assert local.params() == named.params()
    assert local.weights_sha256 == named.weights_sha256 == official.name


def test_a_local_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        WeightsMissing, match=r"there is no file of weights at .*gone\.pth; give the path"
    ):
        ResNet(depth=18, weights=str(tmp_path / "gone.pth")).ensure_weights()


@pytest.mark.parametrize("kind", [WeightsError, WeightsMissing])
def test_errors_cross_a_process(kind: type[WeightsError]) -> None:
    back = pickle.loads(pickle.dumps(kind("one sentence")))
    assert (type(back), str(back)) == (kind, "one sentence")


def test_random_weights_depend_on_the_seed_alone() -> None:
    first, again, other = random_state(18, 1), random_state(18, 1), random_state(18, 2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["conv1.weight"], other["conv1.weight"])


def test_random_weights_are_the_same_on_every_machine() -> None:
    digest = hashlib.sha256(
        b"".join(array.tobytes() for array in random_state(18, 1).values())
    ).hexdigest()
    assert digest[:16] == "7531d8669d977fe7"


def test_folding_keeps_the_function_when_the_normalisation_is_not_the_identity() -> None:
    rng = np.random.default_rng(0)
    state = random_state(18, 0)
    for part, low in (
        ("weight", 0.5),
        ("bias", -0.2),
        ("running_mean", -0.3),
        ("running_var", 0.1),
    ):
        state[f"bn1.{part}"] = (low + rng.random(64)).astype(np.float32)
    kernel, bias = weights.folded(state, next(convs(18)), 1e-5)
    x = torch.from_numpy(rng.random((1, 3, 16, 16), np.float32))
    convolved = torch.conv2d(x, torch.from_numpy(state["conv1.weight"]))
    mean, var, scale, shift = (
        torch.from_numpy(state[f"bn1.{p}"])
        for p in ("running_mean", "running_var", "weight", "bias")
    )
    expected = torch.batch_norm(convolved, scale, shift, mean, var, False, 0.0, 1e-5, False)
    found = torch.conv2d(x, torch.from_numpy(kernel), torch.from_numpy(bias))
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)
