"""`coalmine plan`: what differs between files and registry, and what is left to people."""

import json
from pathlib import Path

import pytest

from tests.server.cli.configuration.conftest import Team, names
from tests.support.processes.coalmine_process import ServerProcess, coalmine

ENTERPRISE = "{name: enterprise, when: {tier: [enterprise, pro]}, serve: {version: 1.0.0}}"
TRIAL = "{name: trial, when: {tier: [trial]}, serve: {version: 1.0.0}}"
BY_HAND: dict[str, object] = {"name": "by-hand", "when": {"tier": ["beta"]}, "serve": {"version": "1.0.1"}}


def prod(team: Team, version: str | None, *rules: str) -> None:
    """What prod serves, as a file."""
    text = "prompts:\n  PROMPT:\n" + ("" if version is None else f"    version: {version}\n")
    text += "    rules: []\n" if not rules else "    rules:\n"
    team.write("environments/prod.yaml", text + "".join(f"      - {rule}\n" for rule in rules))


def set_rules(team: Team, rules: list[dict[str, object]]) -> None:
    team.admin.put(f"/v1/environments/prod/prompts/{team.prompt}/rules", {"rules": rules})


@pytest.fixture
def served(team: Team) -> Team:
    """Prod serves 1.0.0 and two rules, as the files say."""
    prod(team, "1.0.0", ENTERPRISE, TRIAL)
    team.pushed("1.0.0", "1.0.1", "1.0.2")
    team.apply()
    return team


def test_versions_registered_by_hand_are_said_and_other_prompts_are_noted(served: Team) -> None:
    content = {
        "template": f"{served.prompt} by hand {{{{ name }}}}",
        "variables": {"name": {"type": "string"}},
    }
    served.author.register(served.prompt, "1.0.3", content)
    served.author.register(f"{served.prompt}-other", "1.0.0", content)
    done = served.run("plan", "conf", "--exit-code")
    assert done.returncode == 2
    assert "Not in the files, and left as it is:\n" in done.stdout
    assert f"? prompt {served.prompt}@1.0.3: registered by author-" in done.stdout
    assert f"{served.prompt}-other" in done.stderr
    assert "Nothing to apply; what differs is left to people." in done.stderr
    assert served.apply()["done"] == []
    served.admin.post(f"/v1/prompts/{served.prompt}/versions/1.0.3/retire")
    assert served.plan()["agrees"]  # a retired version needs no file


def test_an_edited_version_has_to_be_mended_first(served: Team) -> None:
    served.version("1.0.1", words=" edited")
    for options in ((), ("--exit-code",)):
        done = served.run("plan", "conf", *options)
        assert done.returncode == 1
        assert (
            f"conf/prompts/{served.prompt}/1.0.1.md: the file was edited since it was published"
            in done.stderr
        )
    found = json.loads(served.run("plan", "conf", "--json").stdout)
    assert (found["agrees"], len(found["problems"])) == (False, 1)
    assert served.run("apply", "conf", "--yes").returncode == 1


def test_a_too_small_bump_has_to_be_mended_before_anything_is_applied(served: Team) -> None:
    served.write("prompts/PROMPT/1.0.3.md", "---\nvariables: {other: string}\n---\nHi {{ other }}\n")
    prod(served, "1.0.0", TRIAL)
    done = served.run("apply", "conf", "--yes")
    assert done.returncode == 1
    assert "1.0.3.md: " in done.stderr
    assert [each["name"] for each in served.served()["rules"]] == ["enterprise", "trial"]


def test_a_reader_may_plan_what_registers_nothing(served: Team) -> None:
    assert served.plan(by=served.reader)["agrees"]
    prod(served, "1.0.1", ENTERPRISE, TRIAL)
    assert names(served.plan(by=served.reader)["steps"]) == [f"version prod/{served.prompt}"]
    refused = served.run("apply", "conf", "--yes", by=served.reader)
    assert (refused.returncode, "takes the role author" in refused.stderr) == (1, True)


def test_rules_of_the_registry_alone_stay_in_their_place_unless_pruned(served: Team) -> None:
    before = served.served()["rules"]
    set_rules(served, [before[0], BY_HAND, before[1]])
    found = served.plan()
    assert (found["steps"], found["agrees"]) == ([], False)
    assert found["not_in_files"] == [
        {"kind": "rules", "name": f"prod/{served.prompt} by-hand", "why": "--prune removes it"}
    ]
    prod(served, "1.0.0", TRIAL.replace("trial]", "trial, free]"), ENTERPRISE)
    (step,) = served.plan()["steps"]
    assert [(each["field"], each["before"], each["after"]) for each in step["differences"]] == [
        ("trial", "1.0.0 where tier is trial", "1.0.0 where tier is trial or free"),
        ("order", "enterprise, by-hand, trial", "trial, enterprise, by-hand"),
    ]
    served.apply()
    assert [each["name"] for each in served.served()["rules"]] == ["trial", "enterprise", "by-hand"]
    shown = served.run("plan", "conf", "--prune")
    assert "    - by-hand: 1.0.1 where tier is beta\n" in shown.stdout
    assert "Plan: 0 to create, 1 to change, 1 rules to remove." in shown.stderr
    served.apply("--prune")
    assert [each["name"] for each in served.served()["rules"]] == ["trial", "enterprise"]
    assert served.plan("--prune")["agrees"]
    prod(served, "1.0.0")
    served.apply("--prune")
    assert served.served()["rules"] == []


def test_a_rule_changed_by_hand_is_put_back_and_one_with_an_experiment_is_not_touched(served: Team) -> None:
    before = served.served()["rules"]
    set_rules(served, [{**before[0], "serve": {"version": "1.0.1"}}, before[1]])
    (step,) = served.plan()["steps"]
    assert [(each["field"], each["before"]) for each in step["differences"]] == [
        ("enterprise", "1.0.1 where tier is enterprise or pro")
    ]
    served.apply()
    arms = [
        {"variant": "t", "version": "1.0.1", "weight": 0.1},
        {"variant": "c", "version": "1.0.0", "weight": 0.9},
    ]
    path = f"/v1/environments/prod/prompts/{served.prompt}/experiments"
    name = f"{served.prompt}-tone"
    served.admin.post(path, {"name": name, "arms": arms, "rule": "trial"}, expect=201)
    assert served.plan()["agrees"]  # experiments have no folder here: they are not compared
    prod(served, "1.0.0", ENTERPRISE)
    found = served.plan("--prune")
    assert found["steps"] == []
    assert "something runs in its place" in found["not_in_files"][0]["why"]
    prod(served, "1.0.0", ENTERPRISE, TRIAL.replace("1.0.0", "1.0.2"))
    (left,) = served.plan()["left"]
    assert f"experiment {name} runs there" in left["why"]
    (served.folder / "experiments").mkdir()
    prod(served, "1.0.0", ENTERPRISE, TRIAL)
    found = served.plan("--prune")
    assert [each["name"] for each in found["not_in_files"]] == [name]
    assert served.apply("--prune")["done"] == []
    assert served.admin.get(f"/v1/experiments/{name}")["status"] == "running"


def test_the_served_version_goes_forward_once_and_never_back_by_itself(served: Team) -> None:
    prod(served, "1.0.1", ENTERPRISE, TRIAL)
    (step,) = served.plan()["steps"]
    assert (step["action"], step["differences"]) == (
        "change",
        [{"field": "version", "before": "1.0.0", "after": "1.0.1"}],
    )
    served.apply()
    assert served.served()["version"] == "1.0.1"
    served.admin.post(
        f"/v1/environments/prod/prompts/{served.prompt}/rollback", {"reason": "it insults people"}
    )
    done = served.run("plan", "conf", "--exit-code")
    assert done.returncode == 2
    assert (
        f"! version prod/{served.prompt}: 1.0.0 is served, the file says 1.0.1: 1.0.1 was served be"
        in done.stdout
    )
    assert served.apply()["done"] == []
    assert served.served()["version"] == "1.0.0"
    prod(served, "1.0.2", ENTERPRISE, TRIAL)
    served.apply()
    prod(served, "1.0.0", ENTERPRISE, TRIAL)  # a file that is behind takes nothing back either
    assert served.apply()["done"] == []
    assert served.served()["version"] == "1.0.2"


def test_a_rejected_promotion_is_not_asked_for_again(served: Team) -> None:
    prod(served, "1.0.1", ENTERPRISE, TRIAL)
    served.apply(by=served.author)
    (pending,) = [
        each
        for each in served.admin.get("/v1/promotions", params={"status": "pending"})["items"]
        if each["prompt"] == served.prompt
    ]
    served.admin.post(f"/v1/promotions/{pending['id']}/reject", {"reason": "no"})
    (left,) = served.plan()["left"]
    assert "was rejected by local" in left["why"]
    assert served.apply(by=served.author)["done"] == []


def test_an_experiment_keeps_its_arms_changes_its_weights_and_ends_once(served: Team) -> None:
    text = "prompt: PROMPT\narms:\n  - {variant: t, version: 1.0.1, weight: 0.1}\n"
    control = "  - {variant: control, version: 1.0.0, weight: 0.9}\n"
    name = f"{served.prompt}-tone"
    file = served.write("experiments/PROMPT-tone.yaml", text + control)
    served.apply()
    served.write(file.name, "x")  # nothing reads it: another folder would
    (served.folder / file.name).unlink()
    file.write_text(file.read_text().replace("0.1}", "0.5}").replace("0.9}", "0.5}"))
    (step,) = served.plan()["steps"]
    assert (step["action"], step["differences"]) == (
        "change",
        [
            {
                "field": "arms",
                "before": "t 1.0.1 10%, control 1.0.0 90%",
                "after": "t 1.0.1 50%, control 1.0.0 50%",
            }
        ],
    )
    served.apply()
    assert served.admin.get(f"/v1/experiments/{name}")["allocation_epoch"] == 2
    assert served.plan()["agrees"]
    kept = file.read_text()
    for old, new, said in (
        ("1.0.1", "1.0.2", "with arms t=1.0.1, control=1.0.0, and keeps it"),
        ("arms:", "rule: enterprise\narms:", "with rule None, and keeps it"),
        ("arms:", "plan: {goals: [quality]}\narms:", "with plan another, and keeps it"),
    ):
        file.write_text(kept.replace(old, new))
        done = served.run("apply", "conf", "--yes")
        assert done.returncode == 1
        assert said in done.stderr
    file.write_text(kept)
    served.admin.post(f"/v1/experiments/{name}/stop")
    found = served.plan()
    assert found["agrees"]
    assert any(f"{name} is stopped, and not started again" in each for each in found["notes"])
    assert served.apply()["done"] == []
    file.unlink()
    assert served.plan()["agrees"]


def test_a_rollout_brings_the_version_of_the_file_and_ends_once(served: Team) -> None:
    prod(served, "1.0.1", ENTERPRISE, TRIAL)
    file = served.write("rollouts/x.yaml", "prompt: PROMPT\nversion: 1.0.1\nplan: canary-fast\n")
    assert names(served.plan()["steps"]) == ["rollout x"]  # no promotion beside it
    served.apply()
    rollout = f"ro-{served.prompt}-1.0.1-1"
    assert served.plan()["agrees"]
    file.write_text(file.read_text().replace("canary-fast", "canary-standard"))
    (left,) = served.plan()["left"]
    assert (left["name"], "its plan is fixed" in left["why"]) == (rollout, True)
    file.unlink()
    (beyond,) = served.plan()["not_in_files"]
    assert (beyond["kind"], beyond["name"]) == ("rollout", rollout)
    served.write("rollouts/x.yaml", "prompt: PROMPT\nversion: 1.0.1\nplan: canary-fast\n")
    served.write("rollouts/y.yaml", "prompt: PROMPT\nversion: 1.0.1\n")
    twice = served.run("plan", "conf")
    assert (twice.returncode, "x.yaml rolls the same version out there" in twice.stderr) == (1, True)
    (served.folder / "rollouts" / "y.yaml").unlink()
    served.admin.post(f"/v1/prompts/{served.prompt}/panic", {"reason": "it insults people"})
    found = served.plan()
    assert found["steps"] == []
    (left,) = found["left"]
    assert f"1.0.0 is served, the file says 1.0.1: rollout {rollout} of 1.0.1 is " in left["why"]
    assert any(f"{rollout} is " in each and "not started again" in each for each in found["notes"])


def test_a_rollout_of_what_a_fresh_registry_serves_at_once_is_not_started(team: Team) -> None:
    prod(team, "1.0.1", ENTERPRISE)
    team.write("rollouts/x.yaml", "prompt: PROMPT\nversion: 1.0.1\n")
    team.pushed("1.0.0", "1.0.1")
    team.apply()
    assert team.served()["version"] == "1.0.1"
    assert team.plan()["agrees"]


def test_with_exit_code_2_is_said_of_differences_alone(served: Team) -> None:
    served.write("environments/prod.yaml", "prompts: {PROMPT: {version: 1.0.0}}\n")
    assert served.run("plan", "conf", "--exit-code").returncode == 0
    env = {"COALMINE_SERVER_URL": served.server.url, "COALMINE_TOKEN": "cm_wrong"}
    codes = [
        coalmine("plan", "conf", *options, home=served.home, env=env).returncode
        for options in ((), ("--exit-code",))
    ]
    assert codes == [2, 1]


def test_alerts_are_compared_where_the_server_evaluates_them(team: Team, tmp_path: Path) -> None:
    text = "rules:\n  kill_limit: {on: false}\nbudgets:\n  all: {usd: 10, period: day}\n"
    team.write("alerts.yaml", text)
    alone = team.plan()
    assert alone["agrees"]
    assert alone["notes"] == ["conf/alerts.yaml is valid, and not compared: this server evaluates no alerts"]
    home = tmp_path / "whole"
    with ServerProcess(home) as server:
        server.wait_ready()
        (home / "conf").mkdir()
        (home / "conf" / "alerts.yaml").write_text(text)
        done = coalmine("plan", "conf", "--exit-code", home=home)
        assert done.returncode == 2
        assert "! alerts rule kill_limit: it is on on the server, and off in the file\n" in done.stdout
        assert "! alerts budget all: only the file has it\n" in done.stdout
        assert "the server reads its own file when it starts" in done.stderr
        applied = coalmine("apply", "conf", "--yes", home=home)
        assert (applied.returncode, "left to people" in applied.stderr) == (0, True)
    (home / "alerts.yaml").write_text(text)
    with ServerProcess(home) as server:
        server.wait_ready()
        done = coalmine("plan", "conf", "--exit-code", home=home)
        assert (done.returncode, done.stdout) == (0, "")
