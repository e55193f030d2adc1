"""Python files of constants: parsed, never run; what is no literal is no constant."""

import ast
from collections.abc import Collection

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
        found: dict[str, object] = {}
        for node in tree.body:
            if _is_assignment(node):
                name, value = _constant(source, node)
                _refuse_changed(source, node, [name] if name in found else [])
                found[name] = value
            else:
                _refuse_changed(source, node, _changed(node))
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


def _changed(node: ast.stmt) -> set[str]:
    """Names that a statement, or one within it, gives a value or adds to.

    What a function or a class does with names of its own is no list of the file.
    """
    names: set[str] = set()
    waiting: list[ast.AST] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        waiting += ast.iter_child_nodes(one)
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store | ast.Del):
            names.add(one.id)
        changed = _owner(one)
        if changed is not None:
            names.add(changed)
    return names


def _owner(node: ast.AST) -> str | None:
    """The name of what `NAME.extend(...)` and `NAME[...] = ...` change."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        below = node.func.value if node.func.attr in _CHANGES else None
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        below = node.value
    else:
        return None
    while isinstance(below, ast.Subscript | ast.Attribute):
        below = below.value
    return below.id if isinstance(below, ast.Name) else None


def _refuse_changed(source: SourceFile, node: ast.stmt, names: Collection[str]) -> None:
    """Refuses a list of a side that is no constant, since only a part of it would be read."""
    for name in sorted(names):
        if sides_of_name(name):
            raise WrongForeignTable(
                f"{source.path}, line {node.lineno}: {name} is computed, and nothing is run; "
                "expected a list of names as they are, given once, here or as JSON"
            )


_CHANGES = frozenset(
    (
        *("append", "extend", "update", "insert", "remove", "add", "pop", "clear", "discard"),
        *("setdefault", "difference_update", "intersection_update"),
    )
)


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
