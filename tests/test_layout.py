"""The rooms and their doors: who may import whom, how large a thing is, and what the distribution
owns."""

import ast
import importlib
import importlib.metadata
import inspect
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cache
from graphlib import TopologicalSorter
from typing import NamedTuple

import pytest

import affectstore
import flows.view.console
import manifests.audit
import stores
from tests.support.commands import ROOT, Python

ROOMS = ("manifests", "extractors", "stores", "flows")
MAY_IMPORT = {
    "manifests": set(),
    "extractors": {"manifests"},
    "stores": {"manifests"},
    "flows": {"manifests", "extractors", "stores"},
}
ONLY_IN_FLOWS = {"prefect", "dask", "distributed", "typer", "pydantic", "rich"}
NOT_IN_MANIFESTS = {"torch", "cv2", "av", "h5py", "mediapipe", "openvino", "librosa", "scipy"}
ONLY_IN_STORES = {
    *("numpy", "h5py", "pandas", "pyarrow", "manifests", "stores"),
    *("cv2", "filelock", "obstore", "botocore"),  # of extras, inside the functions that need them
}
WITH_PREFECT = {
    *(f"flows/{name}.py" for name in ("build", "split", "fit", "audit")),
    *(f"flows/{name}.py" for name in ("prefect_runs", "serve", "local_server")),
    "flows/prefect_forgetting.py",
    "flows/workers/prefect_executor.py",
}
ARROWS = {
    "workers": set(),
    "view": set(),
    "auditing": {"workers"},
    "splitting": {"auditing"},
    "fitting": {"auditing", "workers"},
    "building": {"auditing", "fitting", "workers"},
    "reporting": {"auditing", "view"},
    "exporting": {"workers"},
    "forgetting": {"auditing", "reporting", "view", "workers"},
    "sample": {"auditing", "building", "reporting", "splitting", "view", "workers"},
}
"""Room of flows -> the rooms of flows that it may import; types for checkers alone do not count."""
BELOW_ROOMS = {"downloads", "errors", "log", "recipe", "recording", "shipped"}
"""Modules of flows itself that its rooms may import: what they begin with, and no flow."""
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 70


class Import(NamedTuple):
    """One import, wherever in a file it stands."""

    file: str
    module: str
    names: tuple[str, ...]
    """Empty for `import module`."""
    for_checkers: bool
    """It stands under `if TYPE_CHECKING`."""

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


@cache
def imports_in(file: str, text: str) -> list[Import]:
    return [*_imports_in(file, ast.parse(text))]


def _imports_in(file: str, tree: ast.Module) -> Iterator[Import]:
    for_checkers = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, alias.name, (), id(node) in for_checkers)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively; packages have full names"
            names = tuple(alias.name for alias in node.names)
            yield Import(file, str(node.module), names, id(node) in for_checkers)


@cache
def files(*folders: str) -> list[tuple[str, str]]:
    """(path from the root, text) of every Python file in some folders."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


@cache
def imports_of(*folders: str) -> list[Import]:
    return [one for file, text in files(*folders) for one in imports_in(file, text)]


# Floors


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way_only(room: str) -> None:
    forbidden = set(ROOMS) - MAY_IMPORT[room] - {room}
    assert [one for one in imports_of(room) if one.top in forbidden] == []


@pytest.mark.parametrize("room", ["manifests", "extractors", "stores"])
def test_only_flows_knows_the_engine(room: str) -> None:
    assert [one for one in imports_of(room) if one.top in ONLY_IN_FLOWS] == []


def test_manifests_reach_no_media_library() -> None:
    """But where a track is handed to another library, which is imported when it is asked for."""
    found = [one for one in imports_of("manifests") if one.top in NOT_IN_MANIFESTS]
    reaching = {one.file for one in found}
    assert reaching == {"manifests/converted.py"}


def test_the_audit_is_entered_by_its_public_door_alone() -> None:
    audit = ROOT / "manifests" / "audit"
    others = [
        path
        for folder in (*ROOMS, "examples", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not path.is_relative_to(audit)
    ]
    imports = [
        (str(path), node)
        for path in others
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("manifests.audit")
    ]
    assert [
        (path, node.module)
        for path, node in imports
        if node.module != "manifests.audits"
        and not (
            node.module == "manifests.audit"
            and {alias.name for alias in node.names} <= set(manifests.audit.__all__)
        )
    ] == []


def test_stores_need_nothing_but_the_readers_dependencies() -> None:
    known = ONLY_IN_STORES | sys.stdlib_module_names
    other = [one for one in imports_of("stores") if one.top not in known]
    assert {one.top for one in other if one.for_checkers} <= {"torch", "xarray"}
    assert [one for one in other if not one.for_checkers] == []


def test_only_one_module_of_stores_reaches_what_is_behind_a_url() -> None:
    reaching = {one.file for one in imports_of("stores") if one.top in {"obstore", "botocore"}}
    assert reaching == {"stores/object_store.py"}


def test_hdf5_opens_files_where_a_watched_process_looks_at_them_and_nowhere_else() -> None:
    rooms = ("stores", "flows", "extractors", "manifests")
    assert {one.file for room in rooms for one in imports_of(room) if one.top == "h5py"} == {
        "stores/hdf5_file.py"
    }
    callers = [
        function.name
        for path in (ROOT / "stores").glob("*.py")
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "open_hdf5"
    ]
    assert sorted(callers) == ["look_at_shard", "look_at_state"]


def test_openvino_is_imported_only_where_its_telemetry_is_cut_off() -> None:
    assert {one.file for one in imports_of("extractors") if one.top == "openvino"} == {
        "extractors/openvino_import.py",
        "extractors/engines.py",
    }


def test_benchmarks_examples_and_tests_are_imported_by_nobody() -> None:
    outside = {"benchmarks", "examples", "tests"}
    assert [one for one in imports_of(*ROOMS) if one.top in outside] == []


def test_no_module_imports_what_its_own_package_hands_on() -> None:
    """A package imports its modules, so these import each other by their full names."""
    backwards = [
        (one.file, one.module, name)
        for one in imports_of(*ROOMS)
        if f"{one.file}".startswith(f"{one.module.replace('.', '/')}/")
        for name in one.names
        if not (ROOT / one.module.replace(".", "/") / f"{name}.py").exists()
    ]
    assert backwards == []


# Rooms of flows


def room_of(module: str) -> str | None:
    """The room of a module of flows; None for those of flows itself, and for all others."""
    parts = [*module.split("."), ""]
    return parts[1] if parts[0] == "flows" and parts[1] in ARROWS else None


def imports_of_room(room: str) -> list[Import]:
    """What a room imports when it runs."""
    return [one for one in imports_of(f"flows/{room}") if not one.for_checkers]


def test_every_room_of_flows_is_known() -> None:
    rooms = {path.parent.name for path in (ROOT / "flows").glob("*/__init__.py")}
    assert rooms - ARROWS.keys() == {"commands"}


def test_commands_are_imported_by_the_command_line_alone() -> None:
    importers = {one.file for one in imports_of(*ROOMS) if one.module.startswith("flows.commands")}
    assert {f"{file}" for file in importers if "flows/commands/" not in f"{file}"} == {
        "flows/__main__.py"
    }


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_of_flows_imports_no_other_room_than_it_may(room: str) -> None:
    others = {room_of(one.module) for one in imports_of_room(room)} - {None, room}
    assert others == ARROWS[room]


def test_rooms_of_flows_import_each_other_in_no_circle() -> None:
    order = [*TopologicalSorter(ARROWS).static_order()]
    assert order.index("building") < order.index("sample")


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_of_flows_imports_no_flow(room: str) -> None:
    of_flows = [one for one in imports_of_room(room) if one.top == "flows"]
    above = {one.module.partition(".")[2] for one in of_flows if room_of(one.module) is None}
    assert above - BELOW_ROOMS == set()


def test_workers_know_no_clip() -> None:
    ours = [one for one in imports_of("flows/workers") if one.top in ROOMS]
    assert [one for one in ours if room_of(one.module) != "workers"] == []


def test_only_the_flows_themselves_and_their_server_import_prefect() -> None:
    assert {one.file for one in imports_of("flows") if one.top == "prefect"} == WITH_PREFECT


# Views


DRAWING = {"numpy", "cv2", "matplotlib", "rich", "librosa", "jinja2", "markupsafe"}
MAY_CALL = {"decode_jpeg", "mel_frequencies"}
"""Functions of extractors and of librosa that make something else of what they are given."""
READING = {"open", "read_text", "read_bytes", "iterdir", "glob", "rglob", "load", "run", "urlopen"}


def faults_of_a_view(file: str, text: str) -> list[str]:
    """What a view has no business with: it prints and draws what it is given, and reads nothing."""
    faults = []
    for one in imports_in(file, text):
        if one.for_checkers or one.top in sys.stdlib_module_names | DRAWING:
            continue
        if one.top not in ROOMS or not one.names:
            faults.append(f"{one.module} is neither ours nor for drawing")
        elif room_of(one.module) != "view" and one.top != "manifests":
            module = importlib.import_module(one.module)
            faults += [
                f"{one.module}.{name} is no value that is shown"
                for name in one.names
                if name not in MAY_CALL and not _is_value(getattr(module, name))
            ]
        elif one.module.startswith("manifests.corpora"):
            faults.append(f"{one.module} reads corpora")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            faults += [f"{called} is called"] if called in READING else []
    return faults


def _is_value(thing: object) -> bool:
    """A dataclass, such as a row or a summary, or the name of a type."""
    return (inspect.isclass(thing) and is_dataclass(thing)) or type(thing).__module__ == "types"


def test_views_read_no_store_and_no_clip() -> None:
    faults = {file: faults_of_a_view(file, text) for file, text in files("flows/view")}
    assert {file: some for file, some in faults.items() if some} == {}


@pytest.mark.parametrize(
    "text",
    [
        "from stores.snapshot import load_snapshot",
        "from stores import FeatureStore",
        "def show():\n    from stores.snapshot import read_table",
        "from extractors.plan import measure",
        "import stores",
        "import pyarrow",
        "from flows.recipe import load",
        "from flows.building.committed import load_committed",
        "from manifests.corpora.catalog import CORPORA",
        "print(path.read_text())",
        "with open(path) as file: pass",
    ],
)
def test_a_view_that_read_would_be_found_out(text: str) -> None:
    assert faults_of_a_view("flows/view/made.py", text)


def test_text_with_markup_is_printed_by_nobody_and_rich_prints_in_two_places_alone() -> None:
    """A name from outside may look like markup, so that none is read anywhere."""
    with_rich = {one.file for one in imports_of("flows") if one.top == "rich"}
    assert with_rich == {"flows/view/console.py", "flows/workers/progress.py"}
    plain = dict.fromkeys(("markup", "highlight", "emoji"), False)
    assert plain == flows.view.console._PLAIN
    made = [*_calls("flows/view/console.py", "Console")]
    assert len(made) == 1
    assert all(any(word.arg is None for word in call.keywords) for call in made)  # **_PLAIN


def test_what_is_printed_is_a_constant_or_made_visible() -> None:
    bad = [
        f"{file}:{call.lineno}"
        for file, _ in files(*ROOMS)
        if file != "flows/workers/progress.py"  # numbers, and what is done, in our words
        for call in _calls(file, "print")
        if not all(_is_shown_safely(given) for given in call.args)
    ]
    assert bad == []


def _calls(file: str, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == name:
            yield node


def _is_shown_safely(given: ast.expr) -> bool:
    if isinstance(given, ast.Call):
        return getattr(given.func, "id", None) in {"visible", "to_json"}
    return isinstance(given, ast.Constant)


# Names and sizes


def test_a_class_name_stands_once() -> None:
    places: dict[str, list[str]] = {}
    for file, text in files(*ROOMS):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.removeprefix("_"), []).append(file)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_module_and_no_function_is_long() -> None:
    """Lines of a docstring count for the module, not for the function."""
    long = []
    for file, text in files(*ROOMS):
        if (lines := text.count("\n")) > MOST_LINES:
            long.append(f"{file} has {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = _lines(node) - (_lines(node.body[0]) if ast.get_docstring(node) else 0)
                if lines > MOST_LINES_OF_A_FUNCTION:
                    long.append(f"{file}: {node.name} has {lines} lines")
    assert long == []


def _lines(node: ast.stmt) -> int:
    return int(node.end_lineno or 0) - node.lineno + 1


def test_no_module_of_flows_bears_a_stdlib_name() -> None:
    names = {path.stem for path in (ROOT / "flows").glob("*.py")}
    assert names & (sys.stdlib_module_names - {"__init__", "__main__"}) == set()


# Doors


def test_the_public_door_hands_on_what_stores_offers_and_nothing_else() -> None:
    assert affectstore.__all__ == stores.__all__
    assert all(getattr(affectstore, name) is getattr(stores, name) for name in stores.__all__)
    tree = ast.parse((ROOT / "affectstore.py").read_text(encoding="utf-8"))
    docstring, imported, listed = tree.body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(imported, ast.ImportFrom)
    assert imported.module == "stores"
    assert sorted(alias.name for alias in imported.names) == sorted(stores.__all__)
    assert isinstance(listed, ast.Assign)


def test_reading_imports_nothing_of_the_pipeline(python: Python) -> None:
    code = (
        "import sys, affectstore; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
    )
    pipeline = [
        *("av", "boto3", "botocore", "cv2", "dask", "extractors", "filelock", "flows", "librosa"),
        *("mediapipe", "obstore", "openvino", "prefect", "pydantic", "scipy", "torch", "typer"),
    ]
    assert python("-c", code, *pipeline).stdout.strip() == "[]"


# The distribution


@pytest.mark.parametrize("name", ROOMS)
def test_each_top_level_name_belongs_to_our_distribution_alone(name: str) -> None:
    assert set(importlib.metadata.packages_distributions()[name]) == {"affectstore"}


def test_the_distribution_is_not_for_a_public_index() -> None:
    classifiers = importlib.metadata.metadata("affectstore").get_all("Classifier", [])
    assert "Private :: Do Not Upload" in classifiers


# Tests


def test_test_files_lie_flat() -> None:
    found = [path for path in (ROOT / "tests").rglob("test_*.py") if path.parent.name != "tests"]
    assert found == []


def test_no_test_file_is_imported() -> None:
    """What several test files need lies in a module of its own."""
    anywhere = files("tests", "benchmarks", "examples")
    assert [file for file, text in anywhere if f"tests.{'test_'}" in text] == []
    imported = imports_of("tests", "benchmarks", "examples")
    assert [one for one in imported if one.module.startswith("tests.conftest")] == []
