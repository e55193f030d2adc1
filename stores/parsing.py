"""Records of a store, parsed from JSON.

A store may come from anyone, so nothing in it is believed unread.
"""

import dataclasses
import types
import typing
from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeVar

from manifests.features import Json

T = TypeVar("T")
Parser = Callable[[Json, str], Any]
"""(value, the value as messages name it) -> the record"""
_PLAIN = {bool, int, str}
"""Types of JSON values that are taken as they are."""


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
    parse: Parser = _parser(typing.cast(Any, kind))
    return typing.cast(T, parse(value, where))


@cache
def _parser(kind: Any) -> "Parser":
    """What parses one type: made once, since a snapshot may list very many records."""
    if dataclasses.is_dataclass(kind):
        return partial(_parse_record, _Form(kind))
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return partial(_parse_tuple, _parser(arguments[0]))
    if origin is dict:
        return partial(_parse_dict, _parser(arguments[1]))
    if origin is types.UnionType:  # `X | None`, or Json itself, which is a longer one
        is_json = len(arguments) > 2
        return _as_it_is if is_json else partial(_parse_optional, _parser(arguments[0]))
    return _parse_float if kind is float else partial(_expect, kind)


class _Form:
    """What is known of a kind of record before any is parsed."""

    def __init__(self, kind: Any) -> None:
        types_of, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
        self.kind = kind
        self.names = [field.name for field in fields]
        self.plain = [(name, types_of[name]) for name in self.names if types_of[name] in _PLAIN]
        self.parsers = {name: _parser(types_of[name]) for name in self.names}
        self.others = [name for name in self.names if types_of[name] not in _PLAIN]
        # Older versions did not write the fields that are None unless they are given.
        self.optional = {field.name: None for field in fields if field.default is None}


def _parse_record(form: _Form, value: Json, where: str) -> Any:
    found = _expect(dict, value, where)
    if found.keys() != form.parsers.keys():
        found = {**form.optional, **found}
        if wrong := sorted(form.parsers.keys() ^ found.keys()):
            what = "is missing" if wrong[0] in form.parsers else "is unknown"
            raise WrongRecord(f"{where}.{wrong[0]} {what}; expected {', '.join(form.names)}")
    is_plain = all(type(found[name]) is hint for name, hint in form.plain)
    names = form.others if is_plain else form.names
    parsed = {name: form.parsers[name](found[name], f"{where}.{name}") for name in names}
    return form.kind(**{**found, **parsed})


def _parse_tuple(parse: "Parser", value: Json, where: str) -> Any:
    return tuple(parse(item, f"{where}[{i}]") for i, item in enumerate(_expect(list, value, where)))


def _parse_dict(parse: "Parser", value: Json, where: str) -> Any:
    return {key: parse(item, f"{where}.{key}") for key, item in _expect(dict, value, where).items()}


def _parse_optional(parse: "Parser", value: Json, where: str) -> Any:
    return None if value is None else parse(value, where)


def _parse_float(value: Json, where: str) -> float:
    return float(value) if type(value) is int else _expect(float, value, where)


def _as_it_is(value: Json, where: str) -> Json:
    return value


def _expect(kind: type[T], value: Json, where: str) -> T:
    if type(value) is not kind:
        raise WrongRecord(
            f"{where} is {type(value).__name__} {str(value)[:40]!r}, expected {kind.__name__}"
        )
    return value
