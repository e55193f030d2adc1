"""Errors of the flows, and any error as one sentence for the user."""

import errno
import os

_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
_OF_A_PATH = {
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENXIO,
    errno.EINVAL,
}
_ROOMS = {"manifests", "extractors", "stores", "flows"}


class BuildError(ValueError):
    """The build cannot start or must not publish; the message says why and what to do."""


def sentence(error: Exception) -> str | None:
    """Says in one sentence what a user can do about an error.

    Args:
        error: Anything that a command raised.

    Returns:
        The message of an error that affectstore defines, or what a full disk or a missing
        permission needs; None for an error of affectstore's own, which needs its traceback.
    """
    if type(error).__module__.partition(".")[0] in _ROOMS:
        return str(error.args[0] if isinstance(error, KeyError) else error)
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        where = f" while writing {error.filename}" if error.filename else ""
        return (
            f"{os.strerror(error.errno)}{where}; make room or change the permissions, "
            "then run the same command again: what was finished is kept"
        )
    if isinstance(error, OSError) and error.errno in _OF_A_PATH and error.filename:
        return f"{error.filename}: {error.strerror}; give another path"
    if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] not in _ROOMS:
        return (
            f"{error.name} is not installed, which this command needs; install the pipeline, in a "
            "clone of affectstore: pip install --constraint constraints.txt '.[build]'"
        )
    if isinstance(error, MemoryError):
        return "there is not enough memory; end other programs, or give smaller numbers"
    return None
