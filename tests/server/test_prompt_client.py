"""From files to users and back: a real registry, the command, simulated users and a client that follows."""

from collections import Counter
from pathlib import Path
from typing import Any

from coalmine import Coalmine
from coalmine_schemas.prompts import UnknownPrompt
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine_json

_PROMPT = """---
variables:
  question: {type: string}
model: gpt-4o-mini
---
"""


def _version(cm: Coalmine) -> str | None:
    try:
        return cm.prompt("support-refund", "u").version
    except UnknownPrompt:
        return None


def _measured(told: Any) -> set[str]:
    versions = {each["version"] for each in told}
    return versions if len(versions) == 2 else set()


def test_users_get_what_is_promoted_split_and_rolled_back(tmp_path: Path) -> None:
    home = tmp_path / "home"
    prompts = tmp_path / "prompts" / "support-refund"
    prompts.mkdir(parents=True)
    (prompts / "1.0.0.md").write_text(_PROMPT + "Answer: {{ question }}\n", encoding="utf-8")
    (prompts / "1.1.0.md").write_text(_PROMPT + "Answer kindly: {{ question }}\n", encoding="utf-8")
    with ServerProcess(home), Coalmine("support-bot", home=home, spool_dir=tmp_path / "spool") as cm:

        def tell(*arguments: str | Path) -> Any:
            return coalmine_json(*arguments, home=home)

        tell("push", prompts.parent)
        assert cm.wait_for_registry(60)
        assert _version(cm) is None
        boss = tmp_path / "boss"
        boss.write_text(tell("token", "create", "boss", "--role", "approver")["token"], encoding="utf-8")
        tell("promote", "support-refund", "1.0.0", "prod", "--token-file", boss)
        eventually(lambda: _version(cm) == "1.0.0", what="the promotion")
        prompt = cm.prompt("support-refund", "u")
        assert (prompt.resolution, prompt.render(question="why?")) == ("live", "Answer: why?")

        arms = ("--arm", "treatment=1.1.0:0.1", "--arm", "control=1.0.0:0.9")
        tell("experiment", "start", "refund-tone", "--prompt", "support-refund", *arms, "--token-file", boss)
        eventually(lambda: cm.prompt("support-refund", "u").experiment, what="the experiment")
        simulated = (
            "simulate",
            "--registry",
            "support-refund",
            "--mix",
            "--history-hours",
            "0.5",
            "--seconds",
            "0",
        )
        tell(*simulated, "--rate", "2")
        versions = eventually(lambda: _measured(tell("versions")), what="both versions")
        assert versions == {"1.0.0", "1.1.0"}
        arms_of = Counter(cm.prompt("support-refund", f"user-{i}").variant for i in range(2000))
        assert 120 < arms_of["treatment"] < 280

        tell("rollback", "support-refund", "prod", "--to", "1.0.0", "--token-file", boss)
        eventually(lambda: cm.prompt("support-refund", "u").experiment is None, what="the rollback")
        assert {cm.prompt("support-refund", f"user-{i}").version for i in range(200)} == {"1.0.0"}
