"""Speakers that a user's regular expression finds in the names of clips."""

import re

import pyarrow as pa
import pyarrow.compute as pc

from manifests.audit.errors import WrongForeignTable


def subjects(names: pa.DictionaryArray, pattern: re.Pattern[str]) -> pa.DictionaryArray:
    """Finds the speaker in the name of each clip.

    Args:
        names: Names or paths.
        pattern: A group of it, or all of it, is the speaker.

    Returns:
        The speakers; null where the pattern is not in the name, or its group is empty.

    Raises:
        WrongForeignTable: The pattern asks for letters, and some are not of the English alphabet.
    """
    # By RE2, whose time is linear in the name whatever the pattern is, and whose \w is ASCII.
    whole = f"(?:{pattern.pattern})" if pattern.groups else f"({pattern.pattern})"
    texts = names.dictionary.cast(pa.string())
    if re.search(r"\\[wWbB]", pattern.pattern) and not pc.all(pc.string_is_ascii(texts)).as_py():
        raise WrongForeignTable(
            rf"--subject {pattern.pattern}: \w, \W and \b know English letters alone, and "
            "the names have others; expected a set of characters instead, such as [^_]+"
        )
    found = pc.replace_substring_regex(
        texts, f"(?s:^.*?){whole}(?s:.*$)", r"\1", max_replacements=1
    )
    is_there = pc.and_(pc.match_substring_regex(texts, whole), pc.not_equal(found, ""))
    coded = pc.if_else(is_there, found, None).dictionary_encode()
    indices = pc.take(coded.indices, names.indices)
    return pa.DictionaryArray.from_arrays(indices.cast(pa.int32()), coded.dictionary)
