"""`coalmine apply`: what it makes of each kind of file, once, and how it ends with something in its way."""

import json
import os
import pty
import subprocess
from pathlib import Path

from tests.server.cli.configuration.conftest import Team, names
from tests.server.registry_client import Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import COMMAND, environment

PROD = """\
prompts:
  PROMPT:
    version: 1.0.0
    rules:
      - {name: enterprise, when: {tier: [enterprise]}, serve: {version: 1.0.0}}
"""
EXPERIMENT = """\
prompt: PROMPT
rule: enterprise
arms:
  - {variant: treatment, version: 1.0.1, weight: 0.1}
  - {variant: control, version: 1.0.0, weight: 0.9}
plan: {goals: [quality]}
reason: is it kinder?
"""
ROLLOUT = "prompt: PROMPT\nversion: 1.0.2\nplan: canary-fast\n"


def everything(team: Team) -> None:
    """One file of each kind."""
    team.write("environments/prod.yaml", PROD)
    team.write("experiments/PROMPT-tone.yaml", EXPERIMENT)
    team.write("rollouts/comma.yaml", ROLLOUT)


def test_each_kind_is_made_once_in_an_order_that_holds_and_then_nothing_is_to_do(team: Team) -> None:
    everything(team)
    team.pushed("1.0.0", "1.0.1", "1.0.2")
    name = team.prompt
    shown = team.run("plan", "conf", "--exit-code")
    assert shown.returncode == 2
    assert shown.stdout.splitlines() == [
        f"+ version prod/{name}  (conf/environments/prod.yaml:3)",
        "    + version: 1.0.0",
        f"+ rules prod/{name}  (conf/environments/prod.yaml:4)",
        "    + enterprise: 1.0.0 where tier is enterprise",
        f"+ experiment {name}-tone  (conf/experiments/{name}-tone.yaml)",
        "    + environment: prod",
        f"    + prompt: {name}",
        "    + rule: enterprise",
        "    + arms: treatment 1.0.1 10%, control 1.0.0 90%",
        "+ rollout comma  (conf/rollouts/comma.yaml)",
        f"    + version: {name}@1.0.2",
        f"    + place: prod/{name}",
        "    + plan: canary-fast: 50%",
    ]
    assert "Plan: 4 to create, 0 to change.\n" in shown.stderr
    assert "served" not in str(team.audit())
    applied = team.apply()
    assert names(applied["done"]) == [
        f"version prod/{name}",
        f"rules prod/{name}",
        f"experiment {name}-tone",
        "rollout comma",
    ]
    assert (applied["left"], applied["failed"]) == ([], None)
    served = team.served()
    assert served["version"] == "1.0.0"
    assert served["rules"][0]["serve"] == {"experiment": f"{name}-tone"}
    assert served["default"] == {"experiment": f"ro-{name}-1.0.2-1"}
    experiment = team.admin.get(f"/v1/experiments/{name}-tone")
    assert experiment["plan"]["goals"] == ["quality"]
    reasons = {each["reason"] for each in team.admin.get(f"/v1/prompts/{name}/log")["items"]}
    assert {"is it kinder?", "coalmine apply"} <= reasons
    before = team.audit()
    again = team.run("apply", "conf", "--yes")
    assert (again.returncode, again.stdout) == (0, "")
    assert "Nothing to do: the registry agrees with conf." in again.stderr
    assert team.run("plan", "conf", "--exit-code").returncode == 0
    assert team.audit() == before


def test_versions_are_registered_with_their_source_and_never_again(team: Team) -> None:
    team.version("1.0.0")
    team.version("1.0.1")
    applied = team.apply(by=team.author)
    assert names(applied["done"]) == [f"prompt {team.prompt}@1.0.0", f"prompt {team.prompt}@1.0.1"]
    assert team.plan()["agrees"]
    pushed = team.run("push", "conf/prompts", "--json")  # the same files mean the same to both
    assert {each["result"] for each in json.loads(pushed.stdout)} == {"unchanged"}


def test_a_policy_is_changed_whole_and_what_is_left_out_is_not_compared(team: Team) -> None:
    before = team.admin.get("/v1/environments/staging/policy")
    team.write("environments/staging.yaml", "policy: {required_evidence: [eval_run], requires_suite: true}\n")
    team.write("environments/prod.yaml", "prompts: {}\n")
    try:
        (step,) = team.plan()["steps"]
        assert (step["kind"], step["name"], step["action"]) == ("policy", "staging", "change")
        assert step["differences"] == [
            {"field": "required_evidence", "before": "[]", "after": "[eval_run]"},
            {"field": "requires_suite", "before": "false", "after": "true"},
        ]
        refused = team.run("apply", "conf", "--yes", by=team.author)
        assert refused.returncode == 1
        assert "policy staging takes the role admin" in refused.stderr
        team.apply()
        after = team.admin.get("/v1/environments/staging/policy")
        assert (after["required_evidence"], after["requires_suite"]) == (["eval_run"], True)
        assert team.plan()["agrees"]
    finally:
        kept = ("required_evidence", "requires_suite", "evidence_max_age_days")
        team.admin.put("/v1/environments/staging/policy", {key: before[key] for key in kept})


def test_what_needs_an_approval_is_asked_for_once_and_the_rest_waits_for_it(team: Team) -> None:
    everything(team)
    team.pushed("1.0.0", "1.0.1", "1.0.2")
    shown = team.run("apply", "conf", "--yes", by=team.author)  # who wrote it cannot decide
    assert shown.returncode == 1
    assert "takes the role approver" in shown.stderr
    assert team.audit().count("request_promotion") == 0  # refused before anything was done
    with team.admin.make(f"{team.prompt}-boss", "approver") as boss:
        for version in ("2.0.0", "2.0.1", "2.0.2"):
            team.version(version)
        for file in ("environments/prod.yaml", "experiments/PROMPT-tone.yaml", "rollouts/comma.yaml"):
            path = team.folder / file.replace("PROMPT", team.prompt)
            path.write_text(path.read_text().replace("1.0.", "2.0."))
        applied = team.apply(by=boss)  # registers them, and so wrote them
        assert names(applied["done"])[3:] == [f"version prod/{team.prompt}"]
        assert "coalmine approve " in applied["done"][3]["result"]
        assert names(applied["left"]) == [
            f"rules prod/{team.prompt}",
            f"experiment {team.prompt}-tone",
            "rollout comma",
        ]
        again = team.run("apply", "conf", "--yes", by=boss)
        assert again.returncode == 0
        assert "waits for an approval" in again.stderr
        assert team.audit().count("request_promotion") == 1
        (waiting,) = [
            each
            for each in team.admin.get("/v1/promotions", params={"status": "pending"})["items"]
            if each["prompt"] == team.prompt
        ]
        team.admin.post(f"/v1/promotions/{waiting['id']}/approve")
        left = team.apply()
        assert names(left["done"]) == names(applied["left"])
        assert team.plan()["agrees"]


def test_a_rollout_by_an_author_is_pending_and_is_not_started_twice(team: Team) -> None:
    team.write("environments/prod.yaml", "prompts:\n  PROMPT: {version: 1.0.0}\n")
    team.pushed("1.0.0", "1.0.1")
    team.apply()
    team.write("rollouts/x.yaml", "prompt: PROMPT\nversion: 1.0.1\n")
    (done,) = team.apply(by=team.author)["done"]
    rollout = f"ro-{team.prompt}-1.0.1-1"
    assert done["result"].startswith(f"{rollout} is pending: approval: ")
    assert team.plan()["agrees"]
    assert team.apply()["done"] == []
    team.admin.post(f"/v1/rollouts/{rollout}/abort", {"reason": "no"})


def test_a_failure_in_the_middle_says_what_was_done_and_what_is_left(team: Team) -> None:
    everything(team)
    team.pushed("1.0.0", "1.0.1", "1.0.2")
    team.version("1.0.3")
    team.admin.promote(team.prompt, "1.0.0", "prod")
    freeze = team.admin.post("/v1/freezes", {"prompt": team.prompt, "reason": "peak season"}, expect=201)
    stopped = team.run("apply", "conf", "--yes")
    assert stopped.returncode == 1
    assert f"done: prompt {team.prompt}@1.0.3: registered\n" in stopped.stdout
    assert f"left: rules prod/{team.prompt}: " in stopped.stderr
    assert "peak season" in stopped.stderr
    assert (
        f"left: experiment {team.prompt}-tone: not tried\nleft: rollout comma: not tried\n" in stopped.stderr
    )
    assert "Stopped: 1 done, 3 left." in stopped.stderr
    team.admin.post(f"/v1/freezes/{freeze['id']}/end")
    assert len(team.apply()["done"]) == 3
    assert team.plan()["agrees"]


def test_nothing_is_changed_where_a_file_is_wrong_or_nobody_can_be_asked(team: Team) -> None:
    everything(team)
    team.pushed("1.0.0", "1.0.1")
    before = team.audit()
    done = team.run("apply", "conf", "--yes")  # 1.0.2 is nowhere
    assert done.returncode == 1
    assert f"conf/rollouts/comma.yaml:2: there is no {team.prompt}@1.0.2" in done.stderr
    assert "did you mean 1.0.0?" in done.stderr or "did you mean 1.0.1?" in done.stderr
    assert "nothing was changed" in done.stderr
    team.version("1.0.2")
    team.version("1.0.1", words=" edited")
    edited = team.run("apply", "conf", "--yes", "--json")
    assert (edited.returncode, edited.stdout) == (1, "")
    assert "1.0.1.md: the file was edited since it was published" in edited.stderr
    assert team.audit() == before
    assert team.run("apply", "conf").returncode == 2
    assert team.audit() == before


def answered(team: Team, text: str, meanwhile: Person | None = None) -> tuple[int, str]:
    """Applies at a terminal, waits for the question, and answers; somebody may act in between."""
    ours, theirs = pty.openpty()
    env = {"COALMINE_SERVER_URL": team.server.url, "COALMINE_TOKEN": team.admin.token}
    said = team.home / "stderr"
    with said.open("wb") as stderr:
        asked = subprocess.Popen(
            [*COMMAND, "apply", "conf"],
            cwd=team.home,
            env=environment(team.home, env),
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        try:
            eventually(lambda: "Apply this?" in said.read_text(), what="the question")
            if meanwhile is not None:
                rule = {"name": "mine", "when": {"tier": ["free"]}, "serve": {"version": "1.0.0"}}
                path = f"/v1/environments/prod/prompts/{team.prompt}/rules"
                meanwhile.put(path, {"rules": [rule]})
            os.write(ours, text.encode())
            code = asked.wait(timeout=60)
        finally:
            asked.kill()
            asked.wait()
            os.close(ours)
            os.close(theirs)
    return code, Path(said).read_text()


def test_a_terminal_is_asked_and_a_change_in_between_is_noticed(team: Team) -> None:
    team.write("environments/prod.yaml", PROD)
    team.pushed("1.0.0")
    team.admin.promote(team.prompt, "1.0.0", "prod")
    code, said = answered(team, "n\n")
    assert (code, "nothing was changed" in said) == (1, True)
    assert team.served()["rules"] == []
    code, said = answered(team, "y\n", meanwhile=team.admin)
    assert code == 1
    assert "revision" in said
    assert "Stopped: 0 done, 1 left." in said
    assert [each["name"] for each in team.served()["rules"]] == ["mine"]  # not written over
    code, said = answered(team, "y\n")
    assert (code, "Applied: 1 done." in said) == (0, True)
