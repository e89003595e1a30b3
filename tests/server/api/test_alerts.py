"""Alerts over HTTP: what fires, what was told, and who may see texts of users."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from coalmine_alerts.results.alerts import Alert, Cause
from coalmine_alerts.results.story import Excerpt, Story
from coalmine_alerts.storage.open import open_database
from coalmine_alerts.storage.rows import alert_values
from coalmine_alerts.storage.tables import alerts, deliveries, messages, transitions
from tests.server.registry_client import Person
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json

NOW = datetime.now(UTC).replace(microsecond=0)
FIRST, SECOND = "0" * 16, "1" * 16
SECRET_TEXT = "my order 1234"


def alert(fingerprint: str, prompt: str, **changes: object) -> Alert:
    """One that fires."""
    excerpt = Excerpt("r1", NOW, SECRET_TEXT, None, None, None)
    made = Alert(
        fingerprint=fingerprint,
        rule="quality_drift",
        labels={"environment": "prod", "prompt": prompt, "version": "1.1.0"},
        state="firing",
        severity="warning",
        cause=Cause("prompt", prompt),
        since=NOW,
        began_at=NOW - timedelta(hours=1),
        fired_at=NOW,
        firing=1,
        value=-0.05,
        story=Story(title=f"Quality fell 5 % · {prompt}", summary="It fell.", excerpts=(excerpt,)),
        evaluated_at=NOW,
        true_since=NOW,
        false_since=None,
        no_data_since=None,
        acknowledged_by=None,
        acknowledged_at=None,
        silenced_until=None,
        inhibited_by=None,
        flapping_since=None,
        last_notice=None,
        accepted_by=None,
        accepted_at=None,
        accepted_value=None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One that has told of two alerts before."""
    home = tmp_path_factory.mktemp("alerts") / "home"
    fill(home)
    with ServerProcess(home, {"COALMINE_ALERTS_EVALUATE_EVERY_S": "300"}) as found:
        found.wait_ready()
        yield found


def fill(home: Path) -> None:
    """Puts what an earlier server would have left into its database."""
    home.mkdir(parents=True, mode=0o700)
    database = open_database(home / "alerts.db")
    rows = [alert(FIRST, "summarize"), alert(SECOND, "support", state="resolved")]
    blocks = [{"type": "section", "text": {"type": "plain_text", "text": "<b>It fell</b>"}}]
    with database.exclusive() as connection:
        for each in rows:
            group = {"group_key": f"prod|prompt|{each.cause.id}"}
            connection.execute(insert(alerts).values(**alert_values(each), **group))
            done = {"from_state": "pending", "to_state": each.state, "severity": "warning", "firing": 1}
            told = {"kind": "state", "summary": "It fell.", "told": True, "at": NOW}
            connection.execute(insert(transitions).values(fingerprint=each.fingerprint, **done, **told))
        sent = {"group_key": "prod|prompt|summarize", "open": True, "created_at": NOW, "changed_at": NOW}
        connection.execute(
            insert(messages).values(channel="gone", text=SECRET_TEXT, body={"blocks": blocks}, **sent)
        )
        waiting = {"created_at": NOW, "due_at": NOW, "attempts": 1, "ambiguous": False, "severity": "warning"}
        for state in ("delivered", "parked"):
            connection.execute(
                insert(deliveries).values(
                    transition=1, channel="gone", group_key="g", state=state, message=1, **waiting
                )
            )
    database.close()


@pytest.fixture(scope="module")
def admin(server: ServerProcess) -> Iterator[Person]:
    with Person.local(server) as found:
        yield found


@pytest.fixture(scope="module")
def reader(admin: Person) -> Iterator[Person]:
    with admin.make("a-reader", "reader") as found:
        yield found


def test_alerts_are_listed_by_state_prompt_and_rule(reader: Person) -> None:
    def found(question: str) -> list[str]:
        return [each["labels"]["prompt"] for each in reader.get(f"/v1/alerts{question}")["items"]]

    assert sorted(found("")) == ["summarize", "support"]
    assert found("?state=firing") == ["summarize"]
    assert sorted(found("?state=firing&state=resolved")) == ["summarize", "support"]
    assert found("?prompt=support&environment=prod&rule=quality_drift") == ["support"]
    assert found("?rule=budget") == []
    first = reader.get("/v1/alerts?limit=1")
    second = reader.get(f"/v1/alerts?limit=1&cursor={first['next_cursor']}")
    assert {each["items"][0]["fingerprint"] for each in (first, second)} == {FIRST, SECOND}
    reader.get("/v1/alerts?state=burning", expect=422)
    reader.get("/v1/alerts?cursor=x", expect=422)


def test_texts_of_users_are_for_admins(admin: Person, reader: Person) -> None:
    for path in (f"/v1/alerts/{FIRST}", "/v1/alerts"):
        assert SECRET_TEXT in str(admin.get(path))
        assert SECRET_TEXT not in str(reader.get(path))
    (shown,) = admin.get("/v1/alerts/messages")["items"]
    assert (shown["text"], "&lt;b&gt;It fell&lt;/b&gt;" in shown["html"]) == (SECRET_TEXT, True)
    # Nobody knows any more what a channel that is gone was allowed.
    (hidden,) = reader.get("/v1/alerts/messages?channel=gone")["items"]
    assert (hidden["text"], hidden["body"], hidden["html"]) == ("", None, None)


def test_each_change_says_who_was_told(reader: Person) -> None:
    changes = reader.get("/v1/alerts/transitions")["items"]
    assert [each["labels"]["prompt"] for each in changes] == ["support", "summarize"]
    (told,) = reader.get(f"/v1/alerts/{FIRST}/transitions")["items"]
    assert [(each["channel"], each["state"]) for each in told["deliveries"]] == [
        ("gone", "delivered"),
        ("gone", "parked"),
    ]
    reader.get("/v1/alerts/nothing/transitions", expect=404)


def test_commands_show_the_same(server: ServerProcess) -> None:
    listed = coalmine_json("alerts", "list", home=server.home)
    assert {each["fingerprint"] for each in listed} == {FIRST, SECOND}
    table = coalmine("alerts", "list", "--state", "firing", home=server.home).stdout
    assert "Quality fell 5 % · summarize" in table
    assert "support" not in table
    shown = coalmine("alerts", "show", FIRST, home=server.home)
    assert shown.returncode == 0, shown.stderr
    assert "gone: delivered, gone: parked" in shown.stdout
    assert coalmine("alerts", "show", "nothing", home=server.home).returncode == 2


def test_gauges_count_alerts_and_what_waits(server: ServerProcess) -> None:
    lines = server.get("/metrics").text.splitlines()
    assert 'coalmine_alerts{rule="quality_drift",severity="warning",state="firing"} 1.0' in lines
    firing = 'environment="prod",prompt="summarize",rule="quality_drift",severity="warning"'
    assert f"coalmine_alert_firing{{{firing}}} 1.0" in lines
    assert 'coalmine_alert_deliveries{channel="gone",state="parked"} 1.0' in lines
