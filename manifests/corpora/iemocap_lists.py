"""The lists of IEMOCAP's utterances that papers use, told from each other by what is in them.

    5,531   angry, happy with excited, neutral, sad, by the vote of the raters
    7,380   angry, excited, frustrated, happy, neutral, sad, by the same vote
    7,433   the 7,380 and 53 more, which are labelled happy in the lists that are passed on with
            features (MERTools, github.com/zeroQiaoba/MERTools; the 7,380 are those of
            github.com/wenliangdai/Multimodal-End2end-Sparse)

A list is known by the hash of its utterances; the 53 are named.
"""

import hashlib
from collections.abc import Collection

_LISTS = {
    "1e6f2774e81323e8": "the usual 5,531 utterances of four classes (ang, hap with exc, neu, sad)",
    "0ea643e742383e88": "the usual 7,380 utterances of six classes (ang, exc, fru, hap, neu, sad)",
    "19ebdbb2a190a7b4": "the 7,433 utterances of six classes: the usual 7,380 and 53 more",
}
"""Start of the hash of all names, sorted, one a line -> what the list is."""
_SIZES = {5531: "four", 7380: "six", 7433: "six"}
_MORE = """
Ses01F_impro03 F007 F011 F014 M012
Ses01F_impro06 M017
Ses01F_impro07 F007
Ses01M_impro03 F000
Ses01M_impro07 F002
Ses02F_impro03 F002 F005 F006 F007 F020
Ses02M_impro03 F010 F026 F027
Ses03F_impro02 M003
Ses03F_impro03 F000 F003 F010 M003 M008 M013 M016 M019
Ses03F_impro04 M020
Ses03F_impro07 F000 F002 F006 M016 M020 M031
Ses03M_impro02 F001
Ses03M_impro03 F000 F019 M005 M006 M008 M009 M010 M024 M025 M026 M027 M034 M036 M037
Ses03M_impro05a F017
Ses03M_impro07 F020 M001 M012 M021
Ses05F_impro07 M010
"""
"""Dialogue, and its turns that the 7,433 have and the 7,380 have not."""


def more_than_the_vote() -> frozenset[str]:
    """The utterances that the list of 7,433 has and that of 7,380 has not.

    Returns:
        Their names.
    """
    lines = (line.split() for line in _MORE.strip().splitlines())
    return frozenset(f"{dialogue}_{turn}" for dialogue, *turns in lines for turn in turns)


def which_list(names: Collection[str]) -> str | None:
    """Says which of the usual lists some utterances are.

    Args:
        names: Names of the utterances, each once.

    Returns:
        A sentence; None where there is nothing to say.
    """
    digest = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:16]
    if digest in _LISTS:
        return f"the list has {_LISTS[digest]}"
    more = sorted(more_than_the_vote() & set(names))
    if more:
        return (
            f"the list has {len(names):,} utterances, {len(more)} of the 53 among them that the "
            f"lists of 7,433 have and those of 7,380 have not, such as {more[0]}"
        )
    if len(names) in _SIZES:
        return (
            f"the list has {len(names):,} utterances, as many as the usual list of "
            f"{_SIZES[len(names)]} classes, and not the same ones"
        )
    return None
