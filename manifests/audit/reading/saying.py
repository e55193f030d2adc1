"""What was understood of a published list, in one line for people."""

from collections.abc import Iterable, Mapping, Sequence

from manifests.visible import visible

_WORDS = {
    "name": "the clip",
    "role": "the side",
    "subject": "the speaker",
    "label": "the label",
    "fold": "the fold",
    "start_s": "the start",
    "end_s": "the end",
    "duration_s": "the duration",
    "channels": "the number of channels",
    "rate_hz": "the sampling rate",
    "episode": "the episode or series",
    "video": "the source video",
}
_MOST = 6
_LONGEST_NAME = 40


def meaning_in_words(meaning: str) -> str:
    """What a column is, in words.

    Args:
        meaning: A key of COLUMNS.

    Returns:
        Such as `the clip`.
    """
    return _WORDS.get(meaning, f"the {meaning.removesuffix('_px').replace('_', ' ')}")


def some(names: Sequence[str]) -> str:
    """A few of several names.

    Args:
        names: All of them.

    Returns:
        The first ones, and how many more there are.
    """
    shown = ", ".join(short(name) for name in names[:_MOST])
    return f"{shown} and {len(names) - _MOST} more" if len(names) > _MOST else shown


def short(name: str) -> str:
    """A name that is no longer than a line bears.

    Args:
        name: Any.

    Returns:
        The name, visible and cut.
    """
    text = visible(name)
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."


def in_words(said: Iterable[tuple[str, str]], notes: Mapping[str, Sequence[str]]) -> str:
    """The line.

    Args:
        said: Name of a table, and how its columns were understood.
        notes: What else is to be said of some tables -> their names.

    Returns:
        What is the same of all tables once; else with the names of the tables.
    """
    tables: dict[str, list[str]] = {}
    for table, words in said:
        tables.setdefault(words, []).append(table)
    count = sum(map(len, tables.values()))
    parts = [
        words if len(names) == count else f"{words} ({some([*dict.fromkeys(names)])})"
        for words, names in [*tables.items()][:_MOST]
    ]
    if len(tables) > _MOST:
        parts.append(f"and {len(tables) - _MOST} other forms of tables")
    parts += [
        note if len(names) in {0, count} else f"{note} ({some([*dict.fromkeys(names)])})"
        for note, names in notes.items()
    ]
    return "; ".join(parts)
