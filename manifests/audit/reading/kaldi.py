"""The lists of Kaldi that say who speaks: `utt2spk`, and `spk2utt` the other way round."""

from manifests.audit.errors import WrongForeignTable
from manifests.audit.reading.encodings import decode
from manifests.audit.reading.raw import RawTable, of_rows
from manifests.audit.reading.sources import SourceFile

KALDI = ("utt2spk", "spk2utt")
"""Names of the files; they have no suffix."""


def read_kaldi(source: SourceFile) -> list[RawTable]:
    """Reads one of the lists.

    Args:
        source: The file.

    Returns:
        One table of utterances and their speakers.

    Raises:
        WrongForeignTable: A line lacks one of the two.
    """
    text, notes = decode(source.path, source.read())
    rows: list[tuple[str, str]] = []
    lines: list[int] = []
    is_pair = source.path.name == KALDI[0]
    for number, line in enumerate(text.split("\n"), 1):
        first, *others = line.split() or [""]
        if not first:
            continue
        if not others or (is_pair and len(others) > 1):
            what = (
                "expected an utterance and its speaker"
                if is_pair
                else "expected a speaker and utterances"
            )
            raise WrongForeignTable.at(source.path, number, f"{what}, with blanks between them")
        rows += [(first, others[0])] if is_pair else [(one, first) for one in others]
        lines += [number] * (1 if is_pair else len(others))
    if not rows:
        raise WrongForeignTable.at(
            source.path, 1, "it is empty; expected an utterance on each line"
        )
    names = ("utt", "speaker")
    return [RawTable(source.path, source.places, names, of_rows(rows, 2), lines, notes=notes)]
