"""Commands that ask a server import neither the store nor the registry's database: they start fast."""

import json
import subprocess
import sys
from pathlib import Path

from tests.server.registry_client import HELLO, Person
from tests.support.processes.coalmine_process import ServerProcess, environment

_PROMPT = "imports-of-commands"
_HEAVY = ("sqlalchemy", "coalmine_registry.registry", "duckdb", "numpy", "pyarrow", "fastapi", "scipy")
_COMMANDS = (
    ("--help",),
    ("prompts",),
    ("log", _PROMPT),
    ("promotions",),
    ("diff", _PROMPT, "1.0.0", "1.0.1"),
    ("hygiene",),
    ("experiment", "list"),
    ("promote", _PROMPT, "1.0.1", "dev"),
    ("rollback", _PROMPT, "dev", "--to", "1.0.0"),
    ("snapshot", "dev"),
    ("push", "prompts"),
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


def test_commands_that_ask_a_server_import_no_database(
    registry_server: ServerProcess, tmp_path: Path
) -> None:
    with Person.local(registry_server) as admin:
        admin.register(_PROMPT, "1.0.0", HELLO)
        admin.register(_PROMPT, "1.0.1", {**HELLO, "metadata": {"n": 1}})
        admin.promote(_PROMPT, "1.0.0", "dev")
    folder = tmp_path / "prompts" / _PROMPT
    folder.mkdir(parents=True)
    (folder / "1.0.2.md").write_text("---\nvariables: {name: string}\n---\nHi {{ name }}\n")
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps([_HEAVY, _COMMANDS])],
        env=environment(
            tmp_path, {"COALMINE_SERVER_URL": registry_server.url, "COALMINE_TOKEN": registry_server.token}
        ),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stderr.splitlines()[-1])
    assert "sqlalchemy" in found.pop("token list")  # works on the database itself: the check can fail
    assert {command: modules for command, modules in found.items() if modules} == {}
