"""Stores that somebody has tampered with: every file, every kind of change, for every reader.

A reader or exporter of stores passes by one class in its own test file:

    class TestMine(TamperedStores):
        def read(self, root: Path) -> object:
            return everything_that_is_read(root)
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from manifests.labels import LABELS
from tests.support.fitted_made import fit, make
from tests.support.shared import made_once
from tests.support.store_files import linked
from tests.support.stores_made import commit, make_store, tables_in

READ_S = 20
"""For one reading, which takes a part of a second."""
Change = Callable[[Path, Path, Path], None]
"""(file, another file of its kind, a folder outside the store)"""


def _write(file: Path, data: bytes) -> None:
    file.unlink()  # a hard link to the file of another test's store
    file.write_bytes(data)


def damage(file: Path, at: int) -> None:
    """Inverts one byte, counted from the end where `at` is negative."""
    data = bytearray(file.read_bytes())
    data[at % len(data)] ^= 0xFF
    _write(file, bytes(data))


def damage_hdf5(file: Path) -> None:
    """Two bytes with which HDF5 never comes to an end, where it is asked for the attributes.

    The texts of attributes lie in a global heap, whose last object is what is free; HDF5 goes from
    object to object by their sizes, and stays at one of size zero.
    """
    data = bytearray(file.read_bytes())
    at = data.index(b"GCOL") + 16
    while number := int.from_bytes(data[at : at + 2], "little"):
        size = int.from_bytes(data[at + 8 : at + 16], "little")
        assert number < 100, "no free space in the heap"
        at += 16 + (size + 7) // 8 * 8
    assert sum(byte > 0 for byte in data[at + 8 : at + 16]) == 2
    data[at + 8 : at + 16] = bytes(8)
    _write(file, bytes(data))


def _exchange(file: Path, other: Path, outside: Path) -> None:
    file.rename(outside / "file")
    other.rename(file)
    (outside / "file").rename(other)


def _link(file: Path, other: Path, outside: Path) -> None:
    file.rename(outside / "file")
    file.symlink_to(outside / "file")


def _link_inside(file: Path, other: Path, outside: Path) -> None:
    file.unlink()
    file.symlink_to(os.path.relpath(other, file.parent))


def _dangling(file: Path, other: Path, outside: Path) -> None:
    file.unlink()
    file.symlink_to(outside / "nothing")


def _link_folder(file: Path, other: Path, outside: Path) -> None:
    file.parent.rename(outside / "folder")
    file.parent.symlink_to(outside / "folder")


def _pipe(file: Path, other: Path, outside: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _folder(file: Path, other: Path, outside: Path) -> None:
    file.unlink()
    file.mkdir()


def _huge(file: Path, other: Path, outside: Path) -> None:
    data = file.read_bytes()
    _write(file, data)
    os.truncate(file, 1 << 40)


CHANGES: dict[str, Change] = {
    "first byte": lambda file, other, outside: damage(file, 0),
    "a byte": lambda file, other, outside: damage(file, file.stat().st_size // 3),
    "last byte": lambda file, other, outside: damage(file, -1),
    "empty": lambda file, other, outside: _write(file, b""),
    "cut": lambda file, other, outside: _write(file, file.read_bytes()[:-1]),
    "longer": lambda file, other, outside: _write(file, file.read_bytes() + b"\0"),
    "removed": lambda file, other, outside: file.unlink(),
    "exchanged": _exchange,
    "link outside": _link,
    "link inside": _link_inside,
    "link to nothing": _dangling,
    "folder is a link": _link_folder,
    "pipe": _pipe,
    "folder": _folder,
    "huge": _huge,
}
"""`damage_hdf5` comes on top, for the files that HDF5 can open."""
CORE = ("a byte", "cut", "removed", "exchanged", "link outside", "folder is a link", "pipe", "huge")
"""The changes of the quick lane."""


def make_stores(folder: Path) -> None:
    """Two stores of two snapshots each: of raw rows and images, and with fitted states."""
    first = make_store(folder / "plain", 7, per_shard=3)
    tables = tables_in(folder / "plain", first)
    commit(folder / "plain", first.features, {**tables, "labels": LABELS.build([])}, recipe={})
    make(folder / "fitted")
    fit(folder / "fitted")


def files_in(root: Path) -> list[str]:
    """Every file of a store but for those of this machine alone."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return [path.relative_to(root).as_posix() for path in files if path.name[0] != "."]


def kinds_in(root: Path) -> list[str]:
    """One file of each kind, and the newest snapshot beside the oldest."""
    files = files_in(root)
    kinds = {(file.split("/")[0], Path(file).suffix): file for file in reversed(files)}
    newest = max(file for file in files if file.startswith("snapshots/"))
    return sorted({*kinds.values(), newest})


def another(root: Path, file: str) -> Path:
    """The nearest other file of the same kind, else the first snapshot."""
    alike = [one for one in files_in(root) if one.split("/")[:-1] == file.split("/")[:-1]]
    others = [one for one in alike if one != file and "/" in one]
    return root / (others[0] if others else "snapshots/000001.json")


class Late(Exception):
    """A reading has not ended in time."""


@contextmanager
def in_time(seconds: int) -> Iterator[None]:
    """Ends a block that takes too long, unless it is lost in a library."""

    def stop(*details: object) -> None:
        raise Late(f"not at an end after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class TamperedStores:
    """What holds for everything that reads a store; inherited, with `read`."""

    sees_every_byte: ClassVar[bool] = True
    """Whether a value that was changed in a shard is seen."""
    must_refuse: ClassVar[bool] = False
    """Whether every change is refused, also one of a file that the newest snapshot does not need.
    """

    def read(self, root: Path) -> object:
        """Reads what this reader reads; an error of ours where something is wrong with it.

        Returns something that is equal when the same was read.
        """
        raise NotImplementedError

    @pytest.fixture
    def sound(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The folder of two sound stores."""
        return made_once(tmp_path_factory, "tampered", make_stores)

    @pytest.mark.parametrize("store", ["plain", "fitted"])
    def test_a_sound_store_is_read(self, sound: Path, store: str) -> None:
        assert self.read(sound / store) == self._expected(sound / store)

    @pytest.mark.parametrize("change", CORE)
    @pytest.mark.parametrize("store", ["plain", "fitted"])
    def test_one_file_of_each_kind(
        self, sound: Path, tmp_path: Path, store: str, change: str
    ) -> None:
        for number, file in enumerate(kinds_in(sound / store)):
            self.check(sound / store, tmp_path / str(number), file, change)

    def test_a_file_with_which_hdf5_never_ends(self, sound: Path, tmp_path: Path) -> None:
        for number, file in enumerate([*kinds_in(sound / "plain"), *kinds_in(sound / "fitted")]):
            store = sound / ("plain" if (sound / "plain" / file).exists() else "fitted")
            if file.endswith(".h5"):
                root = self._copy(store, tmp_path / str(number))
                damage_hdf5(root / file)
                self._check_read(store, root, file, "never ends")

    @pytest.mark.long
    @pytest.mark.parametrize("change", [*CHANGES, "any byte"])
    @pytest.mark.parametrize("store", ["plain", "fitted"])
    def test_every_file(self, sound: Path, tmp_path: Path, store: str, change: str) -> None:
        for number, file in enumerate(files_in(sound / store)):
            self.check(sound / store, tmp_path / str(number), file, change)

    def check(self, sound: Path, folder: Path, file: str, change: str) -> None:
        """Changes one file of a copy; it is refused by name, or the same is read as before."""
        root, outside = self._copy(sound, folder), folder / "outside"
        if change == "any byte":
            size = (root / file).stat().st_size
            for at in np.random.default_rng(size).integers(0, size, 10).tolist():
                shutil.rmtree(root)
                damage(self._copy(sound, folder) / file, at)
                self._check_read(sound, root, file, f"byte {at}")
            return
        if change == "folder is a link" and "/" not in file:
            return
        CHANGES[change](root / file, another(root, file), outside)
        self._check_read(sound, root, file, change)

    def _copy(self, sound: Path, folder: Path) -> Path:
        (folder / "outside").mkdir(parents=True, exist_ok=True)
        return linked(sound, folder / "store")

    def _check_read(self, sound: Path, root: Path, file: str, change: str) -> None:
        what = f"{file}: {change}"
        try:
            with in_time(READ_S):
                found = self.read(root)
        except (OSError, ValueError, KeyError) as error:
            refusal: Exception | None = error
        else:
            refusal = None
        if refusal is None:
            assert not self.must_refuse, f"{what} is not seen"
            is_unseen = file.endswith(".h5") and not self.sees_every_byte and "byte" in change
            assert is_unseen or found == self._expected(sound), f"{what}: other content is read"
            return
        message = str(refusal.args[0] if isinstance(refusal, KeyError) else refusal)
        room = type(refusal).__module__.partition(".")[0]
        assert room in {"stores", "flows", "manifests", "tests"}, f"{what}: {refusal!r}"
        assert "\n" not in message, what
        other = another(sound, file).relative_to(sound).as_posix()
        assert any(name in message for name in (file, other, file.split("/")[0])), (what, message)

    def _expected(self, sound: Path) -> object:
        """What is read of a sound store, which is read once."""
        if (type(self), sound) not in _read:
            _read[type(self), sound] = self.read(sound)
        return _read[type(self), sound]


_read: dict[tuple[type, Path], object] = {}


class Refused(ValueError):
    """What a reader that raises nothing says of a store."""
