"""Mistakes in a folder of configuration: each with its file, line, key and remedy, without a server."""

import os
from pathlib import Path

import pytest

from coalmine_schemas.prompt_files.folder import InvalidFiles
from coalmine_server.cli.configuration.files import read_files
from tests.support.doubles.without_rights import without_rights
from tests.support.processes.coalmine_process import coalmine

NOWHERE = {"COALMINE_SERVER_URL": "http://127.0.0.1:9"}
"""No server listens there: what is refused is refused without one."""


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def refusal(tmp_path: Path, files: dict[str, str], *options: str) -> str:
    """What `plan` says of a folder; `apply` says the same."""
    written(tmp_path / "conf", files)
    done = coalmine("plan", "conf", *options, home=tmp_path, env=NOWHERE)
    applied = coalmine("apply", "conf", "--yes", home=tmp_path, env=NOWHERE)
    assert (done.returncode, applied.returncode) == (1, 1), done.stderr
    assert (done.stdout, applied.stdout) == ("", "")
    assert done.stderr == applied.stderr
    return done.stderr


ARMS = "arms: [{variant: t, version: 1.0.1, weight: 0.1}, {variant: control, version: 1.0.0, weight: 0.9}]\n"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "environments/prod.yaml",
            "prompts:\n  refund:\n    verison: 1.0.0\n",
            "environments/prod.yaml:3: unknown key 'verison' of prompts.refund: did you mean version?",
        ),
        (
            "environments/prod.yaml",
            "policy:\n  required_evidence: []\n  expected_revision: 3\n",
            "prod.yaml:3: unknown key 'expected_revision' of policy: known are evidence_max_age_days, ",
        ),
        ("environments/live.yaml", "prompts: {}\n", "live.yaml:1: no environment is called 'live'"),
        (
            "environments/prod.yaml",
            "prompts:\n  refund:\n    rules:\n      - {name: a, when: {}, serve: {version: 1.0.0}}\n",
            "prod.yaml:4: rule 'a' matches nobody: name a segment",
        ),
        (
            "environments/prod.yaml",
            "prompts:\n  refund:\n    rules:\n"
            "      - {name: a, when: {t: [x]}, serve: {version: 1.0.0}}\n"
            "      - {name: a, when: {t: [y]}, serve: {version: 1.0.0}}\n",
            "prod.yaml:5: a second rule 'a' of refund",
        ),
        (
            "environments/prod.yaml",
            "prompts:\n  refund:\n    rules:\n      - {name: a, when: {t: [x]}, serve: {experiment: e}}\n",
            "prod.yaml:4: rule 'a' does not serve a version: give {version: 1.2.0}",
        ),
        (
            "environments/prod.yaml",
            "policy:\n  required_evidence: [Eval Run]\n",
            "prod.yaml:2: policy.required_evidence[0] is 'Eval Run': give a word in lower case",
        ),
        ("environments/prod.yaml", "a: 1\na: 2\n", "prod.yaml:1: a key is 'a': write each name once"),
        ("environments/prod.yaml", "a: &x 1\nb: *x\n", "prod.yaml:1: prod.yaml is 'aliases (*name) are not"),
        ("environments/prod.yaml", "a: " + "[" * 5_000, "prod.yaml:1: prod.yaml is 'nested too deep': nest"),
        ("environments/prod.yaml", "a: [1\n", "prod.yaml:2: prod.yaml is "),
        (
            "experiments/tone.yaml",
            f"prompt: refund\nnmae: x\n{ARMS}",
            "experiments/tone.yaml:2: unknown key 'nmae': known are arms, control, environment, evidence, ",
        ),
        ("experiments/tone.yaml", ARMS, "experiments/tone.yaml:1: prompt: it is missing: give it"),
        (
            "experiments/tone.yaml",
            "prompt: refund\narms: [{variant: t, version: 1.0, weight: 0.1}, {variant: c, version: 1.0.0}]\n",
            "tone.yaml:2: arms[0].version is 1.0: give a text; put numbers such as versions in quotes",
        ),
        (
            "experiments/tone.yaml",
            f"prompt: refund\n{ARMS}".replace("0.9", "0.8"),
            "tone.yaml:2: arms: the weights add up to 0.9",
        ),
        (
            "experiments/tone.yaml",
            f"prompt: refund\ncontrol: x\n{ARMS}",
            "tone.yaml:2: control is 'x': name one of the arms: t, control",
        ),
        (
            "experiments/tone.yaml",
            f"prompt: refund\n{ARMS}plan:\n  metrics:\n    quality: {{role: must_win}}\n",
            "tone.yaml:5: plan.metrics.quality.role is 'must_win': give one of must_prove",
        ),
        (
            "experiments/tone.yaml",
            f"prompt: refund\n{ARMS}plan:\n  goal: [quality]\n",
            "tone.yaml:4: a key of plan is 'goal': did you mean goals?",
        ),
        ("experiments/Tone A.yaml", f"prompt: refund\n{ARMS}", "Tone A.yaml:1: the name of the file is 'T"),
        ("rollouts/x.yaml", "prompt: refund\nversion: 1.0.1\nplan: canary-quick\n", "x.yaml:3: plan is 'can"),
        (
            "rollouts/x.yaml",
            "prompt: refund\nversion: 1.0.1\nplan:\n  stages:\n    - {weight: 200%}\n",
            "x.yaml:5: plan.stages[0].weight is '200%'",
        ),
        (
            "rollouts/x.yaml",
            "prompt: refund\nversion: 1.0.1\nenvironment: live\n",
            "x.yaml:3: environment is 'live': give one of dev, staging, prod",
        ),
        ("rollouts/x.yml", "prompt: refund\n", "x.yml: nothing reads it: files in rollouts are"),
        ("alerts.yaml", "rules:\n  kill_limits: {}\n", "alerts.yaml: a key of rules is 'kill_limits':"),
        ("alert.yaml", "rules: {}\n", "alert.yaml: nothing reads it: did you mean alerts.yaml?"),
        ("experiment/x.yaml", "", "experiment: nothing reads it: did you mean experiments?"),
        ("prompts/refund/1.0.md", "Hi\n", "1.0.md:"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_remedy(tmp_path: Path, file: str, text: str, said: str) -> None:
    assert said in refusal(tmp_path, {file: text})


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    said = refusal(
        tmp_path,
        {
            "prompts/refund/1.0.0.md": "---\nmodle: x\n---\nHi\n",
            "environments/prod.yaml": "policy:\n  requires_suit: true\n  required_evidence: 3\n",
            "rollouts/x.yaml": "version: 1.0.1\n",
        },
    )
    assert "1.0.0.md:2: front matter is 'modle': use only model, " in said
    assert "prod.yaml:2: unknown key 'requires_suit' of policy: did you mean requires_suite?" in said
    assert "prod.yaml:3: policy.required_evidence is 3: give a list" in said
    assert "x.yaml:1: prompt: it is missing: give it" in said
    assert said.endswith("nothing was asked of the registry, and nothing was changed\n")


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    missing = coalmine("plan", "nowhere", "--exit-code", home=tmp_path, env=NOWHERE)
    assert missing.returncode == 1
    assert "nowhere: no such folder; it should hold prompts, environments" in missing.stderr
    assert "none of prompts, environments" in refusal(tmp_path, {"refund/1.0.0.md": "Hi\n"})


def test_what_begins_with_a_dot_or_an_underscore_and_read_mes_are_left_out(tmp_path: Path) -> None:
    files = {"experiments/README.md": "x", "experiments/_draft.yaml": "x: [", ".github/x.yaml": "x"}
    written(tmp_path / "conf", files)
    done = coalmine("plan", "conf", home=tmp_path, env=NOWHERE)
    assert done.returncode == 3  # only then is the server asked
    assert coalmine("apply", "conf", home=tmp_path, env=NOWHERE).returncode == 2  # nobody can be asked


def test_a_pipe_is_named_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "conf" / "environments").mkdir(parents=True)
    for name in ("alerts.yaml", "environments/prod.yaml"):
        os.mkfifo(tmp_path / "conf" / name)
    said = refusal(tmp_path, {})
    assert "alerts.yaml: is no file, or a link to nothing: put a file there, or delete it" in said
    assert "prod.yaml: is no file, or a link to nothing: put a file there, or delete it" in said


@pytest.mark.parametrize("name", ["prompts", "environments", "experiments", "rollouts", "alerts.yaml"])
@pytest.mark.parametrize("kind", ["a link to nothing", "the other"])
def test_what_should_be_a_folder_or_a_file_and_is_none_is_told(tmp_path: Path, name: str, kind: str) -> None:
    """It would look as if there were nothing to compare, and the registry agreed."""
    path = tmp_path / "conf" / name
    path.parent.mkdir()
    if kind == "a link to nothing":
        path.symlink_to("nowhere")
    elif name == "alerts.yaml":
        path.mkdir()
    else:
        path.write_text("", encoding="utf-8")
    assert f"conf/{name}: is no " in refusal(tmp_path, {})


RULE = "prompts:\n  refund:\n    version: 1.0.0\n    rules:\n"
ROLLOUT = "prompt: refund\nversion: 1.0.0\n"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "environments/prod.yaml",
            f'{RULE}      - {{name: "a\\nb", when: {{tier: [x]}}, serve: {{version: 1.0.0}}}}\n',
            "prod.yaml:4: rules[0].name is 'a\\nb': leave out control characters",
        ),
        (
            "environments/prod.yaml",
            f"{RULE}      - {{name: a, when: {{tier: [{'x' * 201}]}}, serve: {{version: 1.0.0}}}}\n",
            "give at most 200 characters",
        ),
        (
            "environments/prod.yaml",
            RULE + "".join(
                f"      - {{name: r{each}, when: {{tier: [x]}}, serve: {{version: 1.0.0}}}}\n"
                for each in range(101)
            ),
            "prod.yaml:4: rules is 'a list of 101': give at most 100",
        ),
        (
            "environments/prod.yaml",
            "prompts:\n  refund:\n    version: 1.0.0\n    evidence: ["
            + ", ".join(["{kind: note, reference: x}"] * 21) + "]\n",
            "prod.yaml:4: evidence is 'a list of 21': give at most 20",
        ),
        (
            "experiments/tone.yaml",
            f'prompt: refund\n{ARMS}evidence: [{{kind: note, reference: "a\\0b"}}]\n',
            "tone.yaml:3: evidence[0].reference is 'a\\x00b': leave out zero bytes",
        ),
        (
            "rollouts/x.yaml",
            f'{ROLLOUT}evidence: [{{kind: note, reference: "a\\0b"}}]\n',
            "x.yaml:3: evidence[0].reference is 'a\\x00b': leave out zero bytes",
        ),
    ],
    ids=["name", "value", "rules", "evidence", "of an experiment", "of a rollout"],
)  # fmt: skip
def test_what_the_registry_would_refuse_of_a_file_is_told_before(
    tmp_path: Path, file: str, text: str, said: str
) -> None:
    assert said in refusal(tmp_path, {file: text})


@pytest.mark.parametrize("name", ["conf", "conf/environments", "conf/prompts"])
def test_a_folder_that_may_not_be_read_is_told_and_not_taken_for_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    written(tmp_path / "conf", {"environments/prod.yaml": "", "prompts/refund/1.0.0.md": "Hi\n"})
    for each in (tmp_path, *tmp_path.rglob("*")):
        each.chmod(0o755)  # whatever the umask
    monkeypatch.chdir(tmp_path)  # below folders that only their owner may enter
    with without_rights(tmp_path / name), pytest.raises(InvalidFiles) as caught:
        read_files(Path("conf"))
    assert caught.value.problems == (f"{name}: cannot be read: Permission denied",)
