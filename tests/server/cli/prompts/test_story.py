"""The story of a prompt by commands: pushed, promoted by somebody else, tried on users, rolled back, told."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json
from tests.support.servers.postgres import PostgresServer

NAME = "support-refund"
OLD = """\
---
model: gpt-4o-mini
variables: {question: string}
---
Answer politely: {{ question }}
"""
NEW = """\
---
model: gpt-4o-mini
variables:
  question: string
  tone: {type: string, default: warm}
---
Answer in a {{ tone }} tone: {{ question }}
"""


def write_prompts(directory: Path) -> Path:
    folder = directory / "prompts" / NAME
    folder.mkdir(parents=True)
    (folder / "1.0.0.md").write_text(OLD)
    (folder / "1.1.0.md").write_text(NEW)
    return folder.parent


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def registry_env(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    if request.param == "sqlite":
        yield {}
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    url = postgres.create_database()
    yield {"COALMINE_REGISTRY_URL": url}
    postgres.drop_database(url)


def test_a_prompt_is_pushed_promoted_tried_and_rolled_back(
    tmp_path: Path, registry_env: dict[str, str]
) -> None:
    home = tmp_path / "home"
    prompts = write_prompts(tmp_path)
    ann, bob = (
        coalmine_json("token", "create", who, "--role", role, home=home, env=registry_env)["token"]
        for who, role in (("ann", "author"), ("bob", "approver"))
    )
    with ServerProcess(home, registry_env) as server:
        server.wait_ready()

        def run(*arguments: str, token: str = ann) -> Any:
            return coalmine_json(*arguments, home=home, env={**registry_env, "COALMINE_TOKEN": token})

        pushed = run("push", str(prompts), "--dry-run")
        assert [each["result"] for each in pushed] == ["would register", "would register"]
        pushed = run("push", str(prompts))
        assert [(each["version"], each["result"], each["step"]) for each in pushed] == [
            ("1.0.0", "registered", None),
            ("1.1.0", "registered", "minor"),
        ]
        assert [each["result"] for each in run("push", str(prompts))] == ["unchanged", "unchanged"]

        waiting = run("promote", NAME, "1.0.0", "prod", "--reason", "first")
        assert waiting["status"] == "pending"
        refused = coalmine("approve", waiting["id"], home=home, env={**registry_env, "COALMINE_TOKEN": ann})
        assert refused.returncode != 0
        assert run("approve", waiting["id"], token=bob)["status"] == "applied"

        with Coalmine("bot", home=home, server_url=server.url, token=ann) as client:
            assert client.prompt(NAME, unit_id="u1").version == "1.0.0"
            started = run(
                "experiment",
                "start",
                "refund-tone",
                "--prompt",
                NAME,
                "--arm",
                "treatment=1.1.0:0.1",
                "--arm",
                "control=1.0.0:0.9",
                token=bob,
            )
            assert (started["status"], started["allocation_epoch"]) == ("running", 1)
            run("simulate", "--registry", NAME, "--mix", "--users", "1000", "--seconds", "4", "--rate", "400")
            rows = eventually(
                lambda: found if len(found := run("versions", "--prompt", NAME)) == 2 else None,
                what="both versions",
            )
            assert [(row["version"], row["variants"]) for row in rows] == [
                ("1.0.0", ["control"]),
                ("1.1.0", ["treatment"]),
            ]
            share = rows[1]["requests"] / sum(row["requests"] for row in rows)
            assert 0.04 < share < 0.2

            treated = next(
                f"u{n}" for n in range(1000) if client.prompt(NAME, unit_id=f"u{n}").version == "1.1.0"
            )
            back = run("rollback", NAME, "prod", "--reason", "worse", token=bob)
            began = time.monotonic()
            assert back["version"] == "1.0.0"
            eventually(lambda: client.prompt(NAME, unit_id=treated).version == "1.0.0", what="the rollback")
            seen_s = time.monotonic() - began
            assert client.prompt(NAME, unit_id=treated).variant is None

        story = run("log", NAME)
        assert [(each["actor"], each["action"]) for each in reversed(story)][:2] == [
            ("ann", "register"),
            ("ann", "register"),
        ]
        assert [each["actor"] for each in story[:1]] == ["bob"]
        shown = coalmine("log", NAME, home=home, env={**registry_env, "COALMINE_TOKEN": ann})
        assert "refund-tone" in shown.stdout
        assert "worse" in shown.stdout
        assert seen_s < 30  # how fast it is, `python -m benchmarks.propagation` measures


def test_a_version_after_nine_is_ten(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "prompts" / NAME
    folder.mkdir(parents=True)
    for version in ("1.9.0", "1.10.0"):
        (folder / f"{version}.md").write_text(f"Version {version}.\n")
    with ServerProcess(home) as server:
        server.wait_ready()
        coalmine_json("push", str(folder.parent), home=home)
        (row,) = coalmine_json("prompts", home=home)
        assert row["latest"] == "1.10.0"
        diff = coalmine("diff", NAME, "1.9.0", "1.10.0", home=home)
        assert "-Version 1.9.0." in diff.stdout
        assert "+Version 1.10.0." in diff.stdout


def test_an_edited_file_is_refused_and_pull_brings_the_published_one_back(tmp_path: Path) -> None:
    home, prompts = tmp_path / "home", write_prompts(tmp_path)
    edited = prompts / NAME / "1.0.0.md"
    with ServerProcess(home) as server:
        server.wait_ready()
        coalmine_json("push", str(prompts), home=home)
        edited.write_text("Something else.\n")
        refused = coalmine("push", str(prompts), home=home)
        assert refused.returncode == 1
        assert "edited since it was published" in refused.stdout
        kept = coalmine("pull", str(prompts), home=home)
        assert kept.returncode == 1
        assert edited.read_text() == "Something else.\n"
        assert coalmine("pull", str(prompts), "--force", home=home).returncode == 0
        assert coalmine("push", str(prompts), home=home).returncode == 0


def test_a_fallback_is_written_for_applications_to_ship(tmp_path: Path) -> None:
    home, prompts = tmp_path / "home", write_prompts(tmp_path)
    with ServerProcess(home) as server:
        server.wait_ready()
        coalmine_json("push", str(prompts), home=home)
        coalmine_json("promote", NAME, "1.0.0", "dev", home=home)
        written = coalmine("snapshot", "dev", "--out", "fallback.json", home=home)
        assert written.returncode == 0, written.stderr
    with Coalmine("bot", "dev", home=tmp_path / "elsewhere", fallback=home / "fallback.json") as client:
        prompt = client.prompt(NAME)
        assert (prompt.version, prompt.resolution) == ("1.0.0", "fallback")
        assert prompt.render(question="why?") == "Answer politely: why?"


def test_without_a_server_it_says_how_to_start_one(tmp_path: Path) -> None:
    result = coalmine("prompts", home=tmp_path)
    assert result.returncode == 3
    assert "coalmine serve" in result.stderr
