"""The pairs of clips that the findings of an audit are about."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

import pandas as pd

from flows.reporting.facts import ClipSight, LeakPair
from flows.reporting.measures import feature_of
from manifests.audit import RULES
from manifests.audits import ALL_FOLDS, Finding, Severity
from manifests.clips import Clip
from manifests.folds import Role
from stores import FeatureStore
from stores.near_duplicates import digests

_MOST_PAIRS = 24
_OF_A_FINDING = 2
_GRAVE = (Severity.ERROR, Severity.WARN)
_HASHED, _DIGITS = ("file", "sound", "picture"), 12
"""Units that have a hash for a name, and how many digits of it are shown."""
_JUDGED = (Role.TEST.value, Role.VALID.value)
"""The sides that a result is reported on, the usual one first."""

Units = Mapping[str, str | None]
"""Clip -> what the finding says two sides share."""


class LeakPairs:
    """Finds for a finding two clips on two sides that have in common what it says."""

    def __init__(
        self,
        store: FeatureStore,
        clips: Sequence[Clip],
        folds: pd.DataFrame,
        show: Callable[[str], ClipSight],
    ) -> None:
        """Reads nothing yet.

        Args:
            store: The store.
            clips: All of its clips.
            folds: Columns scheme, fold, clip_id and role of the table FOLDS.
            show: Makes of a clip what is shown of it.
        """
        self._store, self._clips, self._folds, self._show = store, clips, folds, show
        self._digests = cache(self._read_digests)

    def of(self, findings: Sequence[Finding]) -> tuple[LeakPair, ...]:
        """Shows the first pairs of each kind of finding.

        Args:
            findings: Of all schemes, the gravest first.

        Returns:
            The pairs; of each kind those of one fold.
        """
        kinds: dict[tuple[str, ...], Finding] = {}
        for one in findings:
            if one.severity in _GRAVE and one.count:
                kinds.setdefault((one.rule, one.scheme, one.what), one)
        pairs: dict[tuple[str, ...], LeakPair] = {}
        for pair in (pair for one in kinds.values() for pair in self._pairs(one)):
            clips = sorted(seen.clip_id for _, seen in pair.sides)
            # A copy of a file is one of its sound and of its pictures too: one pair says it.
            pairs.setdefault((pair.finding.rule, pair.finding.scheme, *clips), pair)
            if len(pairs) == _MOST_PAIRS:
                break
        return tuple(pairs.values())

    def _pairs(self, finding: Finding) -> Iterator[LeakPair]:
        roles = self._roles(finding)
        title = RULES[finding.rule].title if finding.rule in RULES else finding.what
        for example in finding.examples[:_OF_A_FINDING]:
            pair, why = self._pair(finding, example, roles)
            if pair is not None:
                first, second = ((roles[clip_id], self._show(clip_id)) for clip_id in pair)
                yield LeakPair(finding, title, why, (first, second))

    def _roles(self, finding: Finding) -> dict[str, str]:
        """Clip -> its side of the fold that is shown."""
        rows = self._folds[self._folds["scheme"] == finding.scheme]
        fold = rows["fold"].min() if finding.fold == ALL_FOLDS else finding.fold
        rows = rows[rows["fold"] == fold]
        return dict(zip(rows["clip_id"], map(str, rows["role"]), strict=True))

    def _pair(
        self, finding: Finding, example: str, roles: Mapping[str, str]
    ) -> tuple[tuple[str, str] | None, str]:
        named = example.split(" and ")
        if len(named) == 2 and all(one in roles for one in named):
            return (named[0], named[1]), finding.what
        unit, unit_of = self._unit(finding)
        shared = unit_of.get(example) or example
        sides: defaultdict[str, list[str]] = defaultdict(list)
        for clip_id, role in roles.items():
            if unit_of.get(clip_id) == shared:
                sides[role].append(clip_id)
        judged = next((sides[role] for role in _JUDGED if sides.get(role)), [])
        taught = sides.get(Role.TRAIN.value) or sides.get(Role.VALID.value) or []
        if not judged or not taught or judged is taught:
            return None, ""
        test = example if example in judged else judged[0]
        is_hash = unit.startswith(_HASHED)
        return (test, taught[0]), f"one {unit}: {shared[:_DIGITS] if is_hash else shared}"

    def _unit(self, finding: Finding) -> tuple[str, Units]:
        """What the finding says is shared, in a word, and what each clip has of it."""
        word = finding.what.partition(",")[0]
        if finding.rule == "L4" and word in ("sounds", "pictures"):
            extractor = "sound_digest" if word == "sounds" else "frames_digest"
            return word.removesuffix("s"), self._digests(extractor)
        unit, column = _COLUMNS.get((finding.rule, word)) or _COLUMNS.get(
            (finding.rule, ""), ("clip", "clip_id")
        )
        return unit, {clip.clip_id: getattr(clip, column) for clip in self._clips}

    def _read_digests(self, extractor: str) -> Units:
        spec = feature_of(self._store, extractor)
        return {} if spec is None else digests(self._store[spec.name])


_COLUMNS = {
    ("L1", "groups"): ("group", "group_id"),
    ("L1", ""): ("subject", "subject_id"),
    ("L2", "sessions"): ("session", "session_id"),
    ("L2", "dialogues"): ("dialogue", "dialogue_id"),
    ("L2", "episodes"): ("episode", "episode_id"),
    ("L3", ""): ("take", "take_id"),
    ("L4", ""): ("file, by sha256", "sha256"),
    ("L7", ""): ("text", "text_id"),
}
"""Rule and unit of a finding -> the unit in words and its column of CLIPS."""
