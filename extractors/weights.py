"""Where the weights of a ResNet come from: torchvision's official files, a local file, or a seed.

They are a dict from torchvision's parameter names to arrays, the same for every engine. No torch is
imported before a file is read.
"""

import functools
import hashlib
import http.client
import tempfile
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.architecture import Conv, blocks, convs, state_shapes
from extractors.downloads import download

Weights = dict[str, NDArray[Any]]
"""Parameter name -> float32 array (int64 for `num_batches_tracked`)."""

RANDOM = "random"
"""The choice of untrained weights."""

OFFICIAL: dict[tuple[int, str], str] = {
    (18, "IMAGENET1K_V1"): "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    (34, "IMAGENET1K_V1"): "https://download.pytorch.org/models/resnet34-b627a593.pth",
    (50, "IMAGENET1K_V1"): "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    (50, "IMAGENET1K_V2"): "https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
}
"""(depth, name) -> address. The eight hex digits in a file's name are the beginning of its sha256.
"""


class WeightsError(ValueError):
    """A file of weights is damaged, or is not the network's; one sentence."""


class WeightsMissing(FileNotFoundError, WeightsError):
    """A file of weights is neither here nor to be fetched; one sentence with where to put it."""

    # FileNotFoundError comes first: Dask unpickles an error by the first `__new__` that it finds,
    # and ValueError's cannot make an OSError.


def check_choice(depth: int, weights: str, seed: int | None) -> None:
    """Refuses depth, weights and seed that do not go together.

    Args:
        depth: Layers of the ResNet.
        weights: An official name, `random`, or the path of a .pth file.
        seed: Seed of random weights; None for others.

    Raises:
        ValueError: They do not go together.
    """
    names = [name for found, name in OFFICIAL if found == depth]
    if weights != RANDOM and weights not in names and not weights.endswith(".pth"):
        known = ", ".join(f'"{name}"' for name in [*names, RANDOM])
        raise ValueError(
            f'weights = "{weights}" is unknown for depth {depth}; expected {known} or the path of '
            "a .pth file"
        )
    if weights == RANDOM and (seed is None or seed < 0):
        raise ValueError(
            f'weights = "random" needs a seed of 0 or more, got {seed}; give one, so that the '
            "same weights can be made again"
        )
    if weights != RANDOM and seed is not None:
        raise ValueError(f'seed = {seed} has no meaning with weights = "{weights}"; leave it out')


def identity(depth: int, weights: str) -> str | None:
    """Identifies weights, on any machine.

    Args:
        depth: Layers of the ResNet.
        weights: An official name, `random`, or the path of a .pth file.

    Returns:
        An official file's name, a local file's sha256, or None for a seed. A local file that is an
        official one is known by the official name.

    Raises:
        WeightsMissing: A local file is not there.
    """
    if weights == RANDOM:
        return None
    name = weights if (depth, weights) in OFFICIAL else _official_name(depth, _file_sha256(weights))
    return _file_name(OFFICIAL[depth, name]) if name else _file_sha256(weights)


def public_name(depth: int, weights: str) -> str:
    """Names weights without a path.

    Args:
        depth: Layers of the ResNet.
        weights: An official name, `random`, or the path of a .pth file.

    Returns:
        The official name, `random`, or `file:<sha256>`.

    Raises:
        WeightsMissing: A local file is not there.
    """
    if weights == RANDOM or (depth, weights) in OFFICIAL:
        return weights
    digest = _file_sha256(weights)
    return _official_name(depth, digest) or f"file:{digest}"


def load_state(depth: int, weights: str, seed: int | None) -> Weights:
    """Loads weights and checks them; an official file's hash at every call, also when it was here.

    Args:
        depth: Layers of the ResNet.
        weights: An official name, `random`, or the path of a .pth file.
        seed: Seed of random weights; None for others.

    Returns:
        Parameter name -> array.

    Raises:
        WeightsError: They cannot be had, or are not those of this network.
    """
    if weights == RANDOM and seed is not None:
        return random_state(depth, seed)
    return _read_state(ensure(depth, weights), depth)


def ensure(depth: int, weights: str) -> Path:
    """Fetches an official file into torch's hub cache, if it must be.

    Args:
        depth: Layers of the ResNet.
        weights: An official name, or the path of a .pth file.

    Returns:
        The file of weights.

    Raises:
        WeightsError: There is none that can be trusted.
    """
    url = OFFICIAL.get((depth, weights))
    if url is None:
        _file_sha256(weights)
        return Path(weights)
    path = _cache_dir() / _file_name(url)
    if not path.exists():
        _fetch(url, path)
    found = _file_sha256(str(path))
    if not found.startswith(_hash_prefix(url)):
        raise WeightsError(
            f"{path} is damaged or is not the official file: its sha256 begins with {found[:8]}, "
            f"expected {_hash_prefix(url)}; "
            f"delete it, so that it is fetched again from {url}"
        )
    return path


def random_state(depth: int, seed: int) -> Weights:
    """Makes untrained weights, the same on every machine: PCG64's integers and exact operations.

    He, Zhang, Ren and Sun, "Delving deep into rectifiers" (2015): a uniform distribution of
    variance 2 / fan-in before a rectifier, and 1 / fan-in where none follows. Batch normalisation
    is the identity, so nothing else keeps the sum of a residual block from growing: the last
    convolution of a branch is made smaller by the square root of the number of blocks.

    Args:
        depth: Layers of the ResNet.
        seed: Seed of the numbers.

    Returns:
        Parameter name -> array.
    """
    gains = _random_gains(depth)
    state: Weights = {}
    for index, (name, shape) in enumerate(state_shapes(depth).items()):
        if len(shape) > 1:
            bound = np.sqrt(3.0 * gains.get(name, 1.0) / np.prod(shape[1:]))
            state[name] = _uniform(seed, index, shape, float(bound))
        elif not shape:
            state[name] = np.zeros((), np.int64)
        else:
            is_scale = name.endswith("running_var") or (
                name.endswith("weight") and name != "fc.weight"
            )
            state[name] = np.full(shape, 1.0 if is_scale else 0.0, np.float32)
    return state


def _random_gains(depth: int) -> dict[str, float]:
    """Parameter name -> variance of the weights times fan-in, for convolutions."""
    gains = {f"{conv.name}.weight": 2.0 for conv in convs(depth)}
    for block in blocks(depth):
        gains[f"{block.branch[-1].name}.weight"] = 2.0 / len(blocks(depth))
        if block.shortcut is not None:
            gains[f"{block.shortcut.name}.weight"] = 1.0
    return gains


def _uniform(seed: int, index: int, shape: tuple[int, ...], bound: float) -> NDArray[np.float32]:
    """Uniform in [-bound, bound): the upper 24 bits of each integer, exact in float32."""
    bits: NDArray[np.uint64] = np.random.PCG64(np.random.SeedSequence([seed, index])).random_raw(
        int(np.prod(shape))
    )
    unit = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1.0)
    return (unit * np.float32(bound)).reshape(shape)


def folded(
    state: Mapping[str, NDArray[Any]], conv: Conv, epsilon: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Takes a batch normalisation into the convolution before it; computed in float64.

    Args:
        state: The network's weights.
        conv: The convolution.
        epsilon: What is added to the variance.

    Returns:
        Weights and bias of one convolution that does the work of both.
    """
    weight, bias, mean, var = (
        state[f"{conv.norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = weight / np.sqrt(var + epsilon)
    kernel = state[f"{conv.name}.weight"] * scale[:, None, None, None]
    return kernel.astype(np.float32), (bias - mean * scale).astype(np.float32)


def _read_state(path: Path, depth: int) -> Weights:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # an unpickler that is fed other bytes may raise anything
        first = str(error).strip().partition("\n")[0]
        raise WeightsError(
            f"{path} is damaged or holds no PyTorch weights ({first}); get the file again"
        ) from error
    if not isinstance(found, dict) or not all(
        isinstance(value, torch.Tensor) for value in found.values()
    ):
        raise WeightsError(
            f"{path} holds no state dict; expected one, name -> tensor, as "
            "torch.save(network.state_dict(), ...) writes it"
        )
    arrays = {name: _as_array(tensor) for name, tensor in found.items()}
    return _checked(arrays, path, depth)


def _as_array(tensor: Any) -> NDArray[Any]:
    array: NDArray[Any] = (
        (tensor.float() if tensor.is_floating_point() else tensor).detach().numpy()
    )
    return array


def _checked(found: Weights, path: Path, depth: int) -> Weights:
    """The state in torchvision's order.

    Counters of batches may be absent, and the classifier may have any number of classes: neither
    enters an embedding.
    """
    expected = state_shapes(depth)
    counters = {name for name, shape in expected.items() if not shape}
    missing = [name for name in expected if name not in found and name not in counters]
    unexpected = [name for name in found if name not in expected]
    wrong = [
        f"{name} is {found[name].shape}, expected {shape}"
        for name, shape in expected.items()
        if name in found and name not in counters and not _fits(name, found[name].shape, shape)
    ]
    if missing or unexpected or wrong:
        parts = [
            _listed("lacks", missing),
            _listed("has unexpected", unexpected),
            _listed("has another shape:", wrong),
        ]
        raise WeightsError(
            f"{path} is not a ResNet-{depth}: it {'; it '.join(p for p in parts if p)}; give the "
            "depth it was trained with"
        )
    return {name: found.get(name, np.zeros((), np.int64)) for name in expected}


def _fits(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return (
        found[1:] == expected[1:] and len(found) == len(expected)
        if name.startswith("fc.")
        else found == expected
    )


def _listed(verb: str, names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{verb} {', '.join(names[:3])}{more}" if names else ""


def _fetch(url: str, path: Path) -> None:
    """Write beside, check, rename: the name appears with the right bytes or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{path.stem}-") as folder:
        part = Path(folder) / path.name
        try:
            digest = download(url, part)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it is the answer too, and holds the connection open
            raise WeightsMissing(
                f"{path.name} is not at {path} and could not be fetched from {url} ({error}); "
                "fetch it elsewhere and put it there, or build with --recipe demo, which needs no "
                "download"
            ) from error
        if not digest.startswith(_hash_prefix(url)):
            raise WeightsError(
                f"{url} gave other bytes than its name says: their sha256 begins with "
                f"{digest[:8]}, expected {_hash_prefix(url)}; "
                f"try again, or fetch the file elsewhere and put it at {path}"
            )
        part.replace(path)


def _cache_dir() -> Path:
    import torch.hub

    return Path(torch.hub.get_dir()) / "checkpoints"


def _file_name(url: str) -> str:
    return url.rpartition("/")[2]


def _hash_prefix(url: str) -> str:
    return _file_name(url).rpartition("-")[2].removesuffix(".pth")


def _official_name(depth: int, digest: str) -> str | None:
    return next(
        (
            name
            for (found, name), url in OFFICIAL.items()
            if found == depth and digest.startswith(_hash_prefix(url))
        ),
        None,
    )


def _file_sha256(path: str) -> str:
    try:
        facts = Path(path).stat()
    except FileNotFoundError as error:
        raise WeightsMissing(
            f"there is no file of weights at {path}; give the path of a .pth file, or an official "
            "name"
        ) from error
    return _sha256_of(path, facts.st_mtime_ns, facts.st_size)


@functools.cache
def _sha256_of(path: str, mtime_ns: int, size: int) -> str:
    """Cached by time and size, so that a file is read again when it has changed."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
