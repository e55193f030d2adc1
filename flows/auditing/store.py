"""The audit of a store: its tables and measured copies as an audit reads them, and its findings."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from flows.auditing.copies import measured
from flows.auditing.fitted_states import fits
from manifests.audit import Listing, NothingToAudit, audit, list_store
from manifests.audits import AUDITS, Finding
from manifests.choice import EVERY_CLIP, Choice
from manifests.corpora.catalog import CORPORA
from manifests.features import Json
from stores.choosing import chosen_folds
from stores.location import Location
from stores.publish import publish
from stores.records import StoredFeature, StoredFitted
from stores.snapshot import Snapshot, load_snapshot, read_tables


@dataclass(frozen=True)
class StoreContent:
    """What a snapshot holds, or is about to: its shards and fitted states are there already."""

    location: Location
    tables: Mapping[str, pa.Table]
    """All tables of a store but `audits`, by name."""
    features: Mapping[str, StoredFeature]
    fitted: Mapping[str, StoredFitted]


def store_listing(
    content: StoreContent, scheme: str | None, folds: pa.Table | None = None
) -> Listing:
    """Makes of a store what an audit reads.

    Args:
        content: What the store holds.
        scheme: The one split scheme to audit; None: all.
        folds: The rows to judge; None: all. What was fitted is compared with the clips of whole
            folds all the same.

    Returns:
        The listing.

    Raises:
        NothingToAudit: There are no folds, or none of the scheme.
        WrongState: A fitted state is damaged.
    """
    tables = content.tables
    names = tables["clips"].column("corpus").unique().to_pylist()
    return list_store(
        str(content.location),
        tables["clips"],
        tables["labels"],
        tables["folds"] if folds is None else folds,
        tables["index"],
        [CORPORA[name] for name in names if name in CORPORA],
        scheme,
        measured(content.location, content.features, tables["index"]),
        fits=fits(content.location, tables, content.fitted),
    )


def committed_listing(
    location: Location, scheme: str | None, choice: Choice = EVERY_CLIP
) -> Listing:
    """Reads the newest snapshot of a store for an audit.

    Args:
        location: Where the store lies.
        scheme: The one split scheme to audit; None: all.
        choice: Of which clips the folds are judged.

    Returns:
        The listing.

    Raises:
        NotCommitted: There is no store.
        NothingToAudit: There are no folds, or none of the scheme, or of the chosen clips.
        WrongChoice: A condition names what there is not, or leaves no clip.
    """
    snapshot = load_snapshot(location)
    tables = read_tables(location, snapshot)
    folds = chosen_folds(tables, choice)
    if tables["folds"].num_rows and not folds.num_rows:
        raise NothingToAudit(
            f"no fold of {location} has a clip with {choice.words}; change the choice, or split "
            "these clips first"
        )
    content = StoreContent(location, tables, snapshot.features, snapshot.fitted)
    return store_listing(content, scheme, folds)


def audit_store(content: StoreContent, scheme: str | None = None) -> list[Finding]:
    """Audits the folds of a store, published or not.

    Args:
        content: What the store holds.
        scheme: The one split scheme to audit; None: all.

    Returns:
        The findings; none where there are no folds.
    """
    return audit(store_listing(content, scheme)) if content.tables["folds"].num_rows else []


def publish_audited(
    location: Location,
    parent: Snapshot,
    scheme: str,
    *,
    tables: Mapping[str, pa.Table],
    fitted: Mapping[str, StoredFitted],
    versions: Mapping[str, str] | None = None,
    schemes: Mapping[str, Json] | None = None,
) -> Snapshot:
    """Publishes what has changed for one split scheme, with the findings on it found anew.

    Args:
        location: Where the store lies; the caller holds its lock.
        parent: The newest snapshot; what is not given below is taken from it.
        scheme: The split scheme.
        tables: All tables by name; the findings on other schemes are kept.
        fitted: Fitted features by name.
        versions: Library -> version.
        schemes: Split scheme -> what its folds were made with.

    Returns:
        The new snapshot, or the parent where nothing differs.
    """
    is_scheme = pc.equal(tables["folds"].column("scheme"), scheme)
    folds = {"folds": tables["folds"].filter(is_scheme)}
    content = StoreContent(location, {**tables, **folds}, parent.features, fitted)
    found = audit_store(content, scheme)
    known = [finding for finding in AUDITS.rows(tables["audits"]) if finding.scheme != scheme]
    return publish(
        location,
        parent=parent,
        recipe=parent.recipe,
        tables={**tables, "audits": AUDITS.build([*known, *found])},
        features=parent.features,
        fitted=fitted,
        versions=parent.versions if versions is None else versions,
        schemes=parent.schemes if schemes is None else schemes,
    )
