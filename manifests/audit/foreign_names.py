"""Names of foreign tables, as corpora identify them: a clip's own, or of a part or a copy of it."""

import posixpath
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from manifests.corpora.base import Corpus, Identity

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_MEDIA = re.compile(
    r"\.(?:wav|flac|mp3|m4a|ogg|opus|sph|aac|aiff?|wma|mp4|avi|mov|mkv|flv|webm|mpe?g|wmv|m4v|3gp"
    r"|npy|npz|pt|pth|pkl|h5|csv|txt|png|jpe?g)",
    re.IGNORECASE,
)
"""Endings of files, that a clip's name has in one list and not in another."""
_WINDOW = re.compile(
    r"(?P<clip>.+?)[_\-#.@]+(?P<part>(?:frames?|fr|f|win(?:dow)?|w|seg(?:ment)?|s|chunk|c|part|p|t)"
    r"?[_\-]?[0-9]+)"
)
_COPY = re.compile(
    r"(?P<clip>.+?)[_\-#.@]+(?P<part>(?:aug(?:mented)?|noisy?|noise|pitch|stretch(?:ed)?"
    r"|shift(?:ed)?|speed|tempo|gain|reverb|flip(?:ped)?|rot(?:ated)?"
    r"|crop(?:ped)?|jitter|mirror(?:ed)?|copy|dup|specaug|smote|os)[_\-]?[0-9.]*)",
    re.IGNORECASE,
)
_ALIGNED = re.compile(r"(?P<clip>.+)_aligned")
"""What OpenFace adds to the name of a clip whose faces it has cut out."""


@dataclass(frozen=True)
class Derivation:
    """What a written name is beside the clip's own: at most one of the two is given."""

    window: str | None = None
    copy: str | None = None


def identify_name(corpus: Corpus, name: str) -> tuple[Identity, Derivation] | None:
    """What a corpus knows of a name, which may be a window's or a copy's.

    Args:
        corpus: The corpus.
        name: As it is written.

    Returns:
        The clip, and which part or copy of it; None for no name of the corpus.
    """
    for form, derivation in _readings(name):
        identity = corpus.identify(form)
        if identity is not None:
            return identity, derivation
    return None


class UnnamedClips:
    """Clips of which no rule knows the names: one clip for all spellings of one path.

    `./x.wav`, `x.wav`, `x.mp4` and `x` are one, as are Windows' slashes and others, and the Unicode
    forms of a letter.
    """

    def __init__(self) -> None:
        """Begins without a clip."""
        self._first: dict[str, str] = {}

    def of(self, corpus: Corpus, name: str) -> tuple[Identity, Derivation]:
        """The clip that a name stands for.

        Args:
            corpus: Whose it is.
            name: As it is written.

        Returns:
            A clip of which nothing but the name is known, by the spelling that came first.
        """
        written = f"{corpus.name}/{name.removeprefix(f'{corpus.name}/')}"
        clip_id = self._first.setdefault(_one_spelling(written), written)
        return Identity(clip_id, None, None, clip_id), Derivation()


def _one_spelling(path: str) -> str:
    path = posixpath.normpath(unicodedata.normalize("NFC", path).replace("\\", "/"))
    stem, dot, ending = path.rpartition(".")
    return stem if stem and _MEDIA.fullmatch(dot + ending) else path


def claims_name(corpus: Corpus, name: str, where: str) -> bool:
    """Says whether a name alone, which may be a window's or a copy's, is one of a corpus.

    Args:
        corpus: The corpus.
        name: As it is written.
        where: The path of its table.

    Returns:
        True where the name follows a naming rule that is the corpus's own.
    """
    return any(corpus.claims(form, where) for form, _ in _readings(name))


def _readings(name: str) -> Iterator[tuple[str, Derivation]]:
    """The name itself, then what it would be the name of a part or a copy of."""
    yield name, Derivation()
    stem = _SUFFIX.sub("", name)
    if found := _ALIGNED.fullmatch(stem):
        yield found["clip"], Derivation()
    for kind, pattern in (("copy", _COPY), ("window", _WINDOW)):
        if found := pattern.fullmatch(stem):
            yield found["clip"], Derivation(**{kind: found["part"]})
