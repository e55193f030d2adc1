"""The media files below a folder, listed by their names, and those that must not be opened."""

import fnmatch
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from manifests.quarantine import Reason
from manifests.suffix_counts import count_text

_VIDEO = (
    "3g2 3gp asf avi divx f4v flv m2ts m4v mkv mov mp4 mpe mpeg mpg mts mxf ogv qt ts vob webm wmv"
)
_AUDIO = (
    "aac ac3 aif aifc aiff amr au bwf caf eac3 ec3 flac m4a m4b mka mp2 mp3 nist oga ogg opus rf64 "
    "snd sph spx w64 wav wave wma"
)
# These would make a decoder open other files or the network. They are listed all the same, so that
# probing refuses each by name.
_PLAYLISTS = "asx concat cue edl f4m ffcat ffconcat ism m3u m3u8 mpd pls ram sdp smil strm wpl xspf"
AUDIO_SUFFIXES = frozenset(f".{suffix}" for suffix in _AUDIO.split())
MEDIA_SUFFIXES = frozenset(f".{suffix}" for suffix in f"{_VIDEO} {_AUDIO} {_PLAYLISTS}".split())


class CorpusNotFound(FileNotFoundError):
    """There is no folder where the corpus should be."""


class EmptyCorpus(ValueError):
    """The folder holds no media file."""


class CorpusUnreadable(PermissionError):
    """A folder of the corpus cannot be listed, so that what is in it is unknown."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file with a media suffix, or a linked folder that is not entered."""

    path: str
    """Relative to the corpus root, with forward slashes; bytes that are no UTF-8 are shown as
    `\\xNN`."""
    fault: tuple[Reason, str] | None
    """Why it is not to be opened."""

    @property
    def name(self) -> str:
        """Without folders."""
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Without folders and suffix."""
        return self.name.rpartition(".")[0]

    @property
    def suffix(self) -> str:
        """In lower case, with its dot."""
        return "." + self.path.rpartition(".")[2].lower()

    @property
    def without_suffix(self) -> str:
        """With its folders."""
        return self.path.rpartition(".")[0]

    def rank(self, *published: str) -> tuple[bool, int, str]:
        """The place of a file among several that could be one clip, the best first.

        Args:
            *published: Suffixes that the corpus publishes.

        Returns:
            A key to sort by: a published suffix first, then the fewest folders, then the path.
        """
        return self.suffix not in published, self.path.count("/"), self.path


def list_media(root: Path, corpus: str) -> list[MediaFile]:
    """Lists every file with a media suffix (upper or lower case) below a folder.

    Left out: hidden files and folders, and the __MACOSX folders that archives of that system carry.
    A link that leads out of `root`, to nothing, or to something that is no file is listed with its
    fault. A linked folder inside `root` is not entered: its files are listed where they lie.

    Args:
        root: The folder.
        corpus: Name of the corpus, for messages.

    Returns:
        The files, sorted by path.

    Raises:
        CorpusNotFound: There is no such folder.
        EmptyCorpus: No media file is below it.
        CorpusUnreadable: A folder cannot be listed.
    """
    if not root.is_dir():
        what = "is a file" if root.is_file() else "does not exist"
        raise CorpusNotFound(
            f"{root} {what}; expected the folder that holds the clips of {corpus}, so check the "
            "path"
        )
    others: Counter[str] = Counter()
    media = sorted(_walk(root, others), key=lambda file: file.path)
    if not media:
        raise EmptyCorpus(
            f"{root} holds no media file{_what_else(others)}; expected the clips of {corpus}, "
            "such as .mp4 or .wav files"
        )
    return media


def left_out(root: Path, listed: Collection[str], own_files: Sequence[str]) -> Counter[str]:
    """Counts the files below a folder that a corpus neither lists nor reads.

    Hidden files and folders do not count, as in `list_media`.

    Args:
        root: The folder.
        listed: Paths of the files that are listed, as `MediaFile.path` shows them.
        own_files: What the corpus itself reads, as patterns of paths below the root; `*` stands for
            any characters, slashes too.

    Returns:
        Suffix in lower case with its dot, or "" -> files.
    """
    own = re.compile("|".join(map(fnmatch.translate, own_files)) or "(?!)")
    others: Counter[str] = Counter()
    for folder, folders, files in os.walk(root, onerror=_stop):
        folders[:] = [name for name in folders if not _ignored(name)]
        below = "" if Path(folder) == root else f"{Path(folder).relative_to(root).as_posix()}/"
        for name in files:
            path = _show(below + name)
            if not (_ignored(name) or path in listed or own.match(path)):
                others[_suffix(name)] += 1
    return others


def _what_else(others: Counter[str]) -> str:
    if not others:
        return " and no other"
    listed = count_text(others, 3)
    archives = (
        "; unpack the archives first"
        if {".zip", ".gz", ".tar", ".7z", ".rar"} & others.keys()
        else ""
    )
    return f" (other files: {listed}{archives})"


def _walk(root: Path, others: Counter[str]) -> Iterator[MediaFile]:
    real_root = os.path.realpath(root)
    for folder, folders, files in os.walk(root, onerror=_stop):
        folders[:] = [name for name in folders if not _ignored(name)]
        below = "" if Path(folder) == root else f"{Path(folder).relative_to(root).as_posix()}/"
        for name in folders:
            yield from _linked_folder(Path(folder, name), below + name, real_root)
        for name in files:
            if _ignored(name):
                continue
            suffix = _suffix(name)
            if suffix not in MEDIA_SUFFIXES:
                others[suffix] += 1
                continue
            yield _media_file(below + name, _file_fault(f"{folder}/{name}", real_root))


def _stop(error: OSError) -> None:
    raise CorpusUnreadable(
        f"the folder {error.filename} cannot be listed ({error.strerror}); give this user the "
        "right to read it"
    ) from error


def _suffix(name: str) -> str:
    # A Path for each of a million files takes longer than the listing.
    return os.path.splitext(name)[1].lower()  # noqa: PTH122


def _ignored(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _media_file(relative: str, fault: tuple[Reason, str] | None) -> MediaFile:
    shown = _show(relative)
    if shown != relative and fault is None:
        fault = (
            Reason.UNKNOWN_NAME,
            "the file's name is not UTF-8, so no table can hold it; rename the file",
        )
    return MediaFile(shown, fault)


def _linked_folder(path: Path, relative: str, real_root: str) -> Iterator[MediaFile]:
    if not path.is_symlink():
        return
    target = os.path.realpath(path)
    if not _inside(target, real_root):
        detail = (
            f"the folder is a link to {_show(target)}, outside the corpus; copy the folder "
            "into it or name that folder as the corpus"
        )
        yield _media_file(relative, (Reason.FORBIDDEN, detail))
    elif any(_ignored(part) for part in Path(target).relative_to(real_root).parts):
        detail = (
            f"the folder is a link to the hidden folder {_show(target)}; move its clips to a "
            "folder that is not hidden"
        )
        yield _media_file(relative, (Reason.FORBIDDEN, detail))


def _file_fault(path: str, real_root: str) -> tuple[Reason, str] | None:
    """Of a file in a folder that is inside the root and no link."""
    with suppress(OSError):  # it may be gone by now, which is said below
        if stat.S_ISREG(os.lstat(path).st_mode):
            return None
    target = os.path.realpath(path)
    if not _inside(target, real_root):
        return (
            Reason.FORBIDDEN,
            f"the file is a link to {_show(target)}, outside the corpus; copy the file into the "
            "corpus",
        )
    try:
        mode = Path(target).stat().st_mode
    except OSError as error:
        return (
            Reason.UNREADABLE,
            f"the file leads to {_show(target)}, which cannot be read ({error.strerror}); "
            "expected a media file",
        )
    if not stat.S_ISREG(mode):
        return (
            Reason.FORBIDDEN,
            "this is a pipe, a socket, a device or a linked folder with a media suffix; expected "
            "a regular file",
        )
    return None


def _inside(target: str, real_root: str) -> bool:
    return Path(target).is_relative_to(real_root)


def _show(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")
