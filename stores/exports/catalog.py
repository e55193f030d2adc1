"""All formats by the name that a user types. A format is one file and one line here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stores.exports import (
    audformat,
    croissant,
    csv_tables,
    huggingface,
    lhotse,
    npy_files,
    numpy_maps,
    webdataset,
)
from stores.exports.card import Export
from stores.exports.target import Piece


@dataclass(frozen=True)
class Format:
    """One form of files that other tools read."""

    about: str
    pieces: Callable[[Export], Iterator[Piece]]
    """Lists the files, each of which is written when it is its turn."""


FORMATS: dict[str, Format] = {
    "huggingface": Format("Parquet files and a card, for `datasets`", huggingface.pieces),
    "webdataset": Format("tar files, for WebDataset", webdataset.pieces),
    "numpy": Format("three large NumPy files a feature, for memory maps", numpy_maps.pieces),
    "npy": Format("a NumPy file for each feature of each clip", npy_files.pieces),
    "lhotse": Format("cut manifests and NumPy files, for lhotse", lhotse.pieces),
    "audformat": Format("a database of tables, for audformat", audformat.pieces),
    "csv": Format("the tables as CSV: clips, labels, folds, index; no features", csv_tables.pieces),
    "croissant": Format("Parquet files described in Croissant 1.1", croissant.pieces),
}
