"""What needs a person, and what is served."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from coalmine_consumers.results import IngestStatus
from coalmine_dashboards.api.client import adapter_of
from coalmine_dashboards.views.now import needs, needs_somebody, served
from coalmine_evals.results.review import ReviewQueue
from coalmine_registry.records import PromptSummary
from tests.support.data.prompt_answers import NOW, a_promotion, a_status, a_version, an_alert
from tests.support.doubles.measured_simulation import ingest_status


def ingest(**changes: object) -> IngestStatus:
    return adapter_of(IngestStatus).validate_python(ingest_status(datetime.now(UTC), **changes))


def test_the_most_urgent_comes_first_and_of_those_what_waits_longest() -> None:
    page = an_alert("b" * 16, severity="page", since=NOW)
    older = an_alert("c" * 16, since=NOW - timedelta(days=1))
    queue = ReviewQueue("tone", (), 0.01, 0.1, (), 12, 30)
    found = needs([an_alert(), older, page], [a_status("no ingest")], [a_promotion()], [queue], ingest())
    assert [each.urgency for each in found] == ["page", "warning", "warning", "waits", "waits", "waits"]
    assert [each.address for each in found] == [
        f"./alerts?alert={'b' * 16}",
        f"./alerts?alert={'c' * 16}",
        f"./alerts?alert={'a' * 16}",
        "./registry?promotion=pr-1",
        "./rollouts?rollout=ro-support-refund-1.4.0-1",
        "./requests?view=review&queue=tone",
    ]
    assert found[3].what == "Promotion of summarize 1.2.0 waits for approval · prod"
    assert found[5].what == "12 requests wait for review · tone"


def test_many_promotions_that_wait_are_counted_beyond_those_that_wait_longest() -> None:
    waiting = [
        a_promotion(id=f"pr-{hours}", requested_at=NOW - timedelta(hours=hours)) for hours in range(60)
    ]
    found = needs([], [], waiting, [], ingest())
    assert [each.address for each in found] == [
        *(f"./registry?promotion=pr-{hours}" for hours in (59, 58, 57, 56, 55)),
        "./registry",
    ]
    assert found[5].what == "55 more promotions wait for approval"
    assert needs([], [], waiting[:6], [], ingest())[5].what == "1 more promotion waits for approval"


def test_what_somebody_looks_after_or_nobody_is_told_of_needs_nobody() -> None:
    calm = [
        an_alert(acknowledged_by="dana"),
        an_alert(silenced_until=NOW),
        an_alert(inhibited_by="ro-1"),
        an_alert(severity="info"),
        an_alert(state="pending"),
    ]
    assert not any(map(needs_somebody, calm))
    assert needs(calm, [a_status()], [], [ReviewQueue("tone", (), 0, 0, (), 0, 3)], ingest()) == []


def test_harm_in_a_segment_and_applications_that_do_not_follow_need_somebody() -> None:
    harmed = a_status(patterns=("quality may be worse where tier is free",))
    (found,) = needs([], [harmed], [], [], ingest())
    assert found.urgency == "warning"
    assert "where tier is free" in found.detail
    paused = replace(a_status(), state="paused")
    (found,) = needs([], [paused], [], [], ingest())
    assert "is paused" in found.what


def test_ingest_that_waits_or_refuses_messages_needs_somebody() -> None:
    found = needs([], [], [], [], ingest(state="waiting", reason="no broker", dead_letters_open=3))
    assert [(each.urgency, each.address) for each in found] == [
        ("page", "./pipeline"),
        ("warning", "./pipeline"),
    ]
    assert found[0].detail == "no broker"


def test_each_prompt_is_served_where_the_registry_or_its_calls_say() -> None:
    prompts = [
        PromptSummary("support-refund", "1.4.0", 2, NOW, NOW, {"prod": "1.3.0", "dev": "1.4.0"}),
        PromptSummary("summarize", "1.1.0", 1, NOW, NOW, {"prod": "1.1.0"}),
    ]
    rows = [
        a_version("support-refund", "1.3.0", 900),
        a_version("support-refund", "1.4.0", 300),
        a_version("summarize", "1.1.0", 50),
        a_version("by-hand", "0.1.0", 10),
        a_version("by-hand", "0.2.0", 70),
    ]
    found = served(prompts, {"prod": rows, "dev": []}, [a_status()], [an_alert()])
    shown = {(each.prompt, each.environment): (each.version, each.state, each.requests) for each in found}
    assert shown == {
        ("summarize", "prod"): ("1.1.0", "regressing: quality drift", 50),
        ("support-refund", "dev"): ("1.4.0", "no calls in 24 hours", 0),
        ("support-refund", "prod"): ("1.3.0", "rolling out 1.4.0: running, 25%", 1_200),
        ("by-hand", "prod"): ("0.2.0", "serving", 80),
    }
    assert [each.tone for each in found] == ["bad", "notice", "good", "good"]
    assert found[2].measured is not None
    assert found[2].measured.version == "1.3.0"
