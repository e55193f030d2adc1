"""What a fit did, and the fitted features of a store, as tables for the terminal."""

from collections import Counter
from typing import TYPE_CHECKING

from flows.view.console import Grid, Words, bold, coloured, joined, say
from stores.records import StoredFitted
from stores.snapshot import Snapshot

if TYPE_CHECKING:
    from flows.fitting.run import FitResult


def print_fit(store: str, scheme: str, result: "FitResult") -> None:
    """Prints what a fit did.

    Args:
        store: The name of the store.
        scheme: The split scheme.
        result: What the fit left behind.
    """
    number = result.snapshot.number
    if result.fitted:
        new = f"{result.fitted} new states of {scheme}, {result.already_fitted} were there"
        say(bold(store), f"  snapshot {number} published, {new}")
    else:
        states = f"all {result.already_fitted} states of {scheme} are fitted"
        say(f"nothing new: {states}, snapshot {number} of {store}")
    print_fitted(result.snapshot)


def print_fitted(snapshot: "Snapshot") -> None:
    """Prints the fitted features of a store, and the folds that each is fitted for.

    Args:
        snapshot: What the store holds.
    """
    if not snapshot.fitted:
        return
    rows = Grid("fitted feature", "made by", "rows of a clip", "fitted for", "MB")
    for name, entry in snapshot.fitted.items():
        rows.add_row(
            name,
            _made_by(entry),
            " or ".join(_shapes(entry)),
            _folds(entry),
            f"{sum(state.bytes_with_tracks for state in entry.states) / 1e6:.1f}",
        )
    rows.say()


def _made_by(entry: StoredFitted) -> Words:
    variants = ", ".join(str(spec.variant) for spec in entry.variants)
    return joined(
        f"{entry.spec.extractor} of {', '.join(entry.inputs.values())}",
        *([f"; variants {variants}"] if variants else []),
        *([coloured("yellow", "; sees test clips")] if entry.sees_all else []),
    )


def _shapes(entry: StoredFitted) -> list[str]:
    shapes = dict.fromkeys(state.shape for state in entry.states) or {entry.spec.shape: None}
    return ["(" + ", ".join([entry.spec.dims[0], *map(str, sizes)]) + ")" for sizes in shapes]


def _folds(entry: StoredFitted) -> str:
    counts = Counter(
        (state.scheme, f", on {state.choice.words}" if state.where else "")
        for state in entry.states
    )
    folds = [
        f"{scheme} ({n} fold{'' if n == 1 else 's'}{chosen})"
        for (scheme, chosen), n in counts.items()
    ]
    return ", ".join(folds) or "nothing yet: affectstore fit STORE SCHEME"
