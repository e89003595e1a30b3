"""Imports point one way, and the client stays light."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.repository.tree import (
    PARTS,
    ROOT,
    import_is_allowed,
    imported_names,
    imports_between_packages,
    imports_of,
    packages,
    tracked_files,
)

_HEAVY = (
    "duckdb",
    "fastapi",
    "polars",
    "pyarrow",
    "pyruhvro",
    "scipy",
    "starlette",
    "statsmodels",
    "streamlit",
)


def test_every_package_is_found() -> None:
    found = packages()
    assert {
        "coalmine": "producers",
        "coalmine_analytics": "analytics",
        "coalmine_rollouts": "rollouts",
        "coalmine_evals": "evals",
        "coalmine_alerts": "alerts",
        "coalmine_consumers": "consumers",
        "coalmine_dashboards": "dashboards",
        "coalmine_schemas": "schemas",
        "coalmine_server": "server",
        "coalmine_simulator": "producers",
        "coalmine_spark": "spark",
    }.items() <= found.items()


def test_parts_import_only_parts_below_them_and_the_client_no_simulator() -> None:
    """One test: reading all imports takes longest, and those who share the tests would each do it."""
    part_of, found = packages(), imports_between_packages()
    between = {(each.importer, each.imported) for each in found}
    assert ("coalmine_consumers", "coalmine_schemas") in between, "imports are not seen at all"
    wrong = [
        str(each)
        for each in found
        if (each.importer, each.imported) == ("coalmine", "coalmine_simulator")
        or (
            part_of.get(each.imported) != part_of[each.importer]
            and not import_is_allowed(
                part_of[each.importer], part_of.get(each.imported, each.imported), each.module
            )
        )
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("server", "consumers", True),
        ("server", "schemas", True),
        ("analytics", "producers", True),
        ("rollouts", "analytics", True),
        ("server", "analytics", True),
        ("consumers", "analytics", False),
        ("consumers", "producers", False),
        ("schemas", "producers", False),
        ("rollouts", "evals", False),
        ("alerts", "rollouts", True),
        ("alerts", "evals", True),
        ("rollouts", "alerts", False),
        ("consumers", "server", False),
        ("dashboards", "schemas", True),
        ("dashboards", "producers", False),
        ("server", "dashboards", False),
        ("spark", "consumers", True),
        ("spark", "analytics", False),
        ("server", "spark", True),
        ("consumers", "spark", False),
        ("server", "tests", False),
    ],
)
def test_the_rule_of_direction_is_the_one_in_the_design(importer: str, imported: str, allowed: bool) -> None:
    assert import_is_allowed(importer, imported) is allowed


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("coalmine_consumers.results", True),
        ("coalmine_consumers.results.measures", True),
        ("coalmine_analytics.results", True),
        ("coalmine_consumers", False),
        ("coalmine_consumers.results_of_others", False),
        ("coalmine_consumers.queries", False),
        ("coalmine_analytics.readout", False),
    ],
)
def test_the_dashboards_import_only_results_of_consumers_and_analytics(module: str, allowed: bool) -> None:
    part = module.partition(".")[0].removeprefix("coalmine_")
    assert import_is_allowed("dashboards", part, module) is allowed


def test_every_way_to_write_an_import_is_seen() -> None:
    source = """
import a.b, c
from d.e import f
from .relative import g
def late():
    from h import i
    importlib.import_module("j.k")
"""
    assert [name for name, _ in imported_names(source, "example")] == ["a.b", "c", "d.e", "h", "j.k"]


_HEAVY_STANDARD = (
    *("asyncio", "concurrent", "ctypes", "email", "http", "importlib.metadata", "multiprocessing"),
    *("sqlite3", "ssl", "socket", "subprocess", "unittest", "urllib.request", "xml", "zipfile"),
)
_CLIENT_MODULES = (
    *("coalmine", "coalmine.call", "coalmine.chains", "coalmine.client", "coalmine.prompts"),
    *(
        "coalmine.current_span",
        "coalmine.error_names",
        "coalmine.event_sender",
        "coalmine.input_length",
        "coalmine.mistakes",
        "coalmine.reactions",
    ),
    *("coalmine.prompts.poll_policy", "coalmine.prompts.prompt", "coalmine.redaction", "coalmine.replies"),
    *("coalmine.served", "coalmine.settings", "coalmine.stats", "coalmine.values"),
    *("coalmine_schemas", "coalmine_schemas.atomic_file", "coalmine_schemas.client_variables"),
    *("coalmine_schemas.discovery", "coalmine_schemas.rules"),
    *("coalmine_schemas.errors", "coalmine_schemas.events", "coalmine_schemas.identifiers"),
    *("coalmine_schemas.limited_log", "coalmine_schemas.prompts", "coalmine_schemas.results"),
    *("coalmine_schemas.limits", "coalmine_schemas.providers", "coalmine_schemas.ranges"),
    *("coalmine_schemas.kafka_config", "coalmine_schemas.topics"),
)
_LIGHT_PACKAGES = ("coalmine.replies.", "coalmine_schemas.prompts.")


def test_importing_the_client_loads_these_modules_and_no_others() -> None:
    """What works for a client is loaded when one is made; third-party packages are none of it."""
    program = "import sys; before = set(sys.modules); import coalmine; print(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = done.stdout.split()
    ours = [name for name in loaded if name.partition(".")[0] in packages()]
    assert set(_CLIENT_MODULES) <= set(ours)
    others = set(ours) - set(_CLIENT_MODULES)
    assert [name for name in others if not name.startswith(_LIGHT_PACKAGES)] == []
    tops = {name.partition(".")[0] for name in loaded}
    assert tops - set(packages()) - sys.stdlib_module_names == set()
    assert [name for name in loaded if name in _HEAVY_STANDARD] == []


_NOT_IN_THE_BASE = (
    *(*_HEAVY, "altair", "confluent_kafka", "numpy", "opentelemetry", "pandas", "rich", "structlog", "typer"),
)
_SERVICE = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {_NOT_IN_THE_BASE!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())

from coalmine import Coalmine

client = Coalmine(app="base-install", home=sys.argv[1])
with client.call("greeting", version="1.0.0", model="gpt-4o-mini") as call:
    call.record({{"choices": [], "usage": {{"prompt_tokens": 3, "completion_tokens": 5}}}})
client.feedback(call.request_id, thumbs="up")
client.close(30)
print(client.stats())
"""


def test_a_service_with_the_base_install_alone_sends_events(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", _SERVICE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "spool").glob("*.avro"))) == 1, done.stdout + done.stderr
    assert done.stderr == ""


_KAFKA = (
    _SERVICE.partition("from coalmine import")[0]
    + """
from coalmine import Coalmine, InvalidParameter

try:
    Coalmine(app="base-install", home=sys.argv[1], kafka_bootstrap_servers="kafka:9092")
except InvalidParameter as error:
    print(error)
"""
)


def test_kafka_without_its_extra_is_one_message_when_the_client_is_made(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", _KAFKA, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "pip install 'coalmine[kafka]'" in done.stdout
    assert done.stdout.count("\n") == 1


def test_package_files_only_re_export() -> None:
    wrong = []
    for path in tracked_files():
        if path.name != "__init__.py" or path.parts[0] == "tests":
            continue
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        wrong += [
            f"{path}:{node.lineno}: {ast.unparse(node)[:60]}" for node in tree.body if not _re_exports(node)
        ]
    assert not wrong, "\n".join(wrong)


def _re_exports(node: ast.stmt) -> bool:
    """A docstring, an import, or one of the two names a package may define itself; imports may be put off."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())) | ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__version__")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):
            return all(isinstance(each, ast.ImportFrom) for each in body)
        # By which a name is imported once it is asked for.
        case ast.AnnAssign(target=ast.Name(id="_MODULES")) | ast.FunctionDef(name="__getattr__"):
            return True
    return False


def test_what_is_imported_is_declared() -> None:
    """The base install suffices for the client, `[server]` for the server, `[dashboards]` for the pages."""
    base, extras = _declared()
    allowed = {
        "coalmine_schemas": base,
        "coalmine": base | extras["kafka"] | extras["opentelemetry"],
        "coalmine_simulator": base,
        "coalmine_registry": base | extras["server"],
        "coalmine_consumers": base | extras["server"],
        "coalmine_analytics": base | extras["server"],
        "coalmine_server": base | extras["server"] | extras["mcp"] | extras["jwt"],
        "coalmine_spark": base | extras["server"] | extras["spark"],
        "coalmine_dashboards": extras["dashboards"],
    }
    # The batch decoder belongs to the contract, but only consumers import it.
    batch_only = extras["server"]
    ours = set(packages())
    wrong = []
    for path in tracked_files():
        if path.suffix != ".py" or len(path.parts) < 3 or path.parts[1] not in allowed:
            continue
        package = path.parts[1]
        for module, line in imports_of(path):
            top = module.partition(".")[0]
            known = top in sys.stdlib_module_names or top in ours or top in allowed[package]
            known = known or path.parts[2:3] == ("integrations",)  # whose library a service has
            if not known and not (package == "coalmine_schemas" and top in batch_only):
                wrong.append(f"{path}:{line}: {top}")
    assert not wrong, "\n".join(wrong)


def test_what_is_declared_is_imported() -> None:
    base, extras = _declared()
    installed_for = {"dashboards": {"dashboards"}, "server": set(PARTS) - {"dashboards"}}
    imported: dict[str, set[str]] = {extra: set() for extra in installed_for}
    for path in tracked_files():
        for extra, parts in installed_for.items():
            if path.suffix == ".py" and path.parts[0] in parts:
                found = imports_of(path)
                imported[extra] |= {name.partition(".")[0] for name, _ in found}
    imported["server"] |= {"psycopg[binary]"}  # SQLAlchemy imports it, where the URL of a database says so
    imported["server"] |= {"polars"}  # one of the libraries we were asked to build on; no module fits it yet
    along = set().union(*_COMES_WITH.values())
    assert sorted((base | extras["server"]) - along - imported["server"]) == []
    assert sorted(extras["dashboards"] - along - imported["dashboards"]) == []


# Distributions whose import name differs from their own.
_IMPORT_NAMES = {
    "pyjwt": "jwt",
    "confluent-kafka": "confluent_kafka",
    "genai-prices": "genai_prices",
    "jsonschema-rs": "jsonschema_rs",
    "opentelemetry-api": "opentelemetry",
    "opentelemetry-proto": "opentelemetry",
    "prometheus-client": "prometheus_client",
    "pyyaml": "yaml",
    "slack-sdk": "slack_sdk",
}
# Imported together with the declared distribution that needs them and fixes their version.
_COMES_WITH = {
    "uvicorn": {"h11"},
    "opentelemetry-proto": {"google"},
    "fastapi": {"anyio", "pydantic", "pydantic_core", "starlette"},
    "mcp": {"mcp_types"},
}


def _declared() -> tuple[set[str], dict[str, set[str]]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]

    def names(requirements: list[str]) -> set[str]:
        found = set()
        for requirement in requirements:
            if requirement.startswith("coalmine["):
                inner = requirement.removeprefix("coalmine[").removesuffix("]").split(",")
                found |= set().union(*(names(extras[extra]) for extra in inner))
                continue
            name = requirement.replace(">", "=").replace("<", "=").partition("=")[0].partition("[")[0].strip()
            found |= {_IMPORT_NAMES.get(name, name), *_COMES_WITH.get(name, set())}
        return found

    return names(project["dependencies"]), {extra: names(needs) for extra, needs in extras.items()}
