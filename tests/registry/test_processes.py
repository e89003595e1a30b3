"""Several processes share one database, each with a registry of its own."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from coalmine_registry.registry import Registry
from tests.support.data.registry_case import PROMPT, history, serve
from tests.support.servers.postgres import PostgresServer

_PROGRAM = """
import json, sys
from coalmine_registry.errors import StaleRevision
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role

address, name = sys.argv[1:]
sys.stdin.readline()
actor = Actor(name, Role.APPROVER, "token-" + name)
applied, refused = [], 0
with Registry.open(address) as registry:
    while len(applied) < 8:
        seen = registry.deployment("prod", "support-refund")
        version = "1.1.0" if seen.version == "1.0.0" else "1.0.0"
        try:
            done = registry.promote(actor, "support-refund", version, "prod", expected_revision=seen.revision)
        except StaleRevision:
            refused += 1
        else:
            applied.append(done.revision)
print(json.dumps({"applied": applied, "refused": refused}))
"""


def test_processes_that_change_one_prompt_at_once_lose_nothing(registry: Registry, address: str) -> None:
    serve(registry, "1.0.0", "1.1.0")
    answers = _run_together(address, "one", "two", "three")
    revisions = sorted(revision for each in answers for revision in each["applied"])
    assert revisions == list(range(3, 27))
    changes = history(registry)
    assert [each.revision for each in changes] == list(range(26, 0, -1))
    versions = [each.version for each in changes[:25]]
    assert all(one != next_one for one, next_one in pairwise(versions))
    assert registry.environment_revision("prod") == 26
    assert registry.snapshot("prod").prompts[PROMPT].revision == 26


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_processes_that_open_a_new_database_at_once_migrate_it_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    address = str(tmp_path / "home" / "registry.db")
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        address = server.create_database()
        request.addfinalizer(lambda: server.drop_database(address))
    program = "import sys; sys.stdin.readline(); from coalmine_registry.registry import Registry; "
    program += "r = Registry.open(sys.argv[1]); print(r.environment_revision('prod')); r.close()"
    assert _started(program, [[address]] * 3) == ["0"] * 3


def _run_together(address: str, *names: str) -> list[dict[str, list[int]]]:
    return [json.loads(answer) for answer in _started(_PROGRAM, [[address, name] for name in names])]


def _started(program: str, arguments: list[list[str]]) -> list[str]:
    """Runs a program several times at once; says what each run printed."""
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, *each],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for each in arguments
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    done = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * len(running), done
    return [out.strip() for out, _ in done]
