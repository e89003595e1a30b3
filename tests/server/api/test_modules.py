"""A command that has no server imports the one module of routes that answers it."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coalmine_server.api import routes
from coalmine_server.api.app import build_api
from coalmine_server.api.modules import MEASURES, PROMPTS, module_of

_WITHOUT_TOKEN = {"feedback", "health"}
"""Modules that a server includes itself."""


def test_every_module_of_routes_is_served() -> None:
    files = {path.stem for path in Path(routes.__path__[0]).glob("*.py")} - {"__init__"}
    with_routes = {each for each in files if hasattr(import_module(f"{routes.__name__}.{each}"), "router")}
    assert with_routes == {*MEASURES, *PROMPTS, *_WITHOUT_TOKEN}


@pytest.mark.parametrize("module", MEASURES)
def test_paths_lead_to_their_module(module: str) -> None:
    nothing: Any = None
    paths = build_api(nothing, measures=[module]).openapi()["paths"]
    assert paths
    assert {module_of(path) for path in paths} <= {module, None}
    assert any(module_of(path) == module for path in paths)


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/", "/healthz", "", "/v2/versions"])
def test_a_path_that_is_not_known_has_none(path: str) -> None:
    assert module_of(path) is None


def test_asking_for_versions_alone_loads_neither_rules_nor_other_routes(tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv = ['coalmine', 'versions']\n"
        "from coalmine_server.cli import main\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"COALMINE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "coalmine_server.api.routes.measures" in loaded
    other = {f"coalmine_server.api.routes.{each}" for each in MEASURES if each != "measures"}
    heavy = {"pandas", "polars", "scipy", "sqlalchemy", "statsmodels", "coalmine_alerts.rules.defaults"}
    assert loaded & (other | heavy) == set()
