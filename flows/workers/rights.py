"""What a worker process gives up before it reads a file that may be hostile."""

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
"""Flags of unshare(2): CLONE_NEWUSER, CLONE_NEWNET."""


def give_up_network() -> bool:
    """Moves this process into a network of its own, which has no interface and leads nowhere.

    It takes the kernel a millisecond, and cannot be undone by the process. Files, pipes and local
    sockets with a path are reached as before. A user without rights moves into a user namespace
    too, in which the ids of user and group are the same; root does not, as it would lose the right
    to read what belongs to others. To be called before there is a second thread.

    Returns:
        Whether it was done: not on other systems than Linux, nor where the administrator or a
        container forbids it.
    """
    if sys.platform != "linux":
        return False
    user, group = os.geteuid(), os.getegid()
    flags = _NEW_NETWORK if user == 0 else _NEW_NETWORK | _NEW_USER
    if ctypes.CDLL(None).unshare(flags) != 0:
        return False
    if user != 0:
        for file, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with suppress(OSError):  # without, the ids merely look like those of nobody
                Path("/proc/self", file).write_text(text, encoding="ascii")
    return True
