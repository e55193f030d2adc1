"""What `moments.c` shares with the processes that it is loaded into."""

import ctypes
import mmap
import os
from pathlib import Path

MOMENTS = "AFFECTSTORE_MOMENTS"
"""The variable that names the shared page."""


class _Page(ctypes.Structure):
    _fields_ = [
        ("seen", ctypes.c_int64),
        ("stops", ctypes.c_int64 * 2),
        ("waiting", ctypes.c_int32),
        ("owner", ctypes.c_int32),
        ("below", ctypes.c_char * 1024),
        ("path", ctypes.c_char * 4096),
    ]


class Moments:
    """The shared page, of this process and those that it starts."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.page = _Page.from_buffer(self._map)

    @staticmethod
    def make(path: Path) -> None:
        """Makes the file of the page, before a process is started that shares it."""
        path.write_bytes(bytes(ctypes.sizeof(_Page)))

    def watch(self, below: Path, *stops: int) -> None:
        """Counts from zero the calls of other processes on the files of a folder; stops at some."""
        ctypes.memset(ctypes.addressof(self.page), 0, ctypes.sizeof(_Page))
        self.page.owner = os.getpid()
        self.page.below = f"{below}/".encode()
        for number, stop in enumerate(stops):
            self.page.stops[number] = stop

    def rest(self) -> None:
        """Counts nothing."""
        self.page.below = b""
