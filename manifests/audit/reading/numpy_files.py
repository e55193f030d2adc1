"""Arrays of numpy, without pickled objects: reading these would run code that they bring."""

import io
import zipfile
import zlib

import numpy as np

from manifests.audit.errors import WrongForeignTable
from manifests.audit.foreign_columns import known_names
from manifests.audit.reading.raw import (
    MOST_BYTES,
    Place,
    RawTable,
    as_cell,
    encode_cells,
    refuse_width,
)
from manifests.audit.reading.sides import sides_of_name, without_sides
from manifests.audit.reading.sources import SourceFile

_LONGEST_HEADER = 100_000


def read_npy(source: SourceFile) -> list[RawTable]:
    """Reads one array.

    Args:
        source: The file.

    Returns:
        One table.

    Raises:
        WrongForeignTable: It is broken, holds objects, or is no list.
    """
    found = _table(source, source.places, {"": _array(source, "", source.read())})
    if found is None:
        raise _no_list(source)
    return [found]


def read_npz(source: SourceFile) -> list[RawTable]:
    """Reads a file of arrays; those of one side, and of one length, are columns of one table.

    Args:
        source: The file.

    Returns:
        Its tables.

    Raises:
        WrongForeignTable: It is broken, holds objects, or has no list.
    """
    arrays = _arrays(source)
    groups: dict[int | None, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        sides = sides_of_name(name)
        groups.setdefault(sides.pop() if len(sides) == 1 else None, {})[name] = array
    if len(groups) > 1:
        groups.pop(None, None)
    found = []
    for side, group in groups.items():
        places, columns = source.places, group
        if side is not None:
            places = (*places, Place("array", next(iter(group))))
            columns = {without_sides(name): array for name, array in group.items()}
        found.append(_table(source, places, columns))
    tables = [one for one in found if one is not None]
    if not tables:
        raise _no_list(source)
    return tables


def _no_list(source: SourceFile) -> WrongForeignTable:
    return WrongForeignTable(
        f"{source.path} holds no list of clips; expected an array of names, and others of the same "
        "length"
    )


def _arrays(source: SourceFile) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(io.BytesIO(source.read())) as archive:
            left, found = MOST_BYTES, {}
            for entry in archive.infolist():
                with archive.open(entry) as file:
                    data = file.read(left + 1)
                left -= len(data)
                if left < 0:
                    raise WrongForeignTable(
                        f"{source.path} unfolds to more than {MOST_BYTES:,} bytes; save the names, "
                        "sides and labels alone"
                    )
                name = entry.filename.removesuffix(".npy")
                found[name] = _array(source, name, data)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise WrongForeignTable(
            f"{source.path}: these are no arrays that can be read ({error})"
        ) from error
    return found


def _array(source: SourceFile, name: str, data: bytes) -> np.ndarray:
    where = f"{source.path}{f', array {name[:60]!r}' if name else ''}"
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, _, dtype = read[version](file, max_header_size=_LONGEST_HEADER)
    except (ValueError, KeyError, EOFError, SyntaxError) as error:
        raise WrongForeignTable(
            f"{where}: this is no array that can be read; save it again"
        ) from error
    if dtype.hasobject:
        raise WrongForeignTable(
            f"{where} holds pickled objects, which run code when they are read, and is not opened; "
            "save the names, sides and labels as arrays of text, or as CSV"
        )
    count = int(np.prod([int(one) for one in shape], dtype=object)) if shape else 1
    if count * dtype.itemsize != len(data) - file.tell():
        raise WrongForeignTable(f"{where} is cut off or damaged; save it again")
    file.seek(0)
    array: np.ndarray = np.load(file, allow_pickle=False)
    return array


def _table(
    source: SourceFile, places: tuple[Place, ...], arrays: dict[str, np.ndarray]
) -> RawTable | None:
    columns: dict[str, list[str | None]] = {}
    for name, array in arrays.items():
        columns |= _columns_of(source, name, array)
    texts = {name: len(cells) for name, cells in columns.items() if not _are_numbers(cells)}
    size = max(texts.values() or map(len, columns.values()), default=0)
    columns = {name: cells for name, cells in columns.items() if len(cells) == size and size}
    if not columns:
        return None
    names = tuple(columns) if known_names(columns) or len(columns) > 1 else None
    if names and all(name.isdigit() for name in names):
        names = None
    cells = tuple(map(encode_cells, columns.values()))
    return RawTable(source.path, places, names, cells, range(1, size + 1))


def _columns_of(source: SourceFile, name: str, array: np.ndarray) -> dict[str, list[str | None]]:
    """The columns of one array; a matrix of numbers has none."""
    if array.dtype.names:
        refuse_width(source.path, len(array.dtype.names))
        fields = {field: array[field] for field in array.dtype.names}
        return {field: _cells(one) for field, one in fields.items() if one.ndim == 1}
    if array.ndim == 1:
        return {name: _cells(array)}
    if array.ndim == 2 and array.dtype.kind in "US":
        refuse_width(source.path, array.shape[1])
        return {str(number + 1): _cells(array[:, number]) for number in range(array.shape[1])}
    return {}


def _cells(array: np.ndarray) -> list[str | None]:
    if array.dtype.kind == "S":
        return [cell.decode("utf-8", "replace") for cell in array.tolist()]
    return [as_cell(cell) for cell in array.tolist()]


def _are_numbers(cells: list[str | None]) -> bool:
    return all(cell is None or cell.replace(".", "").lstrip("-").isdigit() for cell in cells)
