"""Public names of a package that are imported when they are first asked for.

Python runs a package before any module of it. Were all that a door hands on imported there, each
module of the package would cost the time of all: `affectstore show` that of pandas and h5py.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def on_demand(package: str, names: Mapping[str, Iterable[str]]) -> Callable[[str], Any]:
    """Makes the `__getattr__` of a package that hands on what its modules define.

    Args:
        package: Its full name.
        names: Full name of a module -> what is handed on of it.

    Returns:
        A function that imports the module of a name, and keeps its value in the package.
    """
    module_of = {name: module for module, some in names.items() for name in some}

    def find(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(module_of[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
