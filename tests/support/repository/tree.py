"""What the repository holds: its root, its tracked files, its parts and their packages."""

import ast
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[3]

LAYERS: tuple[tuple[str, ...], ...] = (
    ("schemas",),
    ("producers", "registry", "consumers"),
    ("analytics", "spark"),
    ("rollouts", "evals"),
    ("alerts",),
    ("server",),
)
"""The parts from the bottom up; each may import those below it, and none beside it.

`schemas <- producers, registry, consumers <- analytics <- rollouts, evals <- alerts <- server`
"""

APART = ("dashboards",)
"""Parts that talk to the server over HTTP: they import `schemas` and the packages in `RESULTS`."""

RESULTS = (
    "coalmine_consumers.results",
    "coalmine_analytics.results",
    "coalmine_evals.results",
    "coalmine_alerts.results",
    "coalmine_registry.records",
    "coalmine_registry.provenance",
    "coalmine_registry.freeze_records",
    "coalmine_registry.roles",
    "coalmine_rollouts.records",
    "coalmine_server.results",
)
"""Packages and modules of the dataclasses that the API serves."""

PARTS = (*(part for layer in LAYERS for part in layer), *APART)


@dataclass(frozen=True, slots=True)
class Import:
    """One import of one of our packages."""

    path: Path
    line: int
    importer: str
    module: str

    @property
    def imported(self) -> str:
        """The package of the module."""
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.path.as_posix()}:{self.line}: {self.importer} imports {self.module}"


@lru_cache(maxsize=1)
def tracked_files() -> tuple[Path, ...]:
    """Every file git knows, and new ones it does not ignore, relative to the root."""
    shown = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode("utf-8")
    names = (Path(name) for name in shown.split("\0") if name)
    return tuple(sorted(name for name in set(names) if (ROOT / name).is_file()))


@lru_cache(maxsize=1)
def packages() -> Mapping[str, str]:
    """Each import package that stands in a part's folder, with the part."""
    return {
        path.parts[1]: path.parts[0]
        for path in tracked_files()
        if len(path.parts) == 3 and path.parts[0] in PARTS and path.name == "__init__.py"
    }


def imported_names(source: str, filename: str) -> Iterator[tuple[str, int]]:
    """The modules a file imports anywhere, with their lines; also those given to `import_module` as text."""
    for node in ast.walk(ast.parse(source, filename=filename)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0 and node.module is not None:
                yield node.module, node.lineno
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if called in {"import_module", "__import__"} and isinstance(first, ast.Constant):
                yield str(first.value), node.lineno


@cache
def imports_of(path: Path) -> tuple[tuple[str, int], ...]:
    """As `imported_names`, of a tracked file; many tests look at all of them."""
    return tuple(imported_names((ROOT / path).read_text(encoding="utf-8"), str(path)))


@lru_cache(maxsize=1)
def imports_between_packages() -> tuple[Import, ...]:
    """Every import from one of our packages in another one, and of tests or benchmarks in any."""
    ours = packages()
    known = {*ours, "tests", "benchmarks"}
    found = []
    for path in tracked_files():
        if path.suffix != ".py" or len(path.parts) < 3 or path.parts[1] not in ours:
            continue
        for module, line in imports_of(path):
            target = module.partition(".")[0]
            if target in known and target != path.parts[1]:
                found.append(Import(path, line, path.parts[1], module))
    return tuple(found)


def import_is_allowed(importer_part: str, imported_part: str, module: str = "") -> bool:
    """Returns True if a part may import a module of another part: of a lower layer, or as `APART` says."""
    if importer_part in APART:
        return imported_part == "schemas" or any(f"{module}.".startswith(f"{name}.") for name in RESULTS)
    level = {part: number for number, layer in enumerate(LAYERS) for part in layer}
    if importer_part not in level or imported_part not in level:
        return False
    return level[imported_part] < level[importer_part]
