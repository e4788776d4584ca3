"""Signatures of classes and functions, read from their source files so that torch need not be imported."""

import ast
import functools
import importlib.util
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from ptycho_bench.config.values import Node
from ptycho_bench.physics import bounds
from ptycho_bench.physics.bounds import Count, Index, Interval, NonNegative

OWN = "ptycho_bench"
Definition = ast.ClassDef | ast.FunctionDef | ast.Assign
KNOWN = {kind.__name__: kind for kind in (int, float, bool, str, list, tuple, dict, object)}
KNOWN |= {name: getattr(typing, name) for name in ("Annotated", "Literal", "Optional", "Union", "Any")}
KNOWN |= {name: item for name, item in vars(bounds).items() if typing.get_origin(item) is Annotated}
KNOWN |= {"Interval": Interval, "None": None, "Tensor": Node}
# Bounds of arguments of torch's optimisers and schedules, which torch checks late or not at all.
TORCH: dict[str, Any] = {
    "lr": Annotated[float, Interval("(0, 1000]", "1e-3 is usual")],
    "factor": Annotated[float, Interval("(0, 1)", "0.5 halves the rate")],
    "eps": Annotated[float, Interval("[0, 1]")],
    "patience": Index,
    **dict.fromkeys(("weight_decay", "momentum", "min_lr", "threshold"), NonNegative),
    **dict.fromkeys(("step_size", "T_max"), Count),
}


class Names(dict):
    """Names in the annotations of a module: those of `KNOWN`, and names of types such as `Initialisation`.

    Any other name is `Node` in this package, and is not checked elsewhere.
    """

    def __init__(self, module: str) -> None:
        super().__init__(KNOWN)
        self.module = module
        self.other = Node if module.split(".", maxsplit=1)[0] == OWN else Any

    def __missing__(self, name: str) -> Any:
        found = definition(self.module, name) if self.other is Node else None
        return evaluated(found[1].value, found[0]) if found and isinstance(found[1], ast.Assign) else self.other


@functools.cache
def parameters(path: str) -> Mapping[str, Any] | None:
    """Return the annotation of each parameter of a class or function; None if it takes any, or is not found.

    Args:
        path: full path, such as `ptycho_bench.models.ppn.ppn.PPN`.
    """
    module, _, name = path.rpartition(".")
    found = definition(module, name)
    if found is None:
        return None
    taken = parameters_of(*found)
    bound = TORCH if module.startswith("torch") else {}
    return None if taken is None else {key: bound.get(key, annotation) for key, annotation in taken.items()}


def definition(module: str, name: str) -> tuple[str, Definition] | None:
    """Return the module that defines a name, and the definition; imports from the same package are followed."""
    for statement in syntax_of(module):
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef)) and statement.name == name:
            return module, statement
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            return module, statement
        if isinstance(statement, ast.ImportFrom) and is_inside(statement, module):
            for alias in statement.names:
                if (alias.asname or alias.name) == name:
                    return definition(statement.module, alias.name)
    return None


def is_inside(statement: ast.ImportFrom, module: str) -> bool:
    """Return True for an import from another module of the same package, by its full name."""
    package = module.partition(".")[0]
    named = statement.module or ""
    return not statement.level and named != module and named.partition(".")[0] == package


@functools.cache
def syntax_of(module: str) -> list[ast.stmt]:
    """Return the statements of a module's source; an empty list if there is none."""
    package, *parts = module.split(".")
    spec = importlib.util.find_spec(package)  # imports nothing, as it would for a module inside the package
    places = [Path(folder, *parts) for folder in (spec.submodule_search_locations or ())] if spec else []
    found = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
    if spec and spec.origin and not parts:
        found = [Path(spec.origin)]
    return ast.parse(found[0].read_text(encoding="utf-8")).body if found else []


def parameters_of(module: str, node: Definition) -> dict[str, Any] | None:
    """Return the annotation of each parameter of a definition, or None; see `parameters`."""
    if isinstance(node, ast.Assign):
        return None
    if isinstance(node, ast.FunctionDef):
        taken = node.args
        named = [*taken.posonlyargs, *taken.args, *taken.kwonlyargs]
        return None if taken.kwarg else {argument.arg: evaluated(argument.annotation, module) for argument in named}
    constructor = next((item for item in node.body if getattr(item, "name", "") == "__init__"), None)
    if constructor is not None:
        taken = parameters_of(module, constructor)
        return None if taken is None else {key: value for key, value in taken.items() if key != "self"}
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        fields = {item.target.id: item.annotation for item in node.body if isinstance(item, ast.AnnAssign)}
        kept = {name: text for name, text in fields.items() if "ClassVar" not in ast.unparse(text)}
        return {name: evaluated(text, module) for name, text in kept.items()}
    return inherited(module, node)


def inherited(module: str, node: ast.ClassDef) -> dict[str, Any] | None:
    """Return the parameters of the first base class whose source is found; a class without base classes takes none."""
    for base in node.bases:
        found = definition(module, base.id) if isinstance(base, ast.Name) else None
        if found is not None and (taken := parameters_of(*found)) != {}:
            return taken
    return {} if not node.bases else None


def evaluated(annotation: ast.expr | None, module: str) -> Any:
    """Return an annotation as an object; `Any` if there is none or it cannot be evaluated."""
    if annotation is None:
        return Any
    names = Names(module)
    try:
        return eval(compile(ast.Expression(annotation), module, "eval"), {"__builtins__": {}}, names)
    except (TypeError, AttributeError):  # for example an attribute of a name that is not known
        return names.other
