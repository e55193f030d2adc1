"""What is asked of the files of a store after a kill or a power cut."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from stores.pointer import POINTER
from stores.reader import FeatureStore
from stores.verify import verify

Files = Mapping[str, bytes]
"""Path below the store -> bytes."""


def read_files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def content(files: Files) -> dict[str, bytes]:
    """The files that are part of a store; hidden ones are of this machine."""
    return {
        path: data
        for path, data in files.items()
        if not any(part.startswith(".") for part in path.split("/"))
    }


def difference(found: Files, expected: Files) -> list[str]:
    """Where two contents differ, in sentences."""
    return [
        *(f"{path} is missing" for path in sorted(expected.keys() - found.keys())),
        *(f"{path} is there" for path in sorted(found.keys() - expected.keys())),
        *(
            f"{path} has other bytes"
            for path in sorted(found.keys() & expected.keys())
            if found[path] != expected[path]
        ),
    ]


class Judge:
    """Says what is wrong with a store that a command was about to change.

    It must be the old store or the new one, whole, with files of the other beside it; nothing else
    has a name that a reader or the next command would trust. Once a command has said that it is
    done, no file is left that the new one has not.
    """

    def __init__(self, old: Files | None, new: Files, scratch: Path) -> None:
        self._old, self._new, self._scratch = old, new, scratch
        self._known: dict[str, list[str]] = {}

    def problems(self, files: Files, must_be_new: bool = False) -> list[str]:
        """Everything that is wrong.

        Args:
            files: All files that are there.
            must_be_new: A command has said that it is done.
        """
        digest = hashlib.sha256()
        for path in sorted(files):
            digest.update(f"{path}\0{len(files[path])}\0".encode() + files[path])
        key = f"{digest.hexdigest()} {must_be_new}"
        if key not in self._known:
            self._known[key] = list(self._look(files, must_be_new))
        return self._known[key]

    def _look(self, files: Files, must_be_new: bool) -> list[str]:
        found = content(files)
        known = [self._new] if must_be_new or self._old is None else [self._new, self._old]
        strange = [
            path
            for path, data in found.items()
            if path != POINTER and all(one.get(path) != data for one in known)
        ]
        problems = [f"{path} has bytes that no build has made" for path in sorted(strange)]
        allowed = [self._new] if must_be_new else [self._new, self._old]
        if POINTER not in found:
            lost = None not in allowed
            return [*problems, *(["there is no pointer any more"] if lost else [])]
        for one in allowed:
            if one is not None and one[POINTER] == found[POINTER]:
                missing = sorted(one.keys() - found.keys())
                problems += [f"{path} is lost" for path in missing]
                return problems or self._read(files)
        return [*problems, f"the pointer is {found[POINTER]!r}"]

    def _read(self, files: Files) -> list[str]:
        """What `verify` and a reader say."""
        store = self._scratch / "store"
        shutil.rmtree(store, ignore_errors=True)
        for path, data in files.items():
            (store / path).parent.mkdir(parents=True, exist_ok=True)
            (store / path).write_bytes(data)
        problems = list(verify(store).problems)
        reader = FeatureStore(store)
        for name in reader.snapshot.features:
            for clip_id in reader[name]:
                len(reader[name][clip_id].values)
        return problems


def wrong_copies(files: Files) -> list[str]:
    """Copies of a cache that are not what the note beside them says: they would be trusted."""
    wrong = []
    for path, note in files.items():
        folder, _, name = path.rpartition("/")
        if name.startswith(".") and name.endswith(".sha256"):
            copy = f"{folder}/{name[1:].removesuffix('.sha256')}"
            if copy in files and hashlib.sha256(files[copy]).hexdigest() != note.decode():
                wrong.append(f"{copy} is trusted and has other bytes")
    return wrong
