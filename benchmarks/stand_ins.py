"""Empty names for what a machine has not got, so that what it can do without is imported all the
same: a machine that is rented with a GPU may have torch, NumPy, h5py and OpenCV alone."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Collection, Iterator
from types import ModuleType
from typing import Any

_OURS = ("extractors", "stores", "manifests", "flows")


def stand_in_for(*names: str) -> None:
    """From now on something stands in for these packages, where they are not installed."""
    missing = {name for name in names if importlib.util.find_spec(name) is None}
    if missing:
        sys.meta_path.append(_Finder(lambda name: name.partition(".")[0] in missing))


def stand_in_for_ours(needed: Collection[str]) -> None:
    """From now on examples can be imported where there are torch, NumPy and h5py alone.

    `needed`: modules of our other packages that are what they are.
    """
    real = {*needed, *(name.partition(".")[0] for name in needed)}
    sys.meta_path.insert(
        0, _Finder(lambda name: name.partition(".")[0] in _OURS and name not in real)
    )
    # Whatever no other finder has found.
    sys.meta_path.append(_Finder(lambda _: _is_for_examples(sys._getframe(2))))


def _is_for_examples(frame: Any) -> bool:
    """Whether it is our examples that import: torch itself tries for what it can do without."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if not name.startswith(("importlib", "_frozen_importlib", "benchmarks.")):
            return name.partition(".")[0] in {"examples", *_OURS}
        frame = frame.f_back
    return False


class _Name(type):
    """A class whose attributes are classes of the same kind."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(name, (_Nothing,), {})

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __getitem__(cls, _: Any) -> Any:
        return cls


class _Nothing(metaclass=_Name):
    """Takes whatever it is given, and is whatever is asked of it."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> Any:
        return _Nothing()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing()

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getitem__(self, _: Any) -> Any:
        return _Nothing()


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(name, (_Nothing,), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives stand-ins for the modules that `wanted` names."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self.wanted = wanted

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if not self.wanted(name):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None: ...
