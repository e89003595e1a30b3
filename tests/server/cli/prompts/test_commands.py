"""Commands of the prompt registry: what they print, and how they end."""

import json
import subprocess
from itertools import count
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.server.registry_client import HELLO, Person
from tests.support.processes.coalmine_process import ServerProcess, coalmine

_NUMBERS = count()


@pytest.fixture
def name() -> str:
    """A prompt of the test's own."""
    return f"commands-{next(_NUMBERS)}"


def run(server: ServerProcess, home: Path, *arguments: str) -> CompletedProcess[str]:
    env = {"COALMINE_SERVER_URL": server.url, "COALMINE_TOKEN": server.token}
    return coalmine(*arguments, home=home, env=env)


def test_what_does_not_exist_ends_with_2_and_the_nearest_name(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    with Person.local(registry_server) as admin:
        admin.register(f"{name}-refund", "1.10.0", HELLO)
    for arguments, message in (
        (("log", f"{name}-refunt"), f"no prompt '{name}-refunt': did you mean {name}-refund?"),
        (("diff", f"{name}-refund", "1.10.0", "1.10.1"), "did you mean 1.10.0?"),
        (("promote", f"{name}-refund", "1.10.1", "dev"), "did you mean 1.10.0?"),
        (("promote", f"{name}-refund", "1.10", "dev"), "did you mean 1.10.0?"),
        (("rollback", f"{name}-refund", "prod"), f"prod serves no prompt '{name}-refund'"),
        (("rollback", f"{name}-refunt", "prod"), f"did you mean {name}-refund?"),
        (("rules", f"{name}-refunt", "prod"), f"did you mean {name}-refund?"),
        (("experiment", "list", "--prompt", f"{name}-refunt"), f"did you mean {name}-refund?"),
        (("experiment", "list", "--environment", "prd"), "did you mean prod?"),
        (("approve", "nothing"), "no promotion 'nothing': `coalmine promotions` lists all"),
        (("experiment", "stop", "nothing"), "no experiment 'nothing'"),
        (("snapshot", "nowhere"), "no environment 'nowhere': there are dev, staging, prod"),
    ):
        done = run(registry_server, tmp_path, *arguments)
        assert (done.returncode, done.stdout) == (2, ""), (arguments, done.stderr)
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_change_that_is_refused_ends_with_1(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    with Person.local(registry_server) as admin:
        admin.register(name, "1.0.0", HELLO)
    done = run(registry_server, tmp_path, "archive", name, "1.0.0")
    assert done.returncode == 1
    assert "is active: retire it first" in done.stderr


def test_every_version_is_pulled_however_many_there_are(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    with Person.local(registry_server) as admin:
        for minor in range(103):
            admin.register(name, f"1.{minor}.0", {"template": f"Hello {minor}"})
    done = run(registry_server, tmp_path, "pull", "pulled", "--prompt", name)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "pulled" / name).iterdir())) == 103


def test_a_log_has_as_many_rows_as_were_asked_for(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    with Person.local(registry_server) as admin:
        for patch in range(4):
            admin.register(name, f"1.0.{patch}", {"template": f"Hello {patch}"})
    for limit, rows in ((1, 1), (3, 3), (1000, 4)):
        done = run(registry_server, tmp_path, "log", name, "--limit", str(limit))
        assert len(done.stdout.splitlines()) == rows + 1


def test_promoting_what_is_served_already_says_so_and_ends_with_0(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    with Person.local(registry_server) as admin:
        admin.register(name, "1.0.0", HELLO)
    first = run(registry_server, tmp_path, "promote", name, "1.0.0", "dev")
    assert (first.returncode, "(revision 1)" in first.stderr) == (0, True), first
    again = run(registry_server, tmp_path, "promote", name, "1.0.0", "dev")
    assert again.returncode == 0, again
    assert again.stderr == f"dev already serves {name}@1.0.0 (revision 1); nothing was changed\n"


def test_a_used_name_of_an_experiment_ends_with_2_and_the_message_comes_first(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    with Person.local(registry_server) as admin:
        for version, template in (("1.0.0", "Hello"), ("1.1.0", "Hi"), ("1.2.0", "Hey")):
            admin.register(name, version, {"template": template})
        admin.promote(name, "1.0.0", "dev")
    start = ("experiment", "start", f"of-{name}", "--prompt", name, "--environment", "dev")
    arms = ("--arm", "treatment=1.1.0:0.5", "--arm", "control=1.0.0:0.5")
    limits = ("--limit", "error_rate=20%", "--limit", "schema_invalid_rate=0.1")
    started = run(registry_server, tmp_path, *start, *arms, *limits)
    assert started.returncode == 0, started
    assert "error_rate at most 0.2; schema_invalid_rate at most 0.1" in started.stderr
    again = run(registry_server, tmp_path, *start, *arms)
    assert again.returncode == 2, again
    assert again.stderr.startswith(f"coalmine: an experiment of-{name} exists or existed")
    refused = run(registry_server, tmp_path, "promote", name, "1.2.0", "dev")
    assert refused.returncode == 1, refused
    assert refused.stderr.startswith(f"coalmine: experiment of-{name} replaces the default")


def test_push_says_where_versions_came_from(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "prompts"
    (folder / name).mkdir(parents=True)
    for version, text in (("1.0.0", "Hello"), ("1.0.1", "Hi")):
        (folder / name / f"{version}.md").write_text(f"{text}.\n")
        env = {
            "COALMINE_SERVER_URL": registry_server.url,
            "COALMINE_TOKEN": registry_server.token,
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": "acme/prompts",
            "GITHUB_SHA": version[-1] * 40,
            "GITHUB_ACTOR": "ann",
            "GITHUB_REF": "refs/pull/12/merge",
        }
        assert coalmine("push", str(folder), home=tmp_path, env=env).returncode == 0
    told = (
        "from https://github.com/acme/prompts, commit 111111111111, by ann, "
        "https://github.com/acme/prompts/pull/12"
    )
    assert told in run(registry_server, tmp_path, "prompts", "show", name).stderr
    assert f"1.0.1 is {told}" in run(registry_server, tmp_path, "diff", name, "1.0.0", "1.0.1").stderr
    assert "commit 000000000000, by ann" in run(registry_server, tmp_path, "log", name).stdout


def test_a_policy_keeps_what_is_not_named(registry_server: ServerProcess, tmp_path: Path) -> None:
    def policy(*arguments: str) -> dict[str, object]:
        done = run(registry_server, tmp_path, "policy", "staging", *arguments)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return {
            name: found[name] for name in ("required_evidence", "requires_suite", "evidence_max_age_days")
        }

    try:
        policy("--require", "eval_run", "--max-age-days", "30")
        found = policy("--requires-suite")
        assert found == {
            "required_evidence": ["eval_run"],
            "requires_suite": True,
            "evidence_max_age_days": 30,
        }
        assert policy("--max-age-days", "0") == {**found, "evidence_max_age_days": None}
        assert policy() == {**found, "evidence_max_age_days": None}
    finally:
        none = policy("--require", "none", "--no-suite")
    assert none == {"required_evidence": [], "requires_suite": False, "evidence_max_age_days": None}


def test_a_snapshot_of_the_same_model_is_a_patch_and_another_model_a_minor_version(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    with Person.local(registry_server) as admin:
        for version in ("1.0.0", "1.0.1"):
            content = {**HELLO, "template": f"{version} {HELLO['template']}", "model": "gpt-4o"}
            admin.register(name, version, content)
    pinned = run(registry_server, tmp_path, "prompts", "pin-model", name, "gpt-4o-2024-08-06")
    assert pinned.returncode == 0, pinned.stderr
    text = (tmp_path / "prompts" / name / "1.0.2.md").read_text()
    assert "model: gpt-4o-2024-08-06" in text
    assert "1.0.1 Hello" in text
    run(registry_server, tmp_path, "prompts", "pin-model", name, "claude-haiku-4-5")
    assert "model: claude-haiku-4-5" in (tmp_path / "prompts" / name / "1.1.0.md").read_text()
    again = run(registry_server, tmp_path, "prompts", "pin-model", name, "gpt-4o")
    assert "nothing was written" in again.stderr
    pushed = run(registry_server, tmp_path, "push", "prompts")
    assert pushed.returncode == 0, pushed.stdout + pushed.stderr


def test_a_dry_run_says_of_files_that_depend_on_each_other_what_pushing_them_does(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    texts = {
        f"{name}-chat/1.0.0": "<|user|>\nhi\n",
        f"{name}-part/1.0.0": "---\nvariables: {a: string}\n---\n{{ a }}\n",
        f"{name}-part/1.0.1": "---\nvariables: {b: string}\n---\n{{ b }}\n",
        f"{name}-part/2.0.0": "---\nvariables: {a: string, b: string}\n---\n{{ a }}{{ b }}\n",
        f"{name}-uses/1.0.0": f'{{% include "{name}-part@1.0.0" %}}\n',
        f"{name}-uses/1.0.1": f'{{% include "{name}-part@2.0.0" %}}\n',
        f"{name}-uses/2.0.0": f'{{% include "{name}-part@1.0.1" %}}\n',
        f"{name}-wrong/1.0.0": f'{{% include "{name}-chat@1.0.0" %}}\n',
        f"{name}-wrong/2.0.0": f'---\nvariables: {{a: integer}}\n---\n{{% include "{name}-part@1.0.0" %}}\n',
    }
    for path, text in texts.items():
        (tmp_path / "p" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / f"{path}.md").write_text(text, encoding="utf-8")
    found = {}
    for how in ("--dry-run", "--json"):
        done = run(registry_server, tmp_path, "push", str(tmp_path / "p"), "--json", how)
        assert done.returncode == 1
        found[how] = {
            f"{each['prompt'].removeprefix(name)}@{each['version']}": each["result"].removeprefix("would ")
            for each in json.loads(done.stdout)
        }
    assert {each for each, result in found["--json"].items() if result == "refused"} == {
        "-part@1.0.1",
        "-uses@1.0.1",
        "-uses@2.0.0",
        "-wrong@1.0.0",
        "-wrong@2.0.0",
    }
    said = {each: result.replace("registered", "register") for each, result in found["--json"].items()}
    assert found["--dry-run"] == said


def test_what_the_registry_would_refuse_in_a_template_is_found_without_it(tmp_path: Path) -> None:
    texts = {
        "macro/1.0.0": "{% macro m(x) %}{{ x }}{% endmacro %}\n",
        "elsewhere/1.0.0": '{% include "in-the-registry@1.0.0" %}\n',
        "chat/1.0.0": "<|user|>\nhi\n",
        "uses/1.0.0": 'hi\n{% include "chat@1.0.0" %}\n',
        "undeclared/1.0.0": "hi {{ name }}\n",
    }
    for path, text in texts.items():
        (tmp_path / "p" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / f"{path}.md").write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    done = coalmine("check-prompts", str(tmp_path / "p"), "--json", home=tmp_path)
    assert done.returncode == 1
    found = [each.removeprefix(f"{tmp_path}/p/") for each in json.loads(done.stdout)["problems"]]
    assert sorted(each.partition(": ")[0] for each in found) == [
        "macro/1.0.0.md:1",
        "undeclared/1.0.0.md:1",
        "uses/1.0.0.md:2",
    ]
