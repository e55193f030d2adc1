"""What `calls.c` shares with the processes that it is loaded into."""

import ctypes
import mmap
import os
import shutil
import subprocess
from enum import IntEnum
from pathlib import Path

CONTROL = "AFFECTSTORE_CALLS"
"""The variable that names the shared page."""

SOURCE = Path(__file__).with_name("calls.c")


class Kind(IntEnum):
    """System calls that are counted: those on the store, and on sockets of the network."""

    READ = 0
    OPEN = 1
    WRITE = 2
    FSYNC = 3
    RENAME = 4
    UNLINK = 5
    MKDIR = 6
    LOCK = 7
    SEND = 8
    RECEIVE = 9


class Role(IntEnum):
    """Who makes a call."""

    COMMAND = 0
    WORKER = 1


class Victim(IntEnum):
    """Who is killed at a call."""

    CALLER = 0
    COMMAND = 1
    ALL = 2


class Moment(IntEnum):
    """When, of a call."""

    BEFORE = 0
    HALFWAY = 1
    AFTER = 2


class _Page(ctypes.Structure):
    _fields_ = [
        ("session", ctypes.c_int32),
        ("role", ctypes.c_int32),
        ("kind", ctypes.c_int32),
        ("victim", ctypes.c_int32),
        ("moment", ctypes.c_int32),
        ("killed", ctypes.c_int32),
        ("when", ctypes.c_int64),
        ("seen", ctypes.c_int64 * len(Kind) * len(Role)),
        ("below", ctypes.c_char * 1024),
        ("also_read", ctypes.c_char * 1024),
        ("log", ctypes.c_char * 1024),
    ]


class Control:
    """The shared page, of this process and those that it starts."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(ctypes.sizeof(_Page)))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.page = _Page.from_buffer(self._map)
        os.environ[CONTROL] = str(path)
        ctypes.CDLL(None).use_calls(str(path).encode())

    def watch(self, below: Path, also_read: Path, log: Path | None) -> None:
        """Nobody is killed; calls are counted from zero, of a session that names itself."""
        ctypes.memset(ctypes.addressof(self.page), 0, ctypes.sizeof(_Page))
        self.page.below = f"{below}/".encode()
        self.page.also_read = f"{also_read}/".encode()
        self.page.log = str(log or "").encode()

    def kill_at(self, role: Role, kind: Kind, when: int, victim: Victim, moment: Moment) -> None:
        """Once, at the how-manieth call of a kind."""
        page = self.page
        page.role, page.kind, page.victim, page.moment, page.when = role, kind, victim, moment, when

    def counted(self) -> dict[tuple[Role, Kind], int]:
        """Calls so far."""
        return {
            (role, kind): count
            for role in Role
            for kind in Kind
            if (count := self.page.seen[role][kind])
        }


def compiled(folder: Path, source: Path = SOURCE) -> Path:
    """The library to load before all others."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("there is no C compiler, for what sees system calls; install gcc")
    library = folder / f"{source.stem}.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", library, source], check=True
    )
    return library
