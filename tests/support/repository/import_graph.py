"""Which module imports which, over all packages: the arrows inside a package, and cycles."""

import ast
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter

from tests.support.repository.tree import ROOT, packages, tracked_files


@dataclass(frozen=True, slots=True)
class ModuleImport:
    """One import of one of our modules by another."""

    importer: str
    imported: str
    line: int
    types_only: bool
    """True if it stands under `if TYPE_CHECKING`."""

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def module_imports(source: str, importer: str, known: Set[str]) -> Iterator[ModuleImport]:
    """The imports of known modules anywhere in a module's source, those inside functions included.

    Args:
        source: The text of the module.
        importer: Its dotted name.
        known: The dotted names of all modules and packages.
    """
    tree = ast.parse(source)
    types_only = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for statement in branch.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        for name in _targets(node, known):
            yield ModuleImport(importer, name, getattr(node, "lineno", 0), node in types_only)


def _targets(node: ast.AST, known: Set[str]) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if alias.name in known)
        case ast.ImportFrom(module=str(package), names=names, level=0) if package in known:
            modules = {f"{package}.{alias.name}" for alias in names} & known
            yield from sorted(modules)
            if len(modules) < len(names):
                yield package
        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]) if name in known:
            if ast.unparse(function).endswith(("import_module", "__import__")):
                yield name


@lru_cache(maxsize=1)
def all_module_imports() -> tuple[ModuleImport, ...]:
    """Every import of one of our modules in one of our packages."""
    ours = packages()
    sources = {}
    for path in tracked_files():
        if path.suffix == ".py" and len(path.parts) > 2 and path.parts[1] in ours:
            name = ".".join(path.with_suffix("").parts[1:]).removesuffix(".__init__")
            sources[name] = path
    return tuple(
        found
        for name, path in sources.items()
        for found in module_imports((ROOT / path).read_text(encoding="utf-8"), name, sources.keys())
    )


def import_cycle(imports: tuple[ModuleImport, ...]) -> list[str]:
    """The modules of one import cycle, the first repeated at the end; empty if there is no cycle."""
    graph: dict[str, set[str]] = {}
    for found in imports:
        if not found.types_only:
            graph.setdefault(found.importer, set()).add(found.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def wrong_arrows(
    package: str, allowed: Mapping[str, Set[str]], imports: tuple[ModuleImport, ...]
) -> list[str]:
    """The imports between a package's own files and folders that a table does not allow.

    Args:
        package: The name of the package, whose modules and folders at the first level are the table's names.
        allowed: For each name, the others that it may import.
        imports: Of all modules.
    """
    wrong = []
    for found in imports:
        importer, imported = (
            name.removeprefix(f"{package}.").partition(".")[0] for name in (found.importer, found.imported)
        )
        inside = all(name.startswith(f"{package}.") for name in (found.importer, found.imported))
        if inside and importer != imported and imported not in allowed.get(importer, frozenset()):
            wrong.append(f"{importer} -> {imported}: {found}")
    return sorted(wrong)
