"""Python files of constants: parsed, never run; what is no literal is no constant."""

import ast

from manifests.audit.errors import WrongForeignTable
from manifests.audit.reading.encodings import decode
from manifests.audit.reading.nested import tables_of
from manifests.audit.reading.raw import RawTable
from manifests.audit.reading.sides import sides_of_name
from manifests.audit.reading.sources import SourceFile

_MOST_BYTES = 1 << 24


def read_python(source: SourceFile) -> list[RawTable]:
    """Reads the lists that a Python file assigns to names.

    Args:
        source: The file.

    Returns:
        The tables, with the names among their places.

    Raises:
        WrongForeignTable: It is no Python, holds no list, or computes one that names a side.
    """
    data = source.read()
    if len(data) > _MOST_BYTES:
        raise WrongForeignTable(
            f"{source.path} has {len(data):,} bytes, at most {_MOST_BYTES:,} are read of a Python "
            "file; save the lists as JSON"
        )
    text, _ = decode(source.path, data)
    try:
        tree = ast.parse(text)
        found = dict(_constant(source, node) for node in tree.body if _is_assignment(node))
    except WrongForeignTable:
        raise
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        raise WrongForeignTable(
            f"{source.path}{where}: this is no Python that can be read ({type(error).__name__}); "
            "save the lists as JSON"
        ) from error
    lists = {name: value for name, value in found.items() if isinstance(value, list | dict)}
    return tables_of(source.path, source.places, lists)


def _is_assignment(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)


def _constant(source: SourceFile, node: ast.stmt) -> tuple[str, object]:
    """Name and value; None for one that is computed."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return "", None
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    name = target.id if isinstance(target, ast.Name) else ""
    try:
        return name, _listed(ast.literal_eval(node.value))
    except (ValueError, TypeError) as error:
        if sides_of_name(name) and isinstance(node.value, _LISTS):
            raise WrongForeignTable(
                f"{source.path}, line {node.lineno}: {name} is computed, and nothing is run; "
                "expected a list of names as they are, here or as JSON"
            ) from error
        return name, None


_LISTS = ast.List | ast.Tuple | ast.Set | ast.Dict | ast.BinOp | ast.ListComp | ast.Call


def _listed(value: object) -> object:
    """Tuples and sets as lists, in a fixed order."""
    if isinstance(value, dict):
        return {key: _listed(one) for key, one in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_listed(one) for one in value), key=str)
    return [_listed(one) for one in value] if isinstance(value, list | tuple) else value
