"""The split schemes that a paper's models are trained under, and whether they leak."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from examples.not_ready import NotReady
from examples.plan import Paper
from manifests.clips import CLIPS
from manifests.folds import FOLDS
from manifests.schemes.catalog import SCHEMES
from stores import FeatureStore

DISJOINT = "subject_kfold"


@dataclass(frozen=True)
class Protocol:
    """A split scheme of the store, and what it is here."""

    scheme: str
    own: bool
    """It is the paper's, as described: nothing is chosen on validation clips where the scheme deals
    none."""
    folds: tuple[int, ...]
    shared: int
    """Tested clips whose subject is trained on too, over all folds."""
    tested: int

    @property
    def title(self) -> str:
        whose = "the paper's own protocol" if self.own else "subject-disjoint protocol"
        leak = (
            f"LEAKS: {self.shared} of {self.tested} tested clips are of subjects that are trained "
            "on"
            if self.shared
            else "no subject on two sides"
        )
        about = SCHEMES[self.scheme].about if self.scheme in SCHEMES else ""
        return f"{self.scheme} ({whose}; {leak})\n{about}".rstrip()


def protocols(paper: Paper[Any], store: FeatureStore, schemes: Sequence[str]) -> list[Protocol]:
    """The named schemes; else the first of the paper's own that the store has, and the
    subject-disjoint one."""
    there = {row.scheme for row in store.rows(FOLDS)}
    own = next((scheme for scheme in paper.own if scheme in there), None)
    wanted = tuple(schemes) or tuple(
        dict.fromkeys(
            scheme for scheme in (own, DISJOINT) if scheme in there and scheme is not None
        )
    )
    missing = [scheme for scheme in wanted if scheme not in there]
    if missing or not wanted:
        ways = " or ".join(missing or (*paper.own, DISJOINT))
        raise NotReady(
            f"{store.location} has no folds of {ways}; make them: "
            f"affectstore split {store.location} {(missing or paper.own)[0]}"
        )
    return [_protocol(scheme, scheme in paper.own, store) for scheme in wanted]


def _protocol(scheme: str, own: bool, store: FeatureStore) -> Protocol:
    subject = {clip.clip_id: clip.subject_id for clip in store.rows(CLIPS)}
    rows = [row for row in store.rows(FOLDS) if row.scheme == scheme]
    trained = {(row.fold, subject[row.clip_id]) for row in rows if row.role == "train"}
    tested = [(row.fold, subject[row.clip_id]) for row in rows if row.role == "test"]
    return Protocol(
        scheme,
        own,
        tuple(sorted({row.fold for row in rows})),
        sum(one in trained for one in tested),
        len(tested),
    )
