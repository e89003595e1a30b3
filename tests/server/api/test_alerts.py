"""Alerts over HTTP and by command: what fires, what was told, what people do, who may see texts of users."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from coalmine_alerts.results.story import Excerpt, Story
from coalmine_alerts.storage.tables import deliveries, messages
from tests.server.registry_client import Person
from tests.support.data.alert_case import AlertCase, SaidRule, finding, name_of
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json

NOW = datetime.now(UTC).replace(microsecond=0)
SECRET_TEXT = "my order 1234"
EXCERPT = Excerpt("r1", NOW, SECRET_TEXT, None, None, None)


def said(prompt: str, condition: bool = True) -> Any:
    """What a rule says of a prompt."""
    story = Story(title=f"Quality fell 5 % · {prompt}", summary="It fell.", excerpts=(EXCERPT,))
    return finding(condition, labels={"prompt": prompt}, story=story)


FIRST, SECOND, THIRD = (name_of(said(prompt)) for prompt in ("summarize", "support", "extract"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One that has told of alerts before."""
    home = tmp_path_factory.mktemp("alerts") / "home"
    fill(home)
    with ServerProcess(home, {"COALMINE_ALERTS_EVALUATE_EVERY_S": "300"}) as found:
        found.wait_ready()
        yield found


def fill(home: Path) -> None:
    """Leaves what an earlier server would have left: two that fire, one that did, a message, what waits."""
    home.mkdir(parents=True, mode=0o700)
    case = AlertCase(home, SaidRule(), channels={"warning": ["gone"]})
    case.now = NOW - timedelta(minutes=20)
    all_fire = (said("summarize"), said("support"), said("extract"))
    case.tick(*all_fire)
    one_is_over = (said("summarize"), said("support", condition=False), said("extract"))
    case.tick(*one_is_over, after=timedelta(minutes=1))
    case.tick(*one_is_over, after=timedelta(minutes=15))
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": "<b>It fell</b>"}}]
    sent = {"group_key": "prod|prompt|summarize", "open": True, "created_at": NOW, "changed_at": NOW}
    with case.database.exclusive() as connection:
        connection.execute(
            insert(messages).values(channel="gone", text=SECRET_TEXT, body={"blocks": blocks}, **sent)
        )
        connection.execute(update(deliveries).values(state="parked", message=1))
    case.database.close()


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

    assert sorted(found("")) == ["extract", "summarize", "support"]
    assert sorted(found("?state=firing")) == ["extract", "summarize"]
    assert found("?state=resolved") == ["support"]
    assert len(found("?state=firing&state=resolved")) == 3
    assert found("?prompt=support&environment=prod&rule=quality_drift") == ["support"]
    assert found("?rule=budget") == []
    first = reader.get("/v1/alerts?limit=1")
    second = reader.get(f"/v1/alerts?limit=1&cursor={first['next_cursor']}")
    assert first["items"][0]["fingerprint"] != second["items"][0]["fingerprint"]
    reader.get("/v1/alerts?state=burning", expect=422)
    reader.get("/v1/alerts?cursor=x", expect=422)


def test_names_that_only_events_have_may_hold_slashes(reader: Person) -> None:
    for name in ("team%2Fsupport%2Frefund", "%2E%2E"):
        assert reader.get(f"/v1/prompts/{name}/care")["owner"] is None
    for question in ("readout", "looks"):
        missing = reader.get(f"/v1/experiments/team%2Ftone/{question}", expect=404)
        assert 'no requests recorded for experiment "team/tone"' in missing["detail"]


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
    assert changes[0]["labels"]["prompt"] == "support"
    assert changes[0]["transition"]["to_state"] == "resolved"
    of_prompt = reader.get("/v1/alerts/transitions?prompt=support")["items"]
    assert of_prompt == [each for each in changes if each["labels"]["prompt"] == "support"] != changes
    (told,) = reader.get(f"/v1/alerts/{FIRST}/transitions")["items"]
    assert [(each["channel"], each["state"]) for each in told["deliveries"]] == [("gone", "parked")]
    reader.get("/v1/alerts/nothing/transitions", expect=404)


def test_commands_show_the_same(server: ServerProcess) -> None:
    listed = coalmine_json("alerts", "list", home=server.home)
    assert {each["fingerprint"] for each in listed} == {FIRST, SECOND, THIRD}
    table = coalmine("alerts", "list", "--state", "firing", home=server.home).stdout
    assert "Quality fell 5 % · summarize" in table
    assert "support" not in table
    shown = coalmine("alerts", "show", FIRST, home=server.home)
    assert shown.returncode == 0, shown.stderr
    assert "gone: parked" in shown.stdout
    assert coalmine("alerts", "show", "nothing", home=server.home).returncode == 2


def test_gauges_count_alerts_and_what_waits(server: ServerProcess) -> None:
    lines = server.get("/metrics").text.splitlines()
    assert 'coalmine_alerts{rule="quality_drift",severity="warning",state="firing"} 2.0' in lines
    firing = 'environment="prod",prompt="summarize",rule="quality_drift",severity="warning"'
    assert f"coalmine_alert_firing{{{firing}}} 1.0" in lines
    assert 'coalmine_alert_deliveries{channel="gone",state="parked"} 4.0' in lines


def test_what_people_do_is_kept_with_their_names(server: ServerProcess, admin: Person) -> None:
    with admin.make("dana", "author") as dana, admin.make("lee", "approver") as lee:
        dana.post(f"/v1/alerts/{THIRD}/accept", {"reason": "as meant"}, expect=403)
        assert dana.post(f"/v1/alerts/{FIRST}/acknowledge")["acknowledged_by"] == "dana"
        assert lee.post(f"/v1/alerts/{FIRST}/acknowledge")["acknowledged_by"] == "dana"
        dana.post(f"/v1/alerts/{SECOND}/acknowledge", expect=409)
        assert lee.post(f"/v1/alerts/{FIRST}/mark", {"useful": True})["fingerprint"] == FIRST
        accepted = lee.post(f"/v1/alerts/{THIRD}/accept", {"reason": "as meant"})
        assert (accepted["state"], accepted["accepted_by"]) == ("resolved", "lee")
        lee.post(f"/v1/alerts/{THIRD}/accept", {"reason": ""}, expect=422)
        history = dana.get(f"/v1/alerts/{THIRD}/transitions")["items"]
        assert (history[0]["transition"]["actor"], history[0]["transition"]["reason"]) == ("lee", "as meant")
    assert coalmine("alerts", "mark", FIRST, "--noise", home=server.home).returncode == 0
    assert "dana looks after it: Quality fell" in coalmine("alerts", "ack", FIRST, home=server.home).stderr
    assert "must be firing" in coalmine("alerts", "ack", SECOND, home=server.home).stderr


def test_a_silence_has_a_reason_and_an_end_and_can_be_ended(server: ServerProcess, reader: Person) -> None:
    made = coalmine_json(
        "alerts", "silence", "prompt=summ*", "--for", "2h", "--reason", "tests", home=server.home
    )
    assert made["matchers"] == {"prompt": "summ*"}
    listed = coalmine("alerts", "list", "--silences", home=server.home).stdout
    assert "prompt=summ*" in listed
    assert [each["id"] for each in reader.get("/v1/alerts/silences")["items"]] == [made["id"]]
    assert coalmine("alerts", "unsilence", str(made["id"]), home=server.home).returncode == 0
    assert coalmine("alerts", "unsilence", str(made["id"]), home=server.home).returncode != 0
    assert reader.get("/v1/alerts/silences")["items"] == []
    (ended,) = reader.get("/v1/alerts/silences?ended=true")["items"]
    assert ended["ended_by"] == "local"
    for wrong in (["prompt"], ["=x"], [], ["prompt=a", "prompt=b"]):
        assert coalmine(
            "alerts", "silence", *wrong, "--for", "2h", "--reason", "x", home=server.home
        ).returncode
    too_long = coalmine("alerts", "silence", "prompt=a", "--for", "31d", "--reason", "x", home=server.home)
    assert too_long.returncode == 2
    assert "30" in too_long.stderr


def test_a_silence_names_a_rule_that_there_is(server: ServerProcess) -> None:
    def silence(rule: str) -> tuple[int, str]:
        done = coalmine("alerts", "silence", f"rule={rule}", "--for", "2h", "--reason", "x", home=server.home)
        return done.returncode, done.stderr

    code, said = silence("cost_jmp")
    assert code == 2
    assert "no rule 'cost_jmp', so nothing would be silenced: did you mean cost_jump?" in said
    assert silence("zzz*")[0] == 2
    for rule in ("cost_jump", "cost*", "weekly_digest", "rule_failed"):
        code, said = silence(rule)
        assert code == 0
        number = said.split("unsilence ")[1].split("`")[0]
        assert coalmine("alerts", "unsilence", number, home=server.home).returncode == 0


def test_readers_do_nothing_and_authors_no_more_than_the_table_says(
    server: ServerProcess, admin: Person, reader: Person
) -> None:
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    silence = {"matchers": {"prompt": "nothing"}, "until": until, "reason": "tests"}
    for path, body in (
        (f"/v1/alerts/{FIRST}/acknowledge", None),
        (f"/v1/alerts/{FIRST}/accept", {"reason": "as meant"}),
        (f"/v1/alerts/{FIRST}/mark", {"useful": False}),
        ("/v1/alerts/silences", silence),
    ):
        refused = reader.post(path, body, expect=403)
        assert "reader" in str(refused), path
    with admin.make("eve", "author") as eve:
        eve.post(f"/v1/alerts/{FIRST}/accept", {"reason": "as meant"}, expect=403)
        made = eve.post("/v1/alerts/silences", silence, expect=201)
        reader.post(f"/v1/alerts/silences/{made['id']}/end", expect=403)
        eve.post(f"/v1/alerts/silences/{made['id']}/end")
    assert reader.get(f"/v1/alerts/{FIRST}")["state"] == "firing"
