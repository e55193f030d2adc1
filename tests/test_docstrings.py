"""Public functions, methods and classes say what they are, take, give and raise."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NoReturn

import pytest

ROOMS = ("manifests", "extractors", "stores", "flows")
COMMANDS = ("flows.__main__", "flows.commands.")
"""A command's help is written for the terminal."""


def modules(room: str) -> Iterator[ModuleType]:
    package = importlib.import_module(room)
    yield package
    for found in pkgutil.walk_packages(package.__path__, f"{room}."):
        if not found.name.startswith(COMMANDS) or found.name.endswith(".arguments"):
            yield importlib.import_module(found.name)


def public(room: str) -> Iterator[tuple[str, Any, type | None]]:
    """(name, function or class, class that holds it) of everything public that a room defines."""
    for module in modules(room):
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
                continue
            if inspect.isclass(value):
                yield f"{module.__name__}.{name}", value, None
                for method_name, method in vars(value).items():
                    function = inspect.unwrap(getattr(method, "__func__", method))
                    if inspect.isfunction(function) and not method_name.startswith("_"):
                        yield f"{module.__name__}.{name}.{method_name}", function, value
            elif inspect.isfunction(inspect.unwrap(value)):
                yield f"{module.__name__}.{name}", inspect.unwrap(value), None


def inherits_its_docstring(function: Any, owner: type | None) -> bool:
    bases = owner.__mro__[1:] if owner else ()
    return any(getattr(vars(base).get(function.__name__), "__doc__", None) for base in bases)


def lacks(function: Any, owner: type | None) -> list[str]:
    """The sections that the docstring of a function lacks."""
    text, signature = function.__doc__ or "", inspect.signature(function)
    names = [name for name in signature.parameters if name not in {"self", "cls"}]
    gives = signature.return_annotation not in (None, NoReturn, inspect.Signature.empty)
    wanted = {"Args": bool(names), "Returns|Yields": bool(names) and gives}
    return [
        section.partition("|")[0]
        for section, is_wanted in wanted.items()
        if is_wanted and not re.search(rf"^\s*({section}):$", text, re.MULTILINE)
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_everything_public_has_a_docstring_with_its_sections(room: str) -> None:
    faults = []
    for name, value, owner in public(room):
        if inspect.isclass(value):
            faults += [] if _own_docstring(value) else [f"{name}: no docstring"]
        elif not value.__doc__:
            faults += [] if inherits_its_docstring(value, owner) else [f"{name}: no docstring"]
        elif not inherits_its_docstring(value, owner) and (missing := lacks(value, owner)):
            faults.append(f"{name}: no {' and no '.join(missing)} section")
    assert faults == []


def _own_docstring(value: type) -> bool:
    """A dataclass without one gets its signature for a docstring."""
    return bool(value.__doc__) and not value.__doc__.startswith(f"{value.__name__}(")
