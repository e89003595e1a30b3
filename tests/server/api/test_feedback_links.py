"""Thumbs by a signed link: a real server, and for the script a real browser on a page of somebody else."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from coalmine import Coalmine
from coalmine_schemas.feedback_link import feedback_link
from coalmine_schemas.identifiers import uuid7
from tests.server.api.conftest import LINK_KEY, Site
from tests.server.registry_client import Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json
from tests.support.repository.tree import ROOT

APP = "support-bot"


@pytest.fixture
def request_id(admin: Person) -> str:
    """A call that was made."""
    made = uuid7()
    call = {"type": "request", "request_id": made, "prompt": "p", "version": "1.0.0", "latency_ms": 1.0}
    admin.post("/v1/events", {"events": [{**call, "app": APP}]})
    return made


def link_to(server: ServerProcess, request_id: str, *, days: float = 1.0, now_s: float | None = None) -> str:
    return feedback_link(server.url, LINK_KEY, APP, request_id, now_s=now_s or time.time(), days=days)


def votes(admin: Person, request_id: str) -> list[dict[str, Any]]:
    response = admin.client.get(f"/v1/requests/{request_id}")
    found: list[dict[str, Any]] = response.json()["feedback"] if response.status_code == 200 else []
    return found


def has_votes(admin: Person, request_id: str, *expected: str) -> bool:
    return sorted(each["thumbs"] for each in votes(admin, request_id)) == sorted(expected)


def test_a_vote_is_stored_once_however_often_it_is_sent(
    server: ServerProcess, admin: Person, request_id: str
) -> None:
    link = link_to(server, request_id)
    for _ in range(3):
        answer = httpx2.post(f"{link}&thumbs=down&click=1")
        assert (answer.status_code, answer.json()) == (200, {"thumbs": "down", "request_id": request_id})
    assert httpx2.post(f"{link}&thumbs=up&click=2").status_code == 200
    eventually(partial(has_votes, admin, request_id, "down", "up"))


def test_opening_a_link_stores_nothing_and_pressing_a_button_does(
    server: ServerProcess, admin: Person, request_id: str
) -> None:
    link = link_to(server, request_id)
    opened = httpx2.get(link)
    assert (opened.status_code, opened.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert opened.text.count('<form method="post"') == 2
    assert httpx2.get(link).text == opened.text
    pressed = httpx2.post(f"{link}&thumbs=up", headers={"Accept": "text/html", "Origin": "null"})
    assert (pressed.status_code, "Thank you" in pressed.text) == (200, True)
    eventually(partial(has_votes, admin, request_id, "up"))


def test_of_votes_by_buttons_the_last_counts_also_if_it_was_given_before(
    server: ServerProcess, admin: Person
) -> None:
    made, prompt = uuid7(), f"p-{uuid7()}"
    call = {"type": "request", "request_id": made, "prompt": prompt, "version": "1.0.0", "latency_ms": 1.0}
    admin.post("/v1/events", {"events": [{**call, "app": APP}]})
    for thumbs in ("up", "down", "up"):
        pressed = httpx2.post(f"{link_to(server, made)}&thumbs={thumbs}", headers={"Accept": "text/html"})
        assert pressed.status_code == 200
    eventually(partial(has_votes, admin, made, "up", "down", "up"))
    (row,) = admin.get("/v1/versions", params={"prompt": prompt})["items"]
    assert (row["thumbs_up"], row["thumbs_down"]) == (1, 0)


def changed(link: str, **values: object) -> str:
    base, _, query = link.partition("?")
    return f"{base}?{urlencode({**dict(parse_qsl(query)), **values})}"


def test_a_link_is_bound_to_one_app_one_call_and_one_time(server: ServerProcess, request_id: str) -> None:
    link = link_to(server, request_id)
    later = int(time.time()) + 10_000_000
    wrong = [
        changed(link, app="another"),
        changed(link, request_id=uuid7()),
        changed(link, expires=later),
        changed(link, signature="A" * 43),
        feedback_link(server.url, LINK_KEY + "x", APP, request_id, now_s=time.time(), days=1),
    ]
    for each in wrong:
        answer = httpx2.post(f"{each}&thumbs=up")
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:coalmine:forbidden"), each
        assert "not signed by this server's key" in answer.json()["detail"]
        assert httpx2.get(each).status_code == 403
    ended = link_to(server, request_id, now_s=time.time() - 86_401)
    answer = httpx2.post(f"{ended}&thumbs=up")
    assert (answer.status_code, "has ended" in answer.json()["detail"]) == (403, True)
    assert httpx2.post(f"{link}&thumbs=sideways").status_code == 422
    assert httpx2.post(f"{link}&thumbs=up&more=1").status_code == 422


def test_only_pages_of_named_origins_may_vote(server: ServerProcess, site: Site, request_id: str) -> None:
    link = f"{link_to(server, request_id)}&thumbs=up"
    allowed = httpx2.post(link, headers={"Origin": site.url})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, site.url)
    assert allowed.headers["vary"] == "Origin"
    own = httpx2.post(link, headers={"Origin": server.url})
    assert (own.status_code, own.headers.get("access-control-allow-origin")) == (200, None)
    refused = httpx2.post(link, headers={"Origin": "https://evil.example.com"})
    assert (refused.status_code, refused.headers.get("access-control-allow-origin")) == (403, None)
    assert "events.feedback_link_origins" in refused.json()["detail"]


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "https://:x"])
def test_an_origin_that_is_none_may_not_vote(server: ServerProcess, request_id: str, origin: str) -> None:
    answer = httpx2.post(f"{link_to(server, request_id)}&thumbs=up", headers={"Origin": origin})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:coalmine:forbidden")


def test_a_link_takes_ten_votes_in_a_minute_however_its_id_is_written(
    server: ServerProcess, request_id: str
) -> None:
    link = link_to(server, request_id)
    links = (link, link.replace(request_id, request_id.upper()))
    answers = [httpx2.post(f"{links[each % 2]}&thumbs=up&click={each}") for each in range(12)]
    assert [each.status_code for each in answers[:10]] == [200] * 10
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_a_link_opens_nothing_else(server: ServerProcess, request_id: str) -> None:
    query = urlsplit(link_to(server, request_id)).query
    for path in ("/v1/versions", f"/v1/requests/{request_id}", "/feedback/other", "/feedback/link/"):
        assert server.web.get(f"{path}?{query}").status_code == 401


def test_without_a_key_there_are_no_links(busy_server: ServerProcess) -> None:
    link = link_to(busy_server, uuid7())
    for answer in (httpx2.get(link), httpx2.post(f"{link}&thumbs=up")):
        assert (answer.status_code, "events.feedback_link_key" in answer.text) == (404, True)


def test_command_and_client_make_the_same_link(
    server: ServerProcess, tmp_path: Path, request_id: str
) -> None:
    env = {"COALMINE_EVENTS_FEEDBACK_LINK_KEY": LINK_KEY}
    made = coalmine("feedback-link", request_id, "--app", APP, "--url", server.url, home=tmp_path, env=env)
    assert made.returncode == 0, made.stderr
    assert httpx2.post(f"{made.stdout.strip()}&thumbs=up").status_code == 200
    told = coalmine("feedback-link", request_id, "--app", APP, home=tmp_path)
    assert (told.returncode, "events.feedback_link_key" in told.stderr) == (2, True)
    with Coalmine(APP, home=tmp_path / "client", server_url=server.url, feedback_link_key=LINK_KEY) as cm:
        link = cm.feedback_link(request_id, days=1)
    assert link is not None
    assert httpx2.post(f"{link}&thumbs=up").status_code == 200
    document = coalmine_json(
        *("feedback-link", request_id, "--app", APP), home=server.home, env=env
    )  # the server of the home
    assert document["link"].startswith(f"{server.url}/feedback/link?")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


PAGE = """<!doctype html><html lang="en"><title>Chat</title>
<script src="{server}/feedback/thumbs.js" defer></script>
<div id="first" data-coalmine-feedback="{link}" data-up="Helpful"></div>
"""


def test_the_script_draws_thumbs_and_sends_the_vote(
    server: ServerProcess, admin: Person, site: Site, page: Page, request_id: str
) -> None:
    link = link_to(server, request_id).replace("&", "&amp;")
    site.pages["/chat"] = PAGE.format(server=server.url, link=link)
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(f"{site.url}/chat")
    up = page.get_by_role("button", name="Helpful")
    down = page.get_by_role("button", name="Bad answer")
    down.click()
    page.get_by_text("Thank you").wait_for()
    assert (down.get_attribute("aria-pressed"), up.get_attribute("aria-pressed")) == ("true", "false")
    eventually(partial(has_votes, admin, request_id, "down"))
    up.click()
    page.wait_for_function("document.querySelector('button').getAttribute('aria-pressed') === 'true'")
    eventually(partial(has_votes, admin, request_id, "down", "up"))
    assert failures == []


def test_thumbs_come_with_answers_that_come_later_and_say_what_failed(
    server: ServerProcess, site: Site, page: Page, request_id: str
) -> None:
    site.pages["/later"] = PAGE.format(server=server.url, link="")
    page.goto(f"{site.url}/later")
    ended = link_to(server, request_id, now_s=time.time() - 86_401)
    page.evaluate(
        """link => {
            const made = document.createElement("p");
            made.id = "second";
            made.dataset.coalmineFeedback = link;
            document.body.append(made);
        }""",
        ended,
    )
    second = page.locator("#second")
    second.get_by_role("button", name="Good answer").click()
    second.get_by_text("Not sent: try again").wait_for()
    assert second.get_by_role("button").count() == 2


def test_the_page_of_a_link_works_in_a_browser_without_scripts(
    server: ServerProcess, admin: Person, page: Page, request_id: str
) -> None:
    page.goto(link_to(server, request_id))
    page.get_by_role("button", name="No").click()
    page.get_by_text("Your answer was stored").wait_for()
    eventually(partial(has_votes, admin, request_id, "down"))


def test_the_script_has_at_most_2_kb(server: ServerProcess) -> None:
    answer = server.web.get("/feedback/thumbs.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.content == (ROOT / "server/coalmine_server/api/thumbs.js").read_bytes()
    assert len(answer.content) <= 2_000
