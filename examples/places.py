"""Where in the code a value stands that a paper states: what it is now, in which file and line.

A place is written `kind:rest`, and names things, never lines:

    recipe:features.mfcc.window_s     a value of the paper's recipe, or the default of its extractor
    width:audio_embedding             the shape of one row of a feature of the recipe
    settings:rate                     a setting of the paper's trainer
    model:WHICH:lstm.rnn.hidden_size  what a built model has; WHICH is its name in the trainer
    trial:WHICH:fitting.plateau       how it is trained
    code:examples.tcs2026:change      a function, class, method or constant
    labels:ravdess7                   the number of classes of a label space
    scheme:luna_jimenez_5fold         a split scheme
"""

import ast
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from examples.not_ready import NotReady
from examples.parts import Net, Tensors
from examples.plan import Paper, Trial
from flows.recipe import Recipe, load
from flows.shipped import recipes
from manifests.label_spaces import SPACES
from manifests.schemes.assignment import LEAKING
from manifests.schemes.catalog import SCHEMES
from manifests.variant_names import MARK

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Place:
    """A line of the code, and the value there."""

    file: str
    """From the project's folder."""
    line: int
    name: str
    """What the value is called; empty where there is none."""
    value: Any = None
    """A number, a word, or a list of them; None where the code there is no value."""


class Places:
    """Finds places in the recipe and the trainer of one paper."""

    def __init__(self, paper: Paper[Any]) -> None:
        self.paper = paper
        self.recipe = load(paper.recipe)
        self._models: dict[str, Net] = {}
        self._kinds: dict[str, Callable[[str], Place]] = {
            "recipe": self._of_recipe,
            "width": self._of_width,
            "settings": self._of_settings,
            "model": self._of_model,
            "trial": self._of_trial,
            "code": _of_code,
            "labels": _of_labels,
            "scheme": _of_scheme,
        }

    def find(self, where: str) -> Place:
        """NotReady, in one sentence, where there is no such place any more."""
        kind, _, rest = where.partition(":")
        try:
            return self._kinds[kind](rest)
        except (LookupError, AttributeError, ImportError, ValueError) as error:
            raise NotReady(
                f"{where} is nowhere in the code of {self.paper.recipe} ({error}); name the place "
                f"it has now in examples/stated/{self.paper.recipe}.toml"
            ) from error

    def _of_recipe(self, path: str) -> Place:
        kind, feature, key = path.split(".")
        table: Any = self.recipe.resolved()[kind]
        value = table[feature][key]
        file = recipes()[self.paper.recipe]
        line = _line_of_key(file, kind, feature, key)
        if line is None:
            file, line = _line_of_field(type(_extractor(self.recipe, kind, feature)), key)
        return Place(_relative(file), line, path, _plain(value))

    def _of_width(self, feature: str) -> Place:
        file = recipes()[self.paper.recipe]
        kind = "fitted" if feature in self.recipe.fitted else "features"
        line = _line_of_key(file, kind, feature, "")
        shape = self.recipe.fitted_graph.specs[feature].shape
        return Place(_relative(file), line or 1, f"shape of {feature}", _plain(shape))

    def _of_settings(self, name: str) -> Place:
        file, line = _line_of_field(type(self.paper.settings), name)
        return Place(_relative(file), line, name, _plain(getattr(self.paper.settings, name)))

    def _of_model(self, rest: str) -> Place:
        which, _, path = rest.partition(":")
        at: Any = self._model(which)
        own = f"examples.{self.paper.recipe}"
        file, line = _line_of_symbol(own, type(at).__name__)
        for part in path.split("."):
            if type(at).__module__ == own:
                file, line = _line_of_attribute(type(at), part)
            at = _below(at, part)
        return Place(_relative(file), line, path, _plain(at))

    def _of_trial(self, rest: str) -> Place:
        which, _, path = rest.partition(":")
        at: Any = self._trial(which)
        for part in path.split("."):
            at = getattr(at, part)
        file, line = _line_of_symbol(f"examples.{self.paper.recipe}", "trials")
        return Place(_relative(file), line, path, "none" if at is None else _plain(at))

    def _trial(self, which: str) -> Trial:
        return {trial.name: trial for trial in self.paper.trials(self.paper.settings)}[which]

    def _model(self, which: str) -> Net:
        """Built as wide as the paper has it; its weights are as they are begun."""
        if which not in self._models:
            trial = self._trial(which)
            classes = len(SPACES[self.paper.labels[0]].values)
            self._models[which] = trial.build(self._batch(trial), classes)
        return self._models[which]

    def _batch(self, trial: Trial) -> Tensors:
        """Two clips of four rows of nothing."""
        specs = self.recipe.fitted_graph.specs
        shapes = {feature: (2, 4, *specs[feature].shape) for feature in trial.features}
        return {
            "values": {feature: torch.zeros(shape) for feature, shape in shapes.items()},
            "mask": {feature: torch.ones(2, 4, dtype=torch.bool) for feature in shapes},
            "targets": torch.zeros(2, dtype=torch.int64),
        }


def _of_code(rest: str) -> Place:
    module, _, path = rest.partition(":")
    file, line = _line_of_symbol(module, path)
    at: Any = import_module(module)
    for part in path.split("."):
        at = getattr(at, part)
    value = _plain(at)
    return Place(_relative(file), line, "" if value is None else path, value)


def _of_labels(space: str) -> Place:
    file, line = _line_of_name(space)
    return Place(_relative(file), line, f"classes of {space}", len(SPACES[space].values))


def _of_scheme(scheme: str) -> Place:
    file, line = _line_of_name(SCHEMES[scheme].name)
    return Place(_relative(file), line, "scheme", scheme)


def _below(at: Any, part: str) -> Any:
    if isinstance(at, nn.ModuleDict):
        return at[part]
    return at[int(part)] if part.isdigit() else getattr(at, part)


def _plain(value: Any) -> Any:
    """A number, a word or a list of them; None for what is code."""
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool | int | float | str) else None


def _extractor(recipe: Recipe, kind: str, feature: str) -> Any:
    return recipe.fitted[feature] if kind == "fitted" else recipe.features[feature].extractor


def _relative(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _line_of_key(file: Path, kind: str, feature: str, key: str) -> int | None:
    """The line of a key in a recipe, or of its table without a key; None where it is not there."""
    base, _, number = feature.partition(MARK)
    header = f"[variants.{number}.{base}]" if number else f"[{kind}.{feature}]"
    here = ""
    for line, text in enumerate(file.read_text("utf-8").splitlines(), 1):
        here = text if text.startswith("[") else here
        if here == header and (text == header if not key else text.startswith(f"{key} =")):
            return line
    return None


def _line_of_field(kind: type, name: str) -> tuple[Path, int]:
    """Of a dataclass, or of the one that it has the field from."""
    for each in kind.__mro__:
        if name in inspect.get_annotations(each):
            return _line_of_symbol(each.__module__, f"{each.__name__}.{name}")
    raise LookupError(f"{kind.__name__} has no field {name}")


def _line_of_name(name: str) -> tuple[Path, int]:
    """The first line below manifests/ that has a name in quotes; the part that says that it leaks
    is written apart."""
    quoted = f'"{name.removesuffix(LEAKING)}'
    for file in sorted((ROOT / "manifests").rglob("*.py")):
        for line, text in enumerate(file.read_text("utf-8").splitlines(), 1):
            if f'{quoted}"' in text or f"{quoted}{{" in text:
                return file, line
    raise LookupError(f"no file below manifests/ names {name}")


def _line_of_symbol(module: str, path: str) -> tuple[Path, int]:
    file, tree = _parsed(module)
    body, line = tree.body, 1
    for part in path.split("."):
        node = next((one for one in body if part in _names(one)), None)
        if isinstance(node, ast.ImportFrom):
            return _line_of_symbol(str(node.module), path)
        if node is None:
            raise LookupError(f"{file.name} defines no {path}")
        body, line = getattr(node, "body", []), node.lineno
    return file, line


def _line_of_attribute(kind: type, attribute: str) -> tuple[Path, int]:
    """Where a class, or the one below it, sets an attribute of its own."""
    for each in kind.__mro__:
        if each.__module__ == kind.__module__:
            file, tree = _parsed(each.__module__)
            (node,) = (one for one in tree.body if each.__name__ in _names(one))
            for inner in ast.walk(node):
                if isinstance(inner, ast.Assign) and attribute in _set_on_self(inner):
                    return file, inner.lineno
    raise LookupError(f"{kind.__name__} sets no {attribute} in its own module")


def _names(node: ast.stmt) -> set[str]:
    """What a statement defines, or takes from another module under its own name."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    if isinstance(node, ast.ImportFrom):
        return {one.name for one in node.names if one.asname is None}
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}


def _set_on_self(node: ast.Assign) -> set[str]:
    found = {one for target in node.targets for one in ast.walk(target)}
    return {one.attr for one in found if isinstance(one, ast.Attribute)}


@cache
def _parsed(module: str) -> tuple[Path, ast.Module]:
    import_module(module)
    file = Path(str(inspect.getsourcefile(sys.modules[module]))).resolve()
    return file, ast.parse(file.read_text("utf-8"))
