"""Records of a store, parsed from JSON.

A store may come from anyone, so nothing in it is believed unread.
"""

import dataclasses
import types
import typing
from functools import cache
from typing import Any, TypeVar

from manifests.features import Json

T = TypeVar("T")


class WrongRecord(ValueError):
    """A record does not have the form that it should have.

    The message says where, what was found and what was expected.
    """


def from_json(kind: type[T], value: Json, where: str) -> T:
    """Makes a record of what a JSON file holds.

    Args:
        kind: A dataclass whose fields are records, JSON values, or tuples or dicts of them.
        value: The JSON: exactly the fields of `kind`, each of its declared type; one whose default
            is None may be left out.
        where: The value, as messages name it.

    Returns:
        The record.

    Raises:
        WrongRecord: A field is missing, unknown or of another type.
    """
    return typing.cast(T, _parse(kind, value, where))


def _parse(kind: Any, value: Json, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _parse_record(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return tuple(
            _parse(arguments[0], item, f"{where}[{i}]")
            for i, item in enumerate(_expect(list, value, where))
        )
    if origin is dict:
        return {
            key: _parse(arguments[1], item, f"{where}.{key}")
            for key, item in _expect(dict, value, where).items()
        }
    if origin is types.UnionType:  # `X | None`, or Json itself, which is a longer one
        return value if value is None or len(arguments) > 2 else _parse(arguments[0], value, where)
    if kind is float and type(value) is int:
        return float(value)
    return _expect(kind, value, where)


def _parse_record(kind: Any, value: Json, where: str) -> Any:
    found, hints = _expect(dict, value, where), _fields(kind)
    if hints.keys() != found.keys():
        found = {**_optional(kind), **found}
    if wrong := sorted(hints.keys() ^ found.keys()):
        what = "is missing" if wrong[0] in hints else "is unknown"
        raise WrongRecord(f"{where}.{wrong[0]} {what}; expected {', '.join(hints)}")
    # A record of plain fields alone is made at once: a snapshot may list very many shards.
    if all(type(found[name]) is hint for name, hint in hints.items()):
        return kind(**found)
    return kind(
        **{name: _parse(hint, found[name], f"{where}.{name}") for name, hint in hints.items()}
    )


@cache
def _optional(kind: Any) -> dict[str, None]:
    """The fields that older versions did not write: those that are None unless they are given."""
    return {field.name: None for field in dataclasses.fields(kind) if field.default is None}


@cache
def _fields(kind: Any) -> dict[str, Any]:
    """The fields of a kind of record, in order, with their types."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _expect(kind: type[T], value: Json, where: str) -> T:
    if type(value) is not kind:
        raise WrongRecord(
            f"{where} is {type(value).__name__} {str(value)[:40]!r}, expected {kind.__name__}"
        )
    return value
