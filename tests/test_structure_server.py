"""Imports inside the server point one way, and no two modules of any part import each other."""

from tests.support.repository.import_graph import (
    ModuleImport,
    all_module_imports,
    import_cycle,
    module_imports,
    wrong_arrows,
)
from tests.support.repository.tree import ROOT

_BOTTOM = frozenset({"errors", "kafka", "late_logs", "logs", "moment", "results", "settings", "sockets"})

_MAY_IMPORT = {
    "cli": _BOTTOM
    | {"client", "demonstration", "replica", "rollout_story", "serve", "services", "slack_stand_in"},
    "demonstration": _BOTTOM | {"client", "rollout_story", "serve", "services", "slack_stand_in"},
    "slack_stand_in": frozenset[str](),
    "rollout_story": _BOTTOM | {"services"},
    "serve": _BOTTOM | {"api", "replica", "services", "workers"},
    "replica": _BOTTOM | {"api", "services", "workers"},
    "client": _BOTTOM | {"api", "services"},
    "api": _BOTTOM | {"services"},
    # A replica asks another server.
    "workers": _BOTTOM | {"client", "services"},
    "services": _BOTTOM,
    # At the bottom: settings may use what the rest of it says of errors and moments, nothing else.
    "settings": frozenset({"errors", "moment"}),
    "kafka": frozenset({"settings"}),
    "logs": frozenset({"late_logs", "settings"}),
    "late_logs": frozenset({"settings"}),
    "errors": frozenset[str](),
    "moment": frozenset({"errors"}),
    "sockets": frozenset({"errors"}),
    "results": frozenset[str](),
}


def test_the_table_names_everything_in_the_server() -> None:
    folder = ROOT / "server" / "coalmine_server"
    there = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert there - {"__init__", "__pycache__"} <= set(_MAY_IMPORT)


def test_imports_inside_the_server_follow_the_table() -> None:
    wrong = wrong_arrows("coalmine_server", _MAY_IMPORT, all_module_imports())
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other() -> None:
    assert import_cycle(all_module_imports()) == []


def test_an_import_inside_a_function_is_an_arrow_and_one_for_types_is_no_cycle() -> None:
    known = {"p", "p.a", "p.a.x", "p.b", "p.b.y"}
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from p.a import x
def late():
    from p.b.y import something
    import_module("p.b")
"""
    found = tuple(module_imports(source, "p.a.x", known))
    assert [(one.imported, one.types_only) for one in found] == [
        ("p.a.x", True),
        ("p.b.y", False),
        ("p.b", False),
    ]
    assert len(wrong_arrows("p", {"a": frozenset(), "b": frozenset()}, found)) == 2
    assert wrong_arrows("p", {"a": frozenset({"b"})}, found) == []


def test_a_cycle_is_found() -> None:
    there, back = (
        ModuleImport("p.a", "p.b", 1, types_only=False),
        ModuleImport("p.b", "p.a", 1, types_only=False),
    )
    assert import_cycle((there,)) == []
    assert import_cycle((there, back)) in (["p.a", "p.b", "p.a"], ["p.b", "p.a", "p.b"])
