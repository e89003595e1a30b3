"""Commands that ask a server import neither the store nor the registry's database: `[cli]` suffices, fast."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from coalmine import Coalmine
from tests.server.conftest import PROMPT
from tests.server.registry_client import HELLO, Person
from tests.support.processes.coalmine_process import ServerProcess, coalmine_json, environment

_PROMPT = "imports-of-commands"
_HEAVY = (
    *("sqlalchemy", "coalmine_registry.registry", "duckdb", "numpy", "pyarrow", "fastapi", "scipy"),
    # The rest of what `[cli]` does without.
    *("alembic", "confluent_kafka", "polars", "prometheus_client", "psycopg", "pyruhvro", "starlette"),
    *("statsmodels", "uvicorn"),
    # What costs more processor time than all else that a command does.
    *("asyncio", "httpcore2", "pandas", "pydantic.v1", "pydantic_settings", "rich.markdown", "structlog"),
)
_COMMANDS = (
    ("--help",),
    ("prompts",),
    ("log", _PROMPT),
    ("promotions",),
    ("diff", _PROMPT, "1.0.0", "1.0.1"),
    ("hygiene",),
    ("experiment", "list"),
    ("rollout", "list"),
    ("rollout", "templates"),
    ("freeze", "--list"),
    ("evidence", "list", _PROMPT),
    ("deployments", "dev"),
    ("promote", _PROMPT, "1.0.1", "dev"),
    ("rollback", _PROMPT, "dev", "--to", "1.0.0"),
    ("snapshot", "dev"),
    ("check-prompts", "prompts"),
    ("push", "prompts"),
    ("plan", "."),
    ("apply", ".", "--yes"),
    ("pull", "pulled", "--prompt", _PROMPT),
    ("token", "list"),
)
_PROGRAM = """
import json, sys
from coalmine_server.cli.app import app

heavy, commands = json.loads(sys.argv[1])
found = {}
for command in commands:
    assert not app(command, standalone_mode=False), command
    found[" ".join(command)] = [name for name in heavy if name in sys.modules]
print(json.dumps(found), file=sys.stderr)
"""


def _loaded_by(
    commands: Sequence[Sequence[str]], server: ServerProcess, folder: Path, heavy: Sequence[str] = _HEAVY
) -> dict[str, list[str]]:
    """Heavy modules that are loaded after each of these commands, run one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps([heavy, commands])],
        env=environment(folder, {"COALMINE_SERVER_URL": server.url, "COALMINE_TOKEN": server.token}),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stderr.splitlines()[-1])
    return found


def test_commands_that_ask_a_server_import_no_database(
    registry_server: ServerProcess, tmp_path: Path
) -> None:
    with Person.local(registry_server) as admin:
        admin.register(_PROMPT, "1.0.0", HELLO)
        admin.register(_PROMPT, "1.0.1", {**HELLO, "metadata": {"n": 1}})
        admin.promote(_PROMPT, "1.0.0", "dev")
    folder = tmp_path / "prompts" / _PROMPT
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (folder / "1.0.2.md").write_text("---\nvariables: {name: string}\n---\nHi {{ name }}\n")
    found = _loaded_by(_COMMANDS, registry_server, tmp_path)
    assert "sqlalchemy" in found.pop("token list")  # works on the database itself: the check can fail
    assert {command: modules for command, modules in found.items() if modules} == {}


def test_commands_over_measures_that_ask_a_server_import_no_store(
    busy_server: ServerProcess, tmp_path: Path
) -> None:
    commands = (
        ("versions",),
        ("timeseries", "--json"),
        ("readout",),
        ("drift", PROMPT),
        ("compare", PROMPT, "1.0.0", "1.1.0"),
        ("explain", PROMPT, "--a", "1.0.0", "--b", "1.1.0", "--metric", "latency_ms"),
        ("dead-letters", "list"),
        ("ingest-status",),
    )
    found = _loaded_by(commands, busy_server, tmp_path)
    assert {command: modules for command, modules in found.items() if modules} == {}


def test_a_table_of_plain_words_needs_neither_rich_nor_the_classes_of_other_tables(
    busy_server: ServerProcess, tmp_path: Path
) -> None:
    others = ("rich", "tomllib", "coalmine_consumers.results.costs", "coalmine_consumers.results.audit")
    found = _loaded_by([("versions",)], busy_server, tmp_path, others)
    assert found == {"versions": []}


_UNNEEDED = {"pandas", "pydantic.v1", "pydantic_settings", "rich", "structlog"}
_OF_WRITING = {
    *(
        "coalmine_consumers.store.commit",
        "coalmine_consumers.maintenance",
        "coalmine_consumers.aggregation.cells",
    ),
    *("pyarrow.parquet", "coalmine_schemas.events", "coalmine_registry.records"),
}


def test_a_command_that_answers_from_the_store_imports_no_pandas_and_nothing_that_writes(
    tmp_path: Path,
) -> None:
    with Coalmine("imports", home=tmp_path) as client, client.call("p", version="1.0.0", model="m") as call:
        call.record(input_tokens=1, output_tokens=1)
    coalmine_json("versions", "--json", home=tmp_path)  # ingests, which does import it
    program = (
        "import sys; from coalmine_server.cli.app import app; app(['versions'], standalone_mode=False);"
        f"print(*({_UNNEEDED | _OF_WRITING | {'duckdb'}!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "duckdb"


def test_the_libraries_of_a_command_start_no_thread_of_their_own() -> None:
    program = """
import os, sys
from coalmine_server.cli.main import main

sys.argv = ["coalmine", "--help"]
try:
    main()
except SystemExit:
    import numpy, scipy.linalg
    print(len(os.listdir("/proc/self/task")))
"""
    told = {name: text for name, text in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=told, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "1"
