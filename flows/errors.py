"""An error as one sentence for the user: what affectstore refuses, and what a disk does."""

import errno
import os

from stores.mirror import shown

_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


def sentence(error: Exception) -> str | None:
    """What the user is told; None for an error that is nobody's fault but ours, which needs its
    traceback."""
    if _is_ours(error):
        return shown(error.args[0] if isinstance(error, KeyError) else error)
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        where = f" while writing {error.filename}" if error.filename else ""
        next_step = (
            "make room or change the permissions, then run the same command again: what "
            "was finished is kept"
        )
        return f"{os.strerror(error.errno)}{where}; {next_step}"
    return None


def _is_ours(error: Exception) -> bool:
    """Errors that affectstore defines are sentences for its user."""
    return type(error).__module__.partition(".")[0] in {
        "manifests",
        "extractors",
        "stores",
        "flows",
    }
