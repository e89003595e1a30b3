"""`coalmine plan` tells what the registry would refuse, so that `apply` does not end in the middle."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.cli.configuration.conftest import Team, names
from tests.server.conftest import TRUSTING
from tests.server.registry_client import Person
from tests.support.processes.coalmine_process import ServerProcess

PROD = "prompts:\n  PROMPT:\n    version: 1.0.0\n"
RULES = PROD + "    rules:\n      - {name: a, when: {tier: [x]}, serve: {version: 1.0.0}}\n"


def arms(version: str) -> str:
    return (
        f"arms: [{{variant: t, version: {version}, weight: 0.1}}, "
        "{variant: control, version: 1.0.0, weight: 0.9}]\n"
    )


def problems(team: Team) -> str:
    """What has to be mended; `apply` changes nothing before it is."""
    shown = team.run("plan", "conf", "--json")
    assert shown.returncode == 1, shown.stdout
    before = team.audit()
    assert team.run("apply", "conf", "--yes").returncode == 1
    assert team.audit() == before
    return "\n".join(json.loads(shown.stdout)["problems"])


def test_values_that_read_alike_are_told_apart(team: Team) -> None:
    team.write("environments/prod.yaml", RULES.replace("[x]", '["x or y"]'))
    team.pushed("1.0.0")
    team.apply()
    team.write("environments/prod.yaml", RULES.replace("[x]", "[x, y]"))
    (step,) = team.plan()["steps"]
    (change,) = step["differences"]
    assert '"tier": ["x or y"]' in change["before"]
    assert '"tier": ["x", "y"]' in change["after"]
    team.apply()
    assert team.served()["rules"][0]["when"] == {"tier": ["x", "y"]}


def test_weights_that_read_alike_are_told_apart(team: Team) -> None:
    team.write("environments/prod.yaml", PROD)
    team.pushed("1.0.0", "1.0.1")
    experiment = "prompt: PROMPT\n" + arms("1.0.1").replace("0.1}", "0.33333}").replace("0.9}", "0.66667}")
    team.write("experiments/PROMPT-e.yaml", experiment)
    team.apply()
    team.write(
        "experiments/PROMPT-e.yaml", experiment.replace("33333}", "33334}").replace("66667}", "66666}")
    )
    (step,) = team.plan()["steps"]
    (change,) = step["differences"]
    assert "0.33333" in change["before"]
    assert "0.33334" in change["after"]


def test_a_retired_version_is_a_problem_only_where_it_would_be_served_now(team: Team) -> None:
    team.write("environments/prod.yaml", PROD)
    team.pushed("1.0.0", "1.0.1")
    team.write("experiments/PROMPT-over.yaml", "prompt: PROMPT\n" + arms("1.0.1"))
    team.apply()
    for command in (("experiment", "stop", f"{team.prompt}-over"), ("retire", team.prompt, "1.0.1")):
        done = team.run(*command, "--reason", "x")
        assert done.returncode == 0, done.stderr
    assert team.plan()["steps"] == []
    team.write("environments/prod.yaml", PROD.replace("1.0.0", "1.0.1"))
    assert f"prod.yaml:3: {team.prompt}@1.0.1 is retired and cannot be served: take" in problems(team)
    team.write("environments/prod.yaml", RULES.replace("{version: 1.0.0}", "{version: 1.0.1}"))
    assert f"prod.yaml:5: {team.prompt}@1.0.1 is retired" in problems(team)
    team.write("environments/prod.yaml", PROD)
    team.write("experiments/PROMPT-new.yaml", "prompt: PROMPT\n" + arms("1.0.1"))
    team.write("rollouts/r.yaml", "prompt: PROMPT\nversion: 1.0.1\n")
    said = problems(team)
    assert f"new.yaml:2: {team.prompt}@1.0.1 is retired" in said
    assert f"r.yaml:2: {team.prompt}@1.0.1 is retired" in said


def test_a_too_small_bump_between_two_new_versions_is_told_before_either_is_registered(team: Team) -> None:
    team.version("1.0.0")
    text = "---\nvariables: {other: string}\n---\nPROMPT Hello {{ other }}\n"
    team.write("prompts/PROMPT/1.0.1.md", text)
    assert "1.0.1.md: 1.0.0 to 1.0.1 is a patch bump, but the change needs a major" in problems(team)
    team.write("prompts/PROMPT/2.0.0.md", text)
    (team.folder / "prompts" / team.prompt / "1.0.1.md").unlink()
    assert len(team.apply()["done"]) == 2


def test_a_place_that_is_none_is_told(team: Team) -> None:
    team.write("environments/prod.yaml", RULES)
    team.pushed("1.0.0", "1.0.1")
    team.write("experiments/PROMPT-a.yaml", "prompt: PROMPT\nenvironment: dev\n" + arms("1.0.1"))
    team.write("experiments/PROMPT-b.yaml", "prompt: PROMPT\nrule: aa\n" + arms("1.0.1"))
    team.write("rollouts/c.yaml", "prompt: PROMPT\nversion: 1.0.1\nrule: other\n")
    said = problems(team)
    assert f"a.yaml:2: dev serves nothing of {team.prompt}: give it a version in environments/dev.y" in said
    assert f"b.yaml:2: {team.prompt} has no rule 'aa' in prod: did you mean a?" in said
    assert f"c.yaml:3: {team.prompt} has no rule 'other' in prod: add it to environments/prod.yaml" in said


def test_what_waits_for_a_place_is_left_and_the_rest_is_done(team: Team) -> None:
    team.write("environments/prod.yaml", RULES)
    team.pushed("1.0.0", "1.0.1", "1.0.2")
    team.write("experiments/PROMPT-a.yaml", "prompt: PROMPT\nrule: a\n" + arms("1.0.1"))
    team.write("experiments/PROMPT-b.yaml", "prompt: PROMPT\nrule: a\n" + arms("1.0.2"))
    team.write("rollouts/c.yaml", "prompt: PROMPT\nversion: 1.0.2\nrule: a\n")
    team.write("rollouts/d.yaml", "prompt: PROMPT\nversion: 1.0.2\nplan: canary-standard\n")
    assert len(team.apply()["done"]) == 4
    after = team.plan()
    assert (after["steps"], names(after["left"])) == ([], [f"experiment {team.prompt}-b", "rollout c"])
    assert all(f"experiment {team.prompt}-a runs in that place" in each["why"] for each in after["left"])


@pytest.fixture
def few(tmp_path: Path) -> Iterator[Team]:
    """A team whose server has room for two rollouts in an environment."""
    settings = {"COALMINE_ROLLOUTS_MOST_AT_ONCE": "2", **TRUSTING}
    with (
        ServerProcess(tmp_path / "server", settings, part="registry") as server,
        Person.local(server) as admin,
        admin.make("author", "author") as author,
    ):
        yield Team(server, admin, author, author, tmp_path, "few")


def test_rollouts_beyond_the_most_at_once_are_left_and_the_others_start(few: Team) -> None:
    team = few
    rules = ["a", "b", "c", "d"]
    served = [
        f"      - {{name: {each}, when: {{tier: [{each}]}}, serve: {{version: 1.0.0}}}}\n" for each in rules
    ]
    team.write("environments/dev.yaml", f"{PROD}    rules:\n{''.join(served)}")
    team.pushed("1.0.0", "1.0.1")
    for rule in rules:
        terms = f"prompt: PROMPT\nversion: 1.0.1\nenvironment: dev\nrule: {rule}\nplan: canary-standard\n"
        team.write(f"rollouts/{rule}.yaml", terms)
    planned = team.plan()
    assert names(planned["steps"])[2:] == ["rollout a", "rollout b"]
    assert names(planned["left"]) == ["rollout c", "rollout d"]
    assert (
        "0 rollouts hold places in dev, 2 of these files start there, and at most 2 may: "
        in planned["left"][0]["why"]
    )
    assert names(team.apply()["done"]) == names(planned["steps"])
    after = team.plan()
    assert (after["steps"], names(after["left"])) == ([], names(planned["left"]))
    assert all("2 rollouts hold places in dev, and at most 2 may: " in each["why"] for each in after["left"])
    # One more in a place that is held waits there and needs no other.
    team.version("1.0.2")
    more = f"prompt: PROMPT\nversion: 1.0.2\nenvironment: dev\nrule: {rules[0]}\nif_taken: queue\n"
    team.write("rollouts/again.yaml", f"{more}plan: canary-standard\n")
    assert names(team.apply()["done"]) == [f"prompt {team.prompt}@1.0.2", "rollout again"]


def test_the_experiment_of_a_rollout_is_not_for_the_files(team: Team) -> None:
    team.write("environments/prod.yaml", PROD)
    team.pushed("1.0.0", "1.0.1")
    team.write("rollouts/d.yaml", "prompt: PROMPT\nversion: 1.0.1\nplan: canary-standard\n")
    team.apply()
    name = f"ro-{team.prompt}-1.0.1-1"
    team.write(f"experiments/{name}.yaml", "prompt: PROMPT\n" + arms("1.0.1"))
    assert f"{name} is the experiment of a rollout, which steers it" in problems(team)


def test_a_token_for_other_prompts_does_not_take_them_for_missing(team: Team) -> None:
    team.write("environments/prod.yaml", PROD)
    team.pushed("1.0.0")
    with team.admin.make("scoped", "admin", prompts=["other-*"]) as scoped:
        done = team.run("plan", "conf", by=scoped)
    assert done.returncode == 1
    assert f"the token of scoped is for the prompts other-*; the files have {team.prompt}, too" in done.stderr
    team.write("environments/prod.yaml", "policy: {required_evidence: []}\n" + PROD)
    with team.admin.make("scoped-2", "admin", prompts=[f"{team.prompt}*"]) as scoped:
        done = team.run("apply", "conf", "--yes", by=scoped)
    assert done.returncode == 1
    assert "and policies are for all\nkeep policies in a folder of their own" in done.stderr
