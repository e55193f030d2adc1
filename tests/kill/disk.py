"""A disk that forgets: from what processes did to a folder, what a power cut may leave of it.

What POSIX promises, and no more: the bytes of a file are safe once the file was forced to disk
(`fsync`), and a name is safe once its folder was. What was done since may have reached the disk, or
not, each by itself and in any order: a rename may be there before the bytes of the file are.
"""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = struct.Struct("<cQqIII")
Folder = dict[str, "Node"]


@dataclass(frozen=True)
class Call:
    """One call that changed the folder."""

    what: str
    inode: int
    offset: int
    path: str
    other: str
    data: bytes
    size: int
    """Of the log."""


def read_calls(log: Path, size: int | None = None) -> Iterator[Call]:
    """What was written down, in its order, in the first bytes of the log or in all of it."""
    text = log.read_bytes()[:size] if log.exists() else b""
    at = 0
    while at + _HEAD.size <= len(text):
        start = at
        what, inode, offset, *sizes = _HEAD.unpack_from(text, at)
        at += _HEAD.size
        parts = []
        for size in sizes:
            parts.append(text[at : at + size])
            at += size
        path, other = (name.decode() for name in parts[:2])
        yield Call(what.decode(), inode, offset, path, other, parts[2], at - start)


@dataclass(eq=False)
class File:
    """A file: its bytes, and those that are safe; None while it was never forced to disk."""

    data: bytearray = field(default_factory=bytearray)
    safe: bytes | None = None
    inode: int = 0

    def left(self, chance: random.Random | None) -> bytes:
        """What a cut leaves of the bytes; without chance, only what is safe."""
        safe = self.safe if self.safe is not None else b""
        if chance is None or bytes(self.data) == self.safe:
            return safe
        some = bytes(self.data[: chance.randrange(len(self.data) + 1)])
        return chance.choice([safe, bytes(self.data), some, bytes(len(self.data))])


@dataclass(eq=False)
class Directory:
    """A folder: its names, and those that are safe."""

    names: "dict[str, Node]" = field(default_factory=dict)
    safe: "dict[str, Node]" = field(default_factory=dict)
    since: "list[tuple[tuple[str, Node | None], ...]]" = field(default_factory=list)
    """Changes since it was forced to disk, each of them whole or not at all."""

    def change(self, *changes: "tuple[str, Node | None]") -> None:
        """Sets names; None removes one."""
        _apply(self.names, changes)
        self.since.append(changes)

    def left(self, chance: random.Random | None, everything: bool) -> "dict[str, Node]":
        """Which names a cut leaves."""
        names = dict(self.safe)
        for changes in self.since:
            if everything or (chance is not None and chance.random() < 0.5):
                _apply(names, changes)
        return names


Node = File | Directory


def _apply(names: "dict[str, Node]", changes: "tuple[tuple[str, Node | None], ...]") -> None:
    for name, node in changes:
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


class Disk:
    """A folder as it was, to which calls are done one by one."""

    def __init__(self, root: Path) -> None:
        """Reads what is there: all of it is safe."""
        self.root = root
        self.top = _read(root)

    def do(self, call: Call) -> None:
        """Does a call."""
        node = self._node(call.path)
        match call.what:
            case "c" if isinstance(node, File):  # two made it at once
                node.inode = call.inode
            case "c":
                folder, name = self._place(call.path)
                folder.change((name, File(inode=call.inode)))
            case "t" if isinstance(node, File):
                node.data.clear()
            case "s" if isinstance(node, File):
                node.data[:] = node.data[: call.offset].ljust(call.offset, b"\0")
            case "w" if isinstance(node, File):
                node.data[:] = node.data.ljust(call.offset, b"\0")
                node.data[call.offset : call.offset + len(call.data)] = call.data
            case "f" if isinstance(node, File):
                node.safe = bytes(node.data)
            case "F" if isinstance(node, Directory):
                node.safe, node.since = dict(node.names), []
            case "m":
                folder, name = self._place(call.path)
                folder.change((name, Directory()))
            case "u":
                folder, name = self._place(call.path)
                folder.change((name, None))
            case "r":
                self._rename(call, node)

    def _rename(self, call: Call, node: Node | None) -> None:
        (old, name), (new, new_name) = self._place(call.path), self._place(call.other)
        if node is None:
            raise LookupError(f"{call.path} is renamed, and was never made")
        if old is new:
            old.change((name, None), (new_name, node))
        else:
            old.change((name, None))
            new.change((new_name, node))

    def _parts(self, path: str) -> list[str]:
        return [part for part in path.removeprefix(str(self.root)).split("/") if part]

    def _node(self, path: str) -> Node | None:
        node: Node | None = self.top
        for part in self._parts(path):
            node = node.names.get(part) if isinstance(node, Directory) else None
        return node

    def _place(self, path: str) -> tuple[Directory, str]:
        *above, name = self._parts(path)
        folder = self._node("/".join(above))
        if not isinstance(folder, Directory):
            raise LookupError(f"the folder of {path} was never made")
        return folder, name

    def read(self, path: str) -> bytes:
        """A file as the processes see it."""
        node = self._node(path)
        return bytes(node.data) if isinstance(node, File) else b""

    def now(self) -> dict[str, bytes]:
        """Every file as the processes see it, by its path."""
        return {path: bytes(file.data) for path, file in _files(self.top, lambda one: one.names)}

    def after_a_cut(self, how: str, seed: int) -> dict[str, bytes]:
        """Every file that is there after a power cut.

        Args:
            how: `least`, what is safe alone; `names`, every name and of bytes what is safe, as
                where a file system writes names first; `bytes`, all bytes and the names that are
                safe; `some`, of what is not safe some.
            seed: Of what is left to chance.
        """
        chance = random.Random(seed) if how == "some" else None

        def names(folder: Directory) -> dict[str, Node]:
            return folder.left(chance, everything=how == "names")

        return {
            path: bytes(file.data) if how == "bytes" else file.left(chance)
            for path, file in _files(self.top, names)
        }


CUTS = ("least", "names", "bytes", "some")


def _files(top: Directory, names: "object") -> Iterator[tuple[str, File]]:
    for name, node in names(top).items():  # type: ignore[operator]
        if isinstance(node, File):
            yield name, node
        else:
            yield from ((f"{name}/{path}", file) for path, file in _files(node, names))


def _read(path: Path) -> Directory:
    names: dict[str, Node] = {}
    for one in path.iterdir():
        if one.is_dir():
            names[one.name] = _read(one)
        else:
            data = one.read_bytes()
            names[one.name] = File(bytearray(data), data, one.stat().st_ino)
    return Directory(names, dict(names))
