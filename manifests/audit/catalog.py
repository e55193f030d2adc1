"""All rules of the audit, by number. A rule is one function and one line here."""

from manifests.audit.contradictions import stated_subjects
from manifests.audit.fitting import fitted_state, selection
from manifests.audit.labelling import class_and_sex, impossible_counts, label_conflicts
from manifests.audit.nearness import near_duplicates
from manifests.audit.observations import Rule
from manifests.audit.proxies import identifier_proxies
from manifests.audit.sharing import (
    copies_across,
    episodes_and_sessions,
    exact_duplicates,
    same_text,
    shared_clips,
    shared_subjects,
    take_twins,
    windows_across,
)
from manifests.audit.spans import span_overlaps
from manifests.audits import Severity

ERROR, WARN = Severity.ERROR, Severity.WARN

RULES: dict[str, Rule] = {
    "L1": Rule("a subject on two sides", shared_subjects, ERROR),
    "L2": Rule("what was recorded together on two sides", episodes_and_sessions, ERROR),
    "L3": Rule("renderings of one take on two sides", take_twins, ERROR),
    "L4": Rule(
        "copies of a clip, by bytes, sound or pictures, on two sides", exact_duplicates, ERROR
    ),
    "L5": Rule("nearly the same sound or face on two sides", near_duplicates, ERROR),
    "L6": Rule("overlapping time spans on two sides", span_overlaps, ERROR),
    "L7": Rule("the same text on two sides", same_text, WARN),
    "L8": Rule("windows or frames of one clip on two sides", windows_across, ERROR),
    "L9": Rule("copies of one clip on two sides", copies_across, ERROR),
    "L10": Rule("fitted state that saw test clips", fitted_state, ERROR),
    "L11": Rule("the model chosen by test clips", selection, WARN),
    "L12": Rule("an evaluation set that holds training clips", shared_clips, ERROR),
    "L13": Rule("other labels for the same bytes", label_conflicts, WARN),
    "L14": Rule("an identifier that tells the label", identifier_proxies, WARN),
    "L15": Rule("counts that the corpus cannot supply", impossible_counts, ERROR),
    "L16": Rule("an empty class or a side of one sex", class_and_sex, WARN),
    "L17": Rule("a stated speaker who is not the one by the name", stated_subjects, WARN),
}
"""Rule -> what it is called, the function that judges one fold, and how grave a finding is;
of some corpora, as `Corpus.severities` says, it is more or less grave."""
