"""What a service gets from `cm.prompt`, and what it says on events."""

import json
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from coalmine_schemas.prompts import (
    MissingVariables,
    PromptContent,
    UnknownEnvironment,
    UnknownPrompt,
    assignment_point,
)
from tests.producers.prompts.conftest import MakeClient
from tests.support.data.prompt_examples import experiment_json, snapshot_json
from tests.support.oracles.produced import requests_of, spooled

TREATED = next(f"u{i}" for i in range(100) if assignment_point("5c1f", f"u{i}") < 0.1)
CONTROL = next(f"u{i}" for i in range(100) if assignment_point("5c1f", f"u{i}") >= 0.1)


def test_a_unit_gets_its_arm_and_the_event_says_so(tmp_path: Path, make_client: MakeClient) -> None:
    cm = make_client(fallback=experiment_json(epoch=4))
    prompt = cm.prompt("support-refund", unit_id=TREATED, session_id="s1", segments={"tier": "free"})
    assert (prompt.name, prompt.version, prompt.variant) == ("support-refund", "1.1.0", "treatment")
    assert (prompt.experiment, prompt.allocation_epoch, prompt.resolution) == ("refund-tone", 4, "fallback")
    assert (prompt.model, prompt.parameters) == ("model-1.1.0", {})
    assert prompt.render(question="why?") == "v1.1.0 why?"
    assert prompt.messages(question="why?") == [{"role": "user", "content": "v1.1.0 why?"}]
    with prompt.call(provider="openai", trace_id="t") as call:
        assert call.model == "model-1.1.0"
    with cm.prompt("support-refund", unit_id=CONTROL).call(model="other"):
        pass
    cm.close(30)
    first, second = requests_of(spooled(tmp_path))
    served = ("prompt", "version", "variant", "experiment", "allocation_epoch", "resolution", "environment")
    assert [first[name] for name in served] == [
        *("support-refund", "1.1.0", "treatment", "refund-tone", 4, "fallback", "prod")
    ]
    asked = ("unit_id", "session_id", "segments", "request_model", "provider", "trace_id")
    assert [first[name] for name in asked] == [
        *(TREATED, "s1", {"tier": "free", "input_length": "<500"}, "model-1.1.0", "openai", "t")
    ]
    assert [second[name] for name in served[1:4]] == ["1.0.0", "control", "refund-tone"]
    assert (second["unit_id"], second["request_model"]) == (CONTROL, "other")


def test_a_rule_chooses_before_the_experiment(make_client: MakeClient) -> None:
    cm = make_client(fallback=experiment_json())
    prompt = cm.prompt("support-refund", unit_id=TREATED, segments={"tier": "public", "country": "DE"})
    assert (prompt.version, prompt.variant, prompt.experiment) == ("0.9.0", None, None)


def test_who_prefers_an_offered_version_gets_it_outside_of_the_experiment(
    tmp_path: Path, make_client: MakeClient
) -> None:
    offering = experiment_json()
    offering["prompts"]["support-refund"]["offered"] = ["0.9.0"]
    cm = make_client(fallback=offering)
    prompt = cm.prompt("support-refund", unit_id=TREATED, prefer="0.9.0")
    assert (prompt.version, prompt.variant, prompt.experiment) == ("0.9.0", "preferred", None)
    assert prompt.render(question="x") == "v0.9.0 x"
    with prompt.call():
        pass
    assert cm.prompt("support-refund", unit_id=TREATED).variant == "treatment"  # going back
    cm.close(30)
    (sent,) = requests_of(spooled(tmp_path))
    named = ("version", "variant", "experiment", "allocation_epoch", "unit_id")
    assert [sent[name] for name in named] == ["0.9.0", "preferred", None, None, TREATED]


@pytest.mark.parametrize("prefer", ["1.1.0", "7.0.0", "", 3, object()])
def test_what_is_not_offered_changes_nothing_and_is_said_once(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture, prefer: Any
) -> None:
    cm = make_client(fallback=experiment_json(), strict=True)
    for unit in (TREATED, CONTROL, TREATED):
        with_it = cm.prompt("support-refund", unit_id=unit, prefer=prefer)
        assert with_it.variant == cm.prompt("support-refund", unit_id=unit).variant
    told = [record for record in caplog.records if "does not offer" in record.getMessage()]
    assert len(told) == (prefer != "")


@pytest.mark.parametrize(("given", "text"), [(3, "3"), (True, "true"), (False, "false"), ("DE", "DE")])
def test_units_and_segments_are_text_for_rules_arms_and_events(
    tmp_path: Path, make_client: MakeClient, given: Any, text: str
) -> None:
    snapshot = json.dumps(experiment_json(0.5)).replace('"DE"', f'"{text}"')
    cm = make_client(fallback=json.loads(snapshot))
    with cm.prompt("support-refund", unit_id=given, segments={"tier": "public", "country": given}).call():
        pass
    for unit in (given, text):
        with cm.prompt("support-refund", unit_id=unit).call():
            pass
    cm.close(30)
    matched, one, other = requests_of(spooled(tmp_path))
    assert (matched["version"], matched["segments"]) == ("0.9.0", {"tier": "public", "country": text})
    assert one["unit_id"] == other["unit_id"] == matched["unit_id"] == text
    assert one["version"] == other["version"]


def test_without_user_the_session_is_the_unit_and_without_both_every_prompt(
    tmp_path: Path, make_client: MakeClient
) -> None:
    cm = make_client(fallback=experiment_json(0.5))
    assert len({cm.prompt("support-refund", session_id="s").version for _ in range(20)}) == 1
    alone = [cm.prompt("support-refund") for _ in range(60)]
    assert len({prompt.version for prompt in alone}) == 2
    for _ in range(2):  # two calls of one prompt are one unit, so that what was served fits who was served
        with alone[0].call():
            pass
    cm.close(30)
    records = requests_of(spooled(tmp_path))
    assert {record["unit_id"] for record in records} == {alone[0].unit_id}
    assert len({record["request_id"] for record in records}) == 2


def test_another_environment_is_asked_for_by_name(tmp_path: Path, make_client: MakeClient) -> None:
    cm = make_client(fallback=snapshot_json(environment="staging"))
    prompt = cm.prompt("support-refund", environment="staging")
    with prompt.call():
        pass
    cm.close(30)
    (record,) = requests_of(spooled(tmp_path))
    assert (record["environment"], record["app"]) == ("staging", "support-bot")


def test_an_exact_version_is_served_without_experiment(make_client: MakeClient) -> None:
    cm = make_client(fallback=experiment_json())
    prompt = cm.prompt("support-refund", TREATED, version="1.0.0")
    assert (prompt.version, prompt.variant, prompt.experiment, prompt.resolution) == (
        "1.0.0",
        None,
        None,
        "fixed",
    )
    assert prompt.render(question="x") == "v1.0.0 x"
    with pytest.raises(UnknownPrompt, match=r"prod .*does not hold support-refund@9\.9\.9.*promote"):
        cm.prompt("support-refund", version="9.9.9")


class _Name(str, Enum):  # noqa: UP042 - of this kind a member is its name within another text
    PROMPT = "support-refund"
    VERSION = "1.0.0"
    UNIT = TREATED


def test_names_may_be_members_of_an_enumeration_of_texts(make_client: MakeClient) -> None:
    offering = experiment_json()
    offering["prompts"]["support-refund"]["offered"] = ["1.0.0"]
    cm = make_client(fallback=offering)
    assert cm.prompt(_Name.PROMPT, _Name.UNIT).variant == "treatment"
    assert cm.prompt(_Name.PROMPT, version=_Name.VERSION).render(question="x") == "v1.0.0 x"
    assert cm.prompt(_Name.PROMPT, prefer=_Name.VERSION).render(question="x") == "v1.0.0 x"


def test_an_unknown_prompt_is_an_error_that_helps(make_client: MakeClient) -> None:
    cm = make_client(fallback=snapshot_json())
    with pytest.raises(UnknownPrompt, match=r"prod .*no prompt 'suport-refund': did you mean support-refund"):
        cm.prompt("suport-refund")


def test_an_unknown_environment_is_an_error_that_says_what_was_tried(
    tmp_path: Path, make_client: MakeClient
) -> None:
    cm = make_client(fallback=snapshot_json(), environment="qa")
    for _ in range(2):
        with pytest.raises(UnknownEnvironment) as caught:
            cm.prompt("support-refund")
        told = str(caught.value)
        for part in (
            "environment qa",
            f"The registry: none runs in {tmp_path}.",
            f"{tmp_path / 'cache' / 'deployments-qa.json'} does not exist",
            "describes environment prod, not qa",
            "COALMINE_SERVER_URL",
        ):
            assert part in told


def test_missing_variables_are_the_services_error(make_client: MakeClient) -> None:
    prompt = make_client(fallback=snapshot_json()).prompt("support-refund")
    with pytest.raises(MissingVariables, match="question"):
        prompt.render(qestion="x")


def test_values_that_a_prompt_does_not_declare_are_told_and_ignored(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    prompt = make_client(fallback=snapshot_json()).prompt("support-refund")
    said = prompt.render(question="why?")
    assert not caplog.records
    assert prompt.render(question="why?", qestion="x") == said
    (told,) = [record.getMessage() for record in caplog.records]
    assert "was given qestion, which it does not declare" in told
    assert "question" in told
    assert prompt.render(question="why?", **{"self": "x"}) == said
    assert prompt.messages(question="why?", **{"self": "x"}) == prompt.messages(question="why?")


def test_the_parameters_of_a_version_are_at_hand_for_the_call(make_client: MakeClient) -> None:
    snapshot = snapshot_json()
    for each in snapshot["contents"].values():
        each["parameters"] = {"temperature": 0.2, "max_tokens": 300}
    prompt = make_client(fallback=snapshot).prompt("support-refund")
    with prompt.call(model="gpt-4o-mini") as call:
        assert {**call.parameters} == {"temperature": 0.2, "max_tokens": 300}


def test_what_one_request_does_to_parameters_is_not_done_to_others(make_client: MakeClient) -> None:
    snapshot = snapshot_json()
    snapshot["contents"]["support-refund@1.0.0"]["parameters"] = {"temperature": 0.2}
    cm = make_client(fallback=snapshot)
    changed: list[Any] = [cm.prompt("support-refund").parameters]
    with cm.prompt("support-refund").call() as call:
        changed.append(call.parameters)
    for parameters in changed:
        parameters["temperature"] = 0.9
    with cm.prompt("support-refund").call() as call:
        assert call.parameters == cm.prompt("support-refund").parameters == {"temperature": 0.2}


def test_includes_come_from_the_same_snapshot(make_client: MakeClient) -> None:
    value = snapshot_json()
    value["contents"]["support-refund@1.0.0"] = PromptContent(
        template='{% include "style@2.0.0" %}!'
    ).to_json()
    value["contents"]["style@2.0.0"] = PromptContent(template="kindly").to_json()
    assert make_client(fallback=value).prompt("support-refund").render() == "kindly!"
    value["contents"]["style@2.0.0"] = PromptContent(template="curtly").to_json()
    assert make_client(fallback=value).prompt("support-refund").render() == "curtly!"


@pytest.mark.parametrize("shape", ["file", "directory", "text", "json", "variable"])
def test_a_fallback_is_a_file_a_directory_or_the_json(
    shape: str, tmp_path: Path, make_client: MakeClient
) -> None:
    file = tmp_path / "shipped" / "deployments-prod.json"
    file.parent.mkdir()
    file.write_text(json.dumps(snapshot_json()), encoding="utf-8")
    fallbacks: dict[str, Any] = {
        "file": file,
        "directory": file.parent,
        "text": str(file),
        "json": snapshot_json(),
    }
    if shape == "variable":
        environ = {"COALMINE_APP": "a", "COALMINE_FALLBACK": str(file), "COALMINE_HOME": str(tmp_path)}
        with Coalmine.from_env(environ) as cm:
            assert cm.prompt("support-refund").resolution == "fallback"
    else:
        assert make_client(fallback=fallbacks[shape]).prompt("support-refund").resolution == "fallback"
