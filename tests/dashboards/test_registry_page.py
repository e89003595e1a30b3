"""The page of the registry, by Streamlit's own test harness against a real HTTP server."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from coalmine_dashboards.parts import registry_actions
from coalmine_dashboards.parts.actions import perform
from coalmine_registry.classify import Change, Classification
from coalmine_registry.freeze_records import FreezeRecord
from coalmine_registry.provenance import CheckedEvidence, VersionSource
from coalmine_registry.records import (
    Caller,
    DeploymentRecord,
    Diff,
    DiffLine,
    Hygiene,
    HygieneCandidate,
    Policy,
    Promotion,
    PromptSummary,
    ServedVersion,
    VersionRecord,
)
from coalmine_registry.roles import Role
from coalmine_schemas.prompts import ServeVersion
from coalmine_schemas.results import Page
from tests.support.doubles.dashboard_api import DashboardApi, problem
from tests.support.doubles.opened_page import Open, html
from tests.support.doubles.rollout_answers import BEGAN, NAME, a_rollout, dumped

PAGE = "registry"
HOSTILE = "<img src=x onerror=alert(1)> [click](javascript:x)"
PROMPT, PROD = "/v1/prompts/support-refund", "/v1/environments/prod"
CHANGED = Classification("1.2.0", "patch", (Change("the wording changed", "patch"),))
PROMOTION = Promotion(
    id="p-1",
    status="pending",
    prompt="support-refund",
    version="1.3.0",
    environment="prod",
    evidence=(),
    reason=HOSTILE,
    expected_revision=None,
    requested_by="dana",
    requested_at=BEGAN,
    decided_by=None,
    decided_at=None,
    decision_reason=None,
    revision=None,
)
SOURCE = VersionSource("https://git.example.org/prompts", "8f2c1e77aa00bb", HOSTILE, "#41")
VERSION = VersionRecord(
    name="support-refund",
    version="1.3.0",
    digest="sha256:ab",
    author="dana",
    created_at=BEGAN,
    status="active",
    classification=CHANGED,
    source=SOURCE,
    content={},
)
FROZEN = FreezeRecord(3, "prod", None, "holidays", "omar", BEGAN, None, None, None)
UNUSED = HygieneCandidate("support-refund", "0.9.0", BEGAN - timedelta(days=90), None, 4)
DEPLOYED = DeploymentRecord(
    environment="prod",
    prompt="support-refund",
    revision=4,
    version="1.2.0",
    default=ServeVersion("1.2.0"),
    rules=(),
    experiments={},
    offered=(),
    changed_at=BEGAN,
    changed_by="omar",
)
LINES = [DiffLine("file", "--- a"), DiffLine("removed", "-old"), DiffLine("added", f"+{HOSTILE}")]
EVIDENCE = CheckedEvidence(
    "ev-1",
    "eval_run",
    "support-refund",
    "1.3.0",
    "sha256:ab",
    False,
    "7 fail",
    None,
    "ci",
    BEGAN,
    None,
    BEGAN,
)


def page_of(*items: object) -> Callable[[dict[str, str]], Any]:
    return lambda _query: dumped(Page(list(items), None))


def one(value: object) -> Callable[[dict[str, str]], Any]:
    return lambda _query: dumped(value)


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    summary = PromptSummary("support-refund", "1.3.0", 2, BEGAN, BEGAN, {"prod": "1.2.0"})
    waits = a_rollout(state="pending", reasons=("approval: another person than dana has to approve",))
    applied = replace(PROMOTION, id="p-0", status="applied", version="1.2.0", decided_by="omar")

    def promotions(query: dict[str, str]) -> Any:
        return dumped(Page([PROMOTION] if query.get("status") else [PROMOTION, applied], None))

    handlers: dict[str, Any] = {
        "/v1/whoami": one(Caller("omar", Role.APPROVER, None)),
        "/v1/promotions": promotions,
        "/v1/promotions/p-1": one(PROMOTION),
        "/v1/rollouts": page_of(waits),
        "/v1/prompts": page_of(summary),
        "/v1/freezes": page_of(FROZEN),
        "/v1/hygiene": one(Hygiene(True, [UNUSED])),
        PROMPT: one(summary),
        f"{PROMPT}/versions": page_of(VERSION),
        f"{PROMPT}/versions/1.3.0": one(VERSION),
        f"{PROMPT}/diff": one(Diff("support-refund", "1.2.0", "1.3.0", CHANGED, LINES, None, SOURCE)),
        f"{PROMPT}/evidence": page_of(EVIDENCE),
        f"{PROMPT}/as-shipped": one([]),
        "/v1/eval-runs": page_of(),
        f"{PROD}/policy": one(Policy("prod", ("eval_run",), 2, True, False, 30)),
        f"{PROD}/prompts/support-refund": one(DEPLOYED),
        f"{PROD}/prompts/support-refund/served-versions": one(
            [ServedVersion("1.2.0", 4, BEGAN, True), ServedVersion("1.1.0", 2, BEGAN, False)]
        ),
    }
    with DashboardApi(handlers) as found:
        yield found


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Actions without their question: AppTest runs no dialog further than its first drawing."""

    def action(label: str, do: Callable[[str], Any], done: Any, *, key: str, **rest: Any) -> None:
        if st.button(label, key=key, disabled=rest.get("disabled") is not None):
            perform(lambda: do("because"), done)

    monkeypatch.setattr(registry_actions, "action", action)


def words(page: AppTest) -> str:
    return "".join(each.value for each in (*page.markdown, *page.caption)).replace("\\", "")


def test_what_waits_for_a_person_comes_first(open_page: Open) -> None:
    shown = html(open_page())
    assert shown.index("./registry?promotion=p-1") < shown.index("Prompts and what serves them")
    assert f"./rollouts?rollout={NAME}" in shown
    assert "another person than dana has to approve" in shown
    assert "every prompt in prod" in shown
    assert "support-refund 0.9.0" in shown
    assert "<img" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown


def test_an_empty_registry_says_what_to_do(open_page: Open, api: DashboardApi) -> None:
    api.handlers.update(
        {f"/v1/{each}": page_of() for each in ("promotions", "rollouts", "prompts", "freezes")}
    )
    page = open_page()
    assert "Nothing waits" in words(page)
    assert "No prompt is registered" in page.info[0].value
    assert "coalmine push" in html(page)


def test_a_promotion_has_diff_evidence_and_suite_in_one_view(open_page: Open, api: DashboardApi) -> None:
    page = open_page(promotion="p-1")
    shown, said = html(page), words(page)
    assert '<span class="cm-added">+&lt;img src=x' in shown
    assert "7 fail" in shown
    assert "failed" in shown
    assert "evidence of kind eval_run, approval by somebody who did not write it" in said
    assert "Evidence counts for 30 days" in said
    assert "No run of a suite has this content" in said
    assert "prod at revision 4 serves 1.2.0" in said
    assert "8f2c1e77aa #41" in said
    assert ("/v1/eval-runs", {"prompt": "support-refund", "digest": "sha256:ab", "limit": "5"}) in api.asked
    assert "no resource" in open_page(promotion="gone").warning[0].value.replace("\\", "")


def test_what_somebody_else_decides_meanwhile_is_seen(open_page: Open, api: DashboardApi) -> None:
    applied = replace(PROMOTION, status="applied", decided_by="olga", decided_at=BEGAN)
    asked: list[Promotion] = [PROMOTION]
    api.handlers["/v1/promotions/p-1"] = lambda _query: dumped(asked.pop() if asked else applied)
    page = open_page(promotion="p-1")
    assert "Decided by olga" in words(page)
    assert not page.button


def test_nothing_on_the_pages_of_the_registry_stays_as_it_was(open_page: Open, pauses: list[float]) -> None:
    open_page()
    open_page(prompt="support-refund")
    assert pauses == [10.0, 30.0, 30.0]


@pytest.mark.usefixtures("at_once")
def test_an_approver_decides_and_the_author_does_not(open_page: Open, api: DashboardApi) -> None:
    applied = replace(PROMOTION, status="applied")
    api.handlers.update({f"/v1/promotions/p-1/{each}": one(applied) for each in ("approve", "reject")})
    open_page(promotion="p-1").button(key="promotion-approve").click().run()
    open_page(promotion="p-1").button(key="promotion-reject").click().run()
    assert api.posted == [
        ("/v1/promotions/p-1/approve", {}),
        ("/v1/promotions/p-1/reject", {"reason": "because"}),
    ]
    st.cache_data.clear()
    api.handlers["/v1/whoami"] = one(Caller("Dana", Role.APPROVER, None))
    assert open_page(promotion="p-1").button(key="promotion-approve").disabled


def test_a_reader_sees_no_control(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/whoami"] = one(Caller("rita", Role.READER, None))
    for query in ({}, {"promotion": "p-1"}, {"prompt": "support-refund", "version": "1.3.0"}):
        page = open_page(**query)
        assert [str(each.key) for each in page.button] == []
        assert len(page.selectbox) == len(page.multiselect) == len(page.expander) == 0


@pytest.mark.usefixtures("at_once")
def test_an_environment_goes_back_to_what_it_served(open_page: Open, api: DashboardApi) -> None:
    api.handlers[f"{PROD}/prompts/support-refund/rollback"] = one(replace(DEPLOYED, version="1.1.0"))
    page = open_page(prompt="support-refund")
    assert page.selectbox(key="back-to").options == ["1.1.0"]
    page.button(key="roll-back").click().run()
    assert api.posted == [
        (f"{PROD}/prompts/support-refund/rollback", {"to_version": "1.1.0", "reason": "because"})
    ]
    assert api.revisions == ['"4"']


@pytest.mark.usefixtures("at_once")
def test_versions_are_retired_one_by_one_or_together(open_page: Open, api: DashboardApi) -> None:
    retired = replace(VERSION, status="retired")
    api.handlers |= {f"{PROMPT}/versions/{each}/retire": one(retired) for each in ("1.3.0", "0.9.0")}
    open_page(prompt="support-refund", version="1.3.0").button(key="version-status").click().run()
    page = open_page()
    assert page.button(key="retire-unused").disabled
    page.multiselect(key="unused").set_value(["support-refund@0.9.0"]).run()
    page.button(key="retire-unused").click().run()
    assert [path for path, _body in api.posted] == [
        f"{PROMPT}/versions/1.3.0/retire",
        f"{PROMPT}/versions/0.9.0/retire",
    ]


@pytest.mark.usefixtures("at_once")
def test_what_somebody_else_retired_meanwhile_does_not_keep_the_others(
    open_page: Open, api: DashboardApi
) -> None:
    found = [replace(UNUSED, version=each) for each in ("0.8.0", "0.9.0", "0.9.1")]
    api.handlers["/v1/hygiene"] = lambda _query: dumped(Hygiene(True, found[2:] if api.posted else found))
    refused = problem("conflict", 409, "it is retired already")
    api.handlers |= {f"{PROMPT}/versions/{each}/retire": one(VERSION) for each in ("0.8.0", "0.9.1")}
    api.handlers[f"{PROMPT}/versions/0.9.0/retire"] = lambda _query: (409, refused)
    page = open_page()
    page.multiselect(key="unused").set_value([f"support-refund@{each.version}" for each in found]).run()
    page.button(key="retire-unused").click().run()
    assert [path.split("/")[-2] for path, _body in api.posted] == ["0.8.0", "0.9.0", "0.9.1"]
    said = page.error[0].value.replace("\\", "")
    assert said == "2 retired; not support-refund@0.9.0: it is retired already"
    assert not page.exception


@pytest.mark.usefixtures("at_once")
def test_freezes_are_made_and_ended(open_page: Open, api: DashboardApi) -> None:
    posted = one(FROZEN)
    api.handlers["/v1/freezes"] = lambda query: (
        posted(query) if api.posted and api.posted[-1][0] == "/v1/freezes" else page_of(FROZEN)(query)
    )
    api.handlers["/v1/freezes/3/end"] = posted
    page = open_page()
    page.button(key="freeze-end").click().run()
    page.selectbox(key="freeze-environment").set_value("prod").run()
    page.button(key="freeze").click().run()
    assert api.posted == [
        ("/v1/freezes/3/end", {"reason": "because"}),
        ("/v1/freezes", {"prompt": None, "environment": "prod", "until": None, "reason": "because"}),
    ]


@pytest.mark.usefixtures("at_once")
def test_a_prompt_called_all_is_frozen_alone(open_page: Open, api: DashboardApi) -> None:
    (known,) = api.handlers["/v1/prompts"]({})["items"]
    api.handlers["/v1/prompts"] = lambda _query: {"items": [{**known, "name": "all"}], "next_cursor": None}
    posted = one(FROZEN)
    api.handlers["/v1/freezes"] = lambda query: posted(query) if api.posted else page_of(FROZEN)(query)
    page = open_page()
    page.selectbox(key="freeze-prompt").set_value("all").run()
    page.button(key="freeze").click().run()
    assert [body["prompt"] for _path, body in api.posted] == ["all"]
