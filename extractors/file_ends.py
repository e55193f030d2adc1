"""What is to be known of the end of a file, and that it is missing."""

from typing import NamedTuple

MAY_BE_CUT = "may_be_cut"
"""Note: nothing in the file says where it ends, so that a cut one cannot be told from a whole one.
"""
HEAD_LEFT_OUT = "head_left_out"
"""Note: the recording begins inside a frame of sound; what is before the first whole one is not
used."""
TAIL_LEFT_OUT = "tail_left_out"
"""Note: bytes after the last whole frame, or after all that the container declares, are not used:
padding, a tag, or a frame that the recording ended in."""
WRONG_SIZE = "wrong_size"
"""Note: the header declares more than there is by a known mistake of its writer, and all is there.
"""


CHECKSUM_DIFFERS = "checksum_differs"
"""Note: a part of the recording is not what was written, by its checksum. Where the decoder has
found nothing wrong with a stream, its samples or pixels may still be others."""


class Shortfall(Exception):
    """The file holds less than it declares; the text is a sentence without its end."""


class Contradiction(Exception):
    """What a file declares cannot be so; the text is a sentence without its end."""


class StreamFault(NamedTuple):
    """What one stream lacks, which says nothing of the others."""

    stream: int
    """Its number in the file, as libavformat has it for such files (`Stream.id`)."""
    fault: str
    """A sentence without its end."""


class StreamCount(NamedTuple):
    """How many streams of sound and pictures a file describes, and has packets of."""

    streams: int


Notes = tuple[str | StreamFault | StreamCount, ...]
"""What is to be known of a file's end: names of the notes above; and of its streams."""
TOLD: Notes = ()
"""The file says where it ends, and ends there."""
NOT_TOLD: Notes = (MAY_BE_CUT,)
"""The file does not say where it ends."""


def lacks(what: str, declared: int, size: int) -> Shortfall:
    """What is wrong with a file that is shorter than it declares.

    Args:
        what: The part that is not all there.
        declared: Where it ends by its header, in bytes.
        size: Bytes of the file.

    Returns:
        The error, to be raised.
    """
    return Shortfall(
        f"{what} ends at byte {declared:,} by its header, but the file holds {size:,} bytes"
    )
