"""The page of the pipeline, by Streamlit's own test harness against a real HTTP server."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from streamlit.testing.v1 import AppTest

from coalmine_consumers.results import (
    AuditCheck,
    AuditIdentity,
    AuditReport,
    Counts,
    DeadLetterDetail,
    DeadLetterRow,
    DeadLettersChanged,
    RebuildStatus,
)
from coalmine_consumers.results.dead_letters import StillFailing
from coalmine_dashboards.parts.viewer import client_for
from coalmine_dashboards.views.pipeline import by_cause, first_bytes, said
from coalmine_registry.records import AuditEntry, Caller
from coalmine_registry.roles import Role
from tests.support.doubles.dashboard_api import DashboardApi, problem
from tests.support.doubles.measured_simulation import ingest_status
from tests.support.doubles.opened_page import opened_page

Open = Callable[..., AppTest]
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)> [click](javascript:x)"


def served(value: object) -> Any:
    """As the API serves it."""
    return TypeAdapter(type(value)).dump_python(value, mode="json")


def items(*rows: object) -> Callable[[dict[str, str]], Any]:
    return lambda _parameters: {"items": [served(row) for row in rows], "next_cursor": None}


def a_letter(number: int, reason: str = "no such field", **changes: Any) -> DeadLetterRow:
    return DeadLetterRow(
        **{
            "dead_letter_id": f"01930000-0000-7000-8000-{number:012}",
            "failed_at": NOW - timedelta(minutes=number),
            "source_topic": "spool",
            "source_partition": "part-1",
            "source_offset": number,
            "source_timestamp": None,
            "event": "requests",
            "stage": "decode",
            "reason": reason,
            "schema_ref": None,
            "status": "open",
            "attempts": 0,
            "attempted_at": None,
            "published_at": None,
            "size_bytes": 1_200,
            **changes,
        }
    )


LETTERS = [a_letter(1), a_letter(2, HOSTILE), a_letter(3), a_letter(4, status="discarded")]
REPORT = AuditReport(
    ok=False,
    summary="read 10 ≠ stored 9",
    identity=AuditIdentity(10, 9, 0, 0, 0, 0, 0, 0, False),
    checks=(AuditCheck("rows", False, 10, 9, "rows of requests"),),
    missing=("1 request is missing",),
    unattributed_feedback=0,
    unattributed_scores=0,
)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DashboardApi]:
    facets = {
        "prompts": [],
        "versions": {},
        "environments": [],
        "apps": [],
        "complete": True,
        "first_event_time": None,
        "last_event_time": NOW.isoformat(),
    }
    counts = served(Counts(10, 7, 1, 2))
    status = ingest_status(
        NOW,
        by_event={"requests": counts},
        partitions=[
            {"topic": "spool", "partition": f"part-{number}", "position": 5, "lag": number}
            for number in range(60)
        ],
    )
    letter = DeadLetterDetail(
        **asdict(LETTERS[1]),
        frame="none",
        published_as=None,
        payload_base64=base64.b64encode(b"\x00<b>bytes</b>").decode(),
        key_base64=None,
    )
    entry = AuditEntry(1, NOW, "ann", "t", "promote", "triage", "2.0.1", "prod", None, None, HOSTILE)
    handlers: dict[str, Any] = {
        "/v1/whoami": lambda _parameters: served(Caller("ann", Role.ADMIN, None)),
        "/v1/ingest": lambda _parameters: status,
        "/v1/facets": lambda _parameters: facets,
        "/v1/dead-letters": items(*LETTERS),
        f"/v1/dead-letters/{letter.dead_letter_id}": lambda _parameters: served(letter),
        "/v1/rebuild": lambda _parameters: served(RebuildStatus("never", 0, 0, None, None)),
        "/v1/audit": lambda _parameters: served(REPORT),
        "/v1/audit-log": items(entry),
    }
    with DashboardApi(handlers) as api:
        monkeypatch.setenv("COALMINE_HOME", str(tmp_path))
        monkeypatch.setenv("COALMINE_SERVER_URL", api.url)
        monkeypatch.delenv("COALMINE_TOKEN", raising=False)
        yield api
    client_for.clear()


def html(page: AppTest) -> str:
    return "".join(str(element.proto.body) for element in page.get("html"))


def words(page: AppTest) -> str:
    return " ".join(each.value for each in (*page.markdown, *page.caption, *page.error, *page.warning))


def test_dead_letters_stand_by_their_cause_the_most_frequent_first() -> None:
    causes = by_cause(LETTERS)
    assert [(each.reason, each.letters) for each in causes] == [("no such field", 3), (HOSTILE, 1)]
    assert causes[0].last_at == LETTERS[0].failed_at
    assert causes[0].first_at == LETTERS[3].failed_at


def test_bytes_of_a_stranger_are_shown_as_text_and_not_all_of_them() -> None:
    assert first_bytes(base64.b64encode("a\x00é\u202e".encode()).decode()) == "a······"
    assert first_bytes(base64.b64encode(b"a" * 5_000).decode()).endswith("\n… and 1,000 bytes more")


def test_an_admin_is_asked_before_the_dead_letters_of_a_cause_are_replayed(api: DashboardApi) -> None:
    page = opened_page("pipeline")
    assert "&lt;img" in html(page)
    assert "<img" not in html(page)
    which = page.selectbox(key="which")
    assert which.options[1].startswith("2 of requests, decode"), "discarded ones are not to be replayed"
    which.select_index(1).run()
    page.button(key="replay").click().run()
    assert "store these 2 dead letters again" in words(page)
    assert page.button(key="replay-sure").label == "Replay"
    assert api.posted == []


def test_what_became_of_dead_letters_is_said_in_words() -> None:
    failing = [StillFailing("x", "decode", "still no such field")]
    changed = DeadLettersChanged("replay", 2, 1, 0, 0, failing)
    assert said(changed) == "1 of 2 are stored now, 0 were already; 1 still fail: still no such field."
    assert said(DeadLettersChanged("discard", 2, 0, 0, 2, [])) == "2 of 2 were discarded."


def test_a_reader_sees_causes_and_no_controls(api: DashboardApi) -> None:
    api.handlers["/v1/whoami"] = lambda _parameters: served(Caller("rob", Role.READER, None))
    page = opened_page("pipeline", letter=LETTERS[1].dead_letter_id)
    assert "no such field" in html(page)
    assert "shown to admins only" in words(page)
    assert {each.key for each in page.button} == {"audit"}
    assert "promote" not in html(page)


def test_the_address_names_a_dead_letter_and_the_status_of_those_listed(api: DashboardApi) -> None:
    page = opened_page("pipeline", letter=LETTERS[1].dead_letter_id, letters="any")
    assert page.code[0].value == "·<b>bytes</b>"
    asked = [parameters for path, parameters in api.asked if path == "/v1/dead-letters"]
    assert asked[-1]["status"] == "any"
    page = opened_page("pipeline", letter="nobody")
    assert "no resource at" in words(page)


def test_an_audit_runs_when_somebody_asks_and_says_what_is_missing(api: DashboardApi) -> None:
    page = opened_page("pipeline")
    assert "/v1/audit" not in [path for path, _parameters in api.asked]
    page.toggle(key="deep").set_value(True).run()
    page.button(key="audit").click().run()
    assert ("/v1/audit", {"deep": "true"}) in api.asked
    assert "Something does not add up" in words(page)
    assert "1 request is missing" in words(page)
    assert "differs" in html(page)


def test_lag_and_counts_are_shown_and_what_is_not_shown_is_said(api: DashboardApi) -> None:
    page = opened_page("pipeline")
    shown = html(page)
    assert shown.index(">part-59<") < shown.index(">part-58<")
    assert ">part-3<" not in shown
    assert "The 50 with the most waiting, of 60" in words(page)
    said = words(page).replace("\\", "")
    assert "Newest request that can be queried: 2026-11-28 12:00:00 UTC" in said
    assert len(page.get("vega_lite_chart")) == 2


def test_the_page_says_why_while_the_server_is_away(api: DashboardApi) -> None:
    page = opened_page("pipeline")
    api.problem = (503, problem("not-ready", 503, "starting"))
    page.run()
    assert not page.exception
    assert "not ready" in words(page)
    assert ">part-59<" in html(page), "the last data stay"
