"""The page of requests and feedback, by Streamlit's own test harness against a real HTTP server."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from coalmine_consumers.results import (
    CallContext,
    CallFeedback,
    CallPlace,
    Facets,
    FeedbackRow,
    ServedBy,
    StoredCall,
)
from coalmine_evals.results.datasets import Dataset, Proposal, ProposedCase
from coalmine_evals.results.review import (
    ReviewAgreement,
    ReviewAnswer,
    ReviewQuestion,
    ReviewQueue,
    ReviewTask,
)
from coalmine_registry.records import Caller
from coalmine_registry.roles import Role
from tests.support.data.prompt_answers import HOSTILE, NOW, page_of, served
from tests.support.doubles.dashboard_api import DashboardApi, problem
from tests.support.doubles.opened_page import Open, html

PAGE = "requests"
FIRST, SECOND = (f"01930000-0000-7000-8000-{number:012}" for number in (1, 2))
FACETS = Facets(
    prompts=["refund"],
    versions={"refund": ["1.0.0", "1.1.0"]},
    environments=["prod"],
    apps=["support"],
    complete=True,
    first_event_time=NOW,
    last_event_time=NOW,
    models=["gpt-4o-mini"],
)


def a_row(request: str = FIRST, **changes: Any) -> FeedbackRow:
    return FeedbackRow(
        **{
            **{"feedback_id": request, "event_time": NOW, "negative": True, "thumbs": "down", "rating": None},
            **{"comment": HOSTILE, "correction": None, "unit_id": "ann", "request_id": request},
            **{"requested_at": NOW, "environment": "prod", "app": "support", "prompt": "refund"},
            **{"version": "1.0.0", "model": "gpt-4o-mini", "experiment": None, "variant": None},
            **{"latency_ms": 1_234.0, "cost_nano_usd": 21_000, "output_tokens": 512, "segments": {}},
            **{"private": True, **changes},
        }
    )


def a_call(**changes: Any) -> StoredCall:
    said = CallFeedback(NOW, "support", "down", None, HOSTILE, "14 days", "ann")
    unknown = (
        *("experiment", "variant", "allocation_epoch", "session_id", "trace_id", "parent_request_id"),
        *("provider", "response_model", "service_tier", "cached_input_tokens", "client_version"),
        *("cache_creation_input_tokens", "reasoning_output_tokens", "time_to_first_token_ms", "error_type"),
        *("cost_source", "finish_reason"),
    )
    return StoredCall(
        **{
            **dict.fromkeys(unknown),
            **{"request_id": FIRST, "event_time": NOW, "app": "support", "environment": "prod"},
            **{"prompt": "refund", "version": "1.0.0", "resolution": "live", "unit_id": "ann"},
            **{"request_model": "gpt-4o-mini", "request_parameters": {}, "input_tokens": 100},
            **{"output_tokens": 512, "cost_nano_usd": 21_000, "latency_ms": 1_234.0, "outcome": "ok"},
            **{"metrics": {}, "segments": {"plan": "pro"}, "input_text": "Where is it?"},
            **{"output_text": "<script>alert(1)</script>", "ingested_at": NOW, "private": True},
            **{"feedback": [said], "scores": [], **changes},
        }
    )


CONTEXT = CallContext(
    FIRST,
    [
        CallPlace("latency_ms", 1_234.0, 0.97, 800, 300.0, 900.0),
        CallPlace("output_tokens", 512, 0.5, 400, 512.0, 800.0),
    ],
    ServedBy(7, NOW, "promote", "dana", "better", None, None, None, 1),
)


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    handlers: dict[str, Any] = {
        "/v1/facets": lambda _parameters: served(FACETS),
        "/v1/whoami": lambda _parameters: whoami(Role.ADMIN),
        "/v1/feedback": lambda _parameters: page_of(a_row(), a_row(SECOND, comment=None)),
        f"/v1/requests/{FIRST}": lambda _parameters: served(a_call()),
        f"/v1/requests/{FIRST}/context": lambda _parameters: served(CONTEXT),
        "/v1/datasets": lambda _parameters: page_of(a_dataset()),
        "/v1/reviews": lambda _parameters: served([QUEUE]),
        "/v1/reviews/agreement": lambda _parameters: served([AGREEMENT]),
    }
    with DashboardApi(handlers) as found:
        yield found


def whoami(role: Role) -> Any:
    return served(Caller("dana", role, None))


def asked_for(api: DashboardApi, path: str) -> dict[str, str]:
    return next(parameters for asked, parameters in reversed(api.asked) if asked == path)


def test_the_inbox_has_what_is_negative_with_its_request(open_page: Open, api: DashboardApi) -> None:
    page = open_page(prompt="refund", version="1.1.0", time="24h")
    shown = html(page)
    for words in ("thumb down", "refund 1.0.0", "1.23 s", "512", "$0.0000210"):
        assert words in shown
    assert f"request={FIRST}" in shown
    parameters = asked_for(api, "/v1/feedback")
    assert (parameters["opinion"], parameters["prompt"], parameters["version"]) == (
        "negative",
        "refund",
        "1.1.0",
    )
    open_page(feedback="any")
    assert asked_for(api, "/v1/feedback")["opinion"] == "any"


def test_all_that_is_asked_for_is_shown(open_page: Open, api: DashboardApi) -> None:
    rows = [a_row(f"{number:032x}") for number in range(120)]
    api.handlers["/v1/feedback"] = lambda query: page_of(*rows[: int(query["limit"])])
    page = open_page()
    assert html(page).count("thumb down") == 50
    page.button(key="requests-more").click().run()
    assert html(page).count("thumb down") == 120


def test_a_link_opens_its_request_with_its_place_and_why_it_was_served(open_page: Open) -> None:
    page = open_page(request=FIRST)
    shown = html(page)
    assert "97 %" in shown
    assert any("Slower than 97 % of the requests of this version." in each.value for each in page.markdown)
    assert (
        "It was the default of prod. The client had it from the registry. Revision 7 (promote by dana"
        in shown
    )
    assert "had not heard of 1 change since" in shown
    for hostile in ("<img src", "<script>"):
        assert hostile not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown


def test_keys_go_through_the_inbox(open_page: Open) -> None:
    page = open_page()
    assert page.button(key="requests-K").disabled
    page.button(key="requests-J").click().run()
    assert page.query_params["request"] in (FIRST, [FIRST])
    page.button(key="requests-J").click().run()
    assert page.query_params["request"] in (SECOND, [SECOND])
    assert page.button(key="requests-J").disabled
    assert "not stored" in page.info[0].value
    page.button(key="requests-close").click().run()
    assert "request" not in page.query_params


@pytest.mark.parametrize("name", [SECOND, "nothing", HOSTILE])
def test_a_request_that_is_not_there_is_said_and_the_inbox_stays(open_page: Open, name: str) -> None:
    page = open_page(request=name)
    assert not page.exception
    assert "This request is not stored" in page.info[0].value
    assert "refund 1.0.0" in html(page)


def test_who_may_not_see_texts_sees_none_and_no_controls(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/whoami"] = lambda _parameters: whoami(Role.READER)
    hidden = replace(a_row(), comment=None, private=False)
    api.handlers["/v1/feedback"] = lambda _parameters: page_of(hidden)
    call = a_call(private=False, input_text=None, output_text=None, feedback=[])
    api.handlers[f"/v1/requests/{FIRST}"] = lambda _parameters: served(call)
    page = open_page(request=FIRST)
    assert "for admins" in html(page)
    assert any("shown to admins" in each.value for each in page.caption)
    assert not [each for each in page.selectbox if "dataset" in str(each.key)]
    assert "for admins" in open_page(view="cases").info[0].value
    assert not [each for each in open_page(view="review").button if "review" in str(each.key)]


def test_with_nothing_said_it_says_how_services_send_feedback(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/feedback"] = lambda _parameters: page_of()
    page = open_page(time="1h")
    assert "No feedback here" in page.info[0].value
    assert "cm.feedback(" in html(page)


def a_dataset(name: str = "refunds") -> Dataset:
    return Dataset(name, "0" * 64, 3, 3, 0, {}, NOW, "dana", 0)


PROPOSAL = Proposal(
    id=5,
    dataset="refunds",
    request_id=FIRST,
    state="waiting",
    prompt="refund",
    version="1.0.0",
    environment="prod",
    given_at=NOW,
    case=ProposedCase({"question": HOSTILE}, True, "No idea.", "bad", "14 days", (), None),
    proposed_at=NOW,
    proposed_by="dana",
    decided_at=None,
    decided_by=None,
    reason=None,
)


def test_a_request_is_proposed_and_becomes_a_case(open_page: Open, api: DashboardApi) -> None:
    api.handlers[f"/v1/datasets/refunds/requests/{FIRST}"] = lambda _parameters: served(PROPOSAL)
    page = open_page(request=FIRST)
    next(each for each in page.button if each.label == "Propose as a case").click().run()
    assert not page.exception
    assert api.posted == [(f"/v1/datasets/refunds/requests/{FIRST}", {})]

    api.handlers["/v1/datasets/refunds/proposals"] = lambda _parameters: page_of(PROPOSAL)
    api.handlers["/v1/datasets/refunds/proposals/5/confirm"] = lambda _parameters: served(a_dataset())
    page = open_page(view="cases", dataset="refunds")
    assert "<img src" not in html(page)
    assert page.text_area(key="expected-5").value == "14 days"
    page.text_area(key="expected-5").set_value("15 days")
    page.checkbox(key="must-5").check()
    next(each for each in page.button if each.label == "Make it a case").click().run()
    assert not page.exception
    assert api.posted[1:] == [
        ("/v1/datasets/refunds/proposals/5/confirm", {"case": {"expected": "15 days", "must_pass": True}})
    ]


def test_proposals_that_are_called_the_same_are_chosen_each(open_page: Open, api: DashboardApi) -> None:
    same = replace(PROPOSAL, id=6, request_id=SECOND)
    api.handlers["/v1/datasets/refunds/proposals"] = lambda _parameters: page_of(PROPOSAL, same)
    page = open_page(view="cases", dataset="refunds")
    for place, proposal in ((1, 6), (0, 5)):
        page.selectbox(key="proposal").select_index(place).run()
        assert page.text_area(key=f"expected-{proposal}").value == "14 days"


QUESTIONS = (
    ReviewQuestion("correct", "Is the answer right?", {"no": 0.0, "yes": 1.0}),
    ReviewQuestion("polite", HOSTILE, {"no": 0.0, "yes": 1.0}),
)
QUEUE = ReviewQueue("support", QUESTIONS, 0.1, 0.2, (), 3, 9)
AGREEMENT = ReviewAgreement("support", "correct", 9, 0.9, 0.8, 0.6, 0.95, 0.7, 20)
TASK = ReviewTask(4, "support", "refund", "Where is it?", HOSTILE, QUESTIONS, NOW + timedelta(minutes=30), 3)


def test_a_review_is_answered_by_keys_and_the_next_follows(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/reviews/support/next"] = lambda _parameters: (
        served(TASK) if len(api.posted) < 2 else None
    )
    answer = ReviewAnswer(4, FIRST, "dana", "correct", "yes", 1.0, True, NOW)
    api.handlers["/v1/reviews/items/4/answers"] = lambda _parameters: served([answer])
    page = open_page(view="review")
    assert "0.60 to 0.95" in html(page)
    page.button(key="review-next").click().run()
    assert "<img" not in html(page)
    assert page.button(key="submit-4").disabled
    page.button(key="answer-4-correct-1").click().run()
    page.button(key="answer-4-polite-0").click().run()
    page.button(key="back-4").click().run()
    page.button(key="answer-4-polite-1").click().run()
    page.text_input(key="comment-4").set_value("as it should be")
    page.button(key="submit-4").click().run()
    assert not page.exception
    assert api.posted == [
        ("/v1/reviews/support/next", {}),
        (
            "/v1/reviews/items/4/answers",
            {"answers": {"correct": "yes", "polite": "yes"}, "comment": "as it should be"},
        ),
        ("/v1/reviews/support/next", {}),
    ]
    assert "Nothing waits" in page.info[0].value


def test_a_request_that_was_answered_elsewhere_makes_room_for_the_next(
    open_page: Open, api: DashboardApi
) -> None:
    asks = replace(TASK, questions=(replace(QUESTIONS[0], ask="$1 or $2?"),))
    api.handlers["/v1/reviews/support/next"] = lambda _parameters: served(asks)
    refusal = problem("conflict", 409, "item 4 has all of its answers")
    api.handlers["/v1/reviews/items/4/answers"] = lambda _parameters: (409, refusal)
    page = open_page(view="review")
    page.button(key="review-next").click().run()
    assert page.subheader[0].value == r"\$1 or \$2\?"
    page.button(key="answer-4-correct-1").click().run()
    page.button(key="submit-4").click().run()
    assert "item 4 has all of its answers" in page.error[0].value
    assert page.button(key="review-next").label == "Give me a request"


def test_a_view_a_queue_or_a_version_that_is_not_there_is_said(open_page: Open) -> None:
    assert "No view is called nothing" in open_page(view="nothing").warning[0].value
    assert "nothing" in open_page(view="review", queue="nothing").warning[0].value
    captions = [each.value for each in open_page(prompt="refund", version="9.9.9").caption]
    assert any("has no version 9" in each for each in captions)


def test_without_a_queue_it_says_where_to_name_one(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/reviews"] = lambda _parameters: []
    assert "No review queue" in open_page(view="review").info[0].value


def test_a_request_leads_to_its_version_over_the_time_when_it_was_served(open_page: Open) -> None:
    shown = html(open_page(request=FIRST, time="all"))
    link = shown.split('href="./prompt?', 1)[1].split('"', 1)[0]
    assert "&amp;time=" in link
    assert "&amp;versions=" in link
