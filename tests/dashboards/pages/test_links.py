"""Links restore their views, whoever opens them; what strangers wrote is shown as text."""

import re
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from playwright.sync_api import Page, expect

from coalmine_alerts.messages.texts import one_line
from coalmine_dashboards.app import SECTIONS
from coalmine_dashboards.parts.links import PageName
from coalmine_schemas.safe_text import printable
from tests.support.campaign import CAMPAIGN, size
from tests.support.processes.dashboard_process import link_of
from tests.support.processes.seen_page import WITHIN_MS, at_rest, opened
from tests.support.servers.demo_dashboard import (
    HOSTILE_COMMENT,
    HOSTILE_PROMPT,
    HOSTILE_SEGMENT,
    DemoDashboard,
)

TITLES = {name: title for pages in SECTIONS.values() for name, (title, _icon) in pages.items()}


def asked(demo: DemoDashboard, path: str, **parameters: str) -> Any:
    """What the server answers an admin."""
    answer = httpx2.get(
        f"{demo.server_url}{path}",
        params=parameters,
        headers={"Authorization": f"Bearer {demo.token}"},
        trust_env=False,
        timeout=60,
    )
    assert answer.is_success, answer.text
    return answer.json()


def test_a_link_survives_signing_in_with_a_token(stranger: Page, demo: DemoDashboard) -> None:
    page = stranger
    page.goto(f"{demo.url}/pipeline?letters=any")
    page.get_by_label("Token").fill(demo.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Pipeline")).to_be_visible(timeout=WITHIN_MS)
    assert parse_qs(urlsplit(page.url).query) == {"letters": ["any"]}
    expect(page.get_by_role("radio", name="any")).to_be_checked(timeout=WITHIN_MS)


def test_a_link_names_a_rollout_and_a_prompt_that_the_page_shows(page: Page, demo: DemoDashboard) -> None:
    by_state = {each["state"]: each for each in asked(demo, "/v1/rollouts")["items"]}
    assert by_state
    for rollout in by_state.values():
        opened(page, f"{demo.url}/rollouts?rollout={rollout['id']}")
        expect(page.get_by_text(rollout["treatment"]).first).to_be_visible(timeout=WITHIN_MS)
        assert parse_qs(urlsplit(page.url).query)["rollout"] == [rollout["id"]]
    opened(page, f"{demo.url}/prompt?prompt=search-answer&time=24h")
    box = page.get_by_role("combobox", name="Prompt")
    expect(box).to_have_value("search-answer", timeout=WITHIN_MS)


def test_a_link_to_what_is_not_there_says_so(page: Page, demo: DemoDashboard) -> None:
    opened(page, f"{demo.url}/rollouts?rollout=no-such")
    expect(page.get_by_test_id("stAlert").filter(has_text="no-such").first).to_be_visible(timeout=WITHIN_MS)
    opened(page, f"{demo.url}/requests?request=no-such")
    expect(page.get_by_test_id("stAlert").first).to_be_visible(timeout=WITHIN_MS)


def test_each_link_of_each_alert_opens_its_view(page: Page, demo: DemoDashboard) -> None:
    # What the demonstration caused is over at its end.
    alerts = [each for state in ("firing", "ok") for each in asked(demo, "/v1/alerts", state=state)["items"]]
    assert alerts
    links = chain.from_iterable(alert["story"]["links"] for alert in alerts)
    kinds: dict[tuple[str, ...], str] = {}
    # One of each kind, for pages are slow to open, or of each page: the one that names most.
    for link in sorted(links, key=lambda link: -len(parse_qs(urlsplit(link["path"]).query))):
        address = urlsplit(link["path"])
        kind = (address.path, *sorted(parse_qs(address.query))) if CAMPAIGN else address.path.split("/")[:2]
        kinds.setdefault(tuple(kind), link["path"])
    for whole in kinds.values():
        path, names = urlsplit(whole).path, parse_qs(urlsplit(whole).query).keys()
        opened(page, demo.url + whole)
        if path.startswith("/runbooks/"):
            expect(page.get_by_text("Runbook: ").first).to_be_visible(timeout=WITHIN_MS)
            continue
        name: PageName = path.removeprefix("/")  # type: ignore[assignment]
        heading = page.get_by_role("heading", level=1, name=TITLES[name])
        expect(heading).to_be_visible(timeout=WITHIN_MS)
        assert names <= set(parse_qs(urlsplit(page.url).query)), whole
        unknown = page.get_by_text(re.compile(r"^(No \w+ is called|There is no)"))
        assert unknown.all_inner_texts() == [], whole
    plain = [each for each in alerts if "<" not in each["story"]["title"]]
    for alert in plain[: size(1, 2)]:
        opened(page, f"{demo.url}/alerts?fingerprint={alert['fingerprint']}")
        title = one_line(alert["story"]["title"], 60)
        expect(page.get_by_text(title, exact=False).first).to_be_visible(timeout=WITHIN_MS)
        assert parse_qs(urlsplit(page.url).query)["alert"] == [alert["fingerprint"]]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (f"prompt?time=24h&prompt={HOSTILE_PROMPT}", HOSTILE_PROMPT),
        (f"prompt?time=24h&prompt={HOSTILE_PROMPT}&view=Side by side&by=segment:plan", HOSTILE_SEGMENT),
        (f"requests?prompt={HOSTILE_PROMPT}&time=24h", printable(HOSTILE_COMMENT)[:40]),
        (f"costs?prompt={HOSTILE_PROMPT}&time=24h", HOSTILE_PROMPT),
        (f"explain?prompt={HOSTILE_PROMPT}&time=24h", None),
        (f"drift?prompt={HOSTILE_PROMPT}", None),
        ("pipeline?letters=any", "no frame we know"),
    ],
)
def test_what_a_stranger_wrote_is_shown_as_text(
    page: Page, demo: DemoDashboard, path: str, text: str | None
) -> None:
    opened(page, f"{demo.url}/{path}")
    if text is not None:
        shown = page.get_by_text(text).or_(page.locator(f'input[value="{text}"]'))
        expect(shown.first).to_be_visible(timeout=WITHIN_MS)
    main = page.get_by_test_id("stMain")
    assert main.locator("img[src=x], img[src*='example.invalid'], a[href^='javascript']").count() == 0
    assert main.locator("script").count() == 0


@pytest.mark.parametrize(
    "path",
    [
        "explain?prompt=code-review&time=24h&a=0.9.2&metric=quality",
        "explain?prompt=support-refund&time=all&a=1.3.0&b=1.4.0&metric=quality",
        "prompt?prompt=support-refund&view=Versions&a=1.3.0&b=1.4.0",
        "costs?by=segment&segment=country",
    ],
)
def test_what_a_link_names_stays_in_its_address_if_it_would_be_chosen_anyway(
    page: Page, demo: DemoDashboard, path: str
) -> None:
    opened(page, f"{demo.url}/{path}")
    assert parse_qs(urlsplit(page.url).query) == parse_qs(urlsplit(path).query)


def test_choices_of_one_page_that_mean_another_on_the_next_stay_behind(
    page: Page, demo: DemoDashboard
) -> None:
    opened(page, f"{demo.url}/prompt?prompt=support-refund&view=Side by side&by=model")
    page.get_by_role("link", name="Cost", exact=True).click()
    expect(page.get_by_role("radio", name="prompt")).to_be_checked(timeout=WITHIN_MS)
    at_rest(page)
    assert page.get_by_text("No view is called").count() == 0
    assert parse_qs(urlsplit(page.url).query) == {"prompt": ["support-refund"]}
    page.go_back()
    expect(page.get_by_role("combobox", name="Compare by")).to_have_value("model", timeout=WITHIN_MS)


def test_going_back_brings_the_view_before(page: Page, demo: DemoDashboard) -> None:
    opened(page, f"{demo.url}/prompt?prompt=search-answer&time=1h")
    page.get_by_role("link", name="Cost").click()
    expect(page.get_by_role("heading", level=1, name="Cost")).to_be_visible(timeout=WITHIN_MS)
    at_rest(page)
    page.go_back()
    heading = page.get_by_role("heading", level=1, name=TITLES["prompt"])
    expect(heading).to_be_visible(timeout=WITHIN_MS)
    box = page.get_by_role("combobox", name="Prompt")
    expect(box).to_have_value("search-answer", timeout=WITHIN_MS)
    at_rest(page)
    assert parse_qs(urlsplit(page.url).query) == {"prompt": ["search-answer"], "time": ["1h"]}
    expect(page.locator(".cm-table tbody tr").first).to_contain_text("search-answer", timeout=WITHIN_MS)
    page.go_forward()
    expect(page.get_by_role("heading", level=1, name="Cost")).to_be_visible(timeout=WITHIN_MS)


def test_what_one_viewer_chooses_nobody_else_sees(page: Page, demo: DemoDashboard) -> None:
    context = page.context.browser.new_context()  # type: ignore[union-attr]
    try:
        other = context.new_page()
        assert context.request.get(link_of(demo.url, demo.home)).ok
        opened(other, f"{demo.url}/prompt?prompt=search-answer&time=24h")
        opened(page, f"{demo.url}/prompt?prompt=support-refund&time=24h")
        for seen, prompt in ((other, "search-answer"), (page, "support-refund")):
            expect(seen.get_by_role("combobox", name="Prompt")).to_have_value(prompt, timeout=WITHIN_MS)
            rows = seen.locator(".cm-table tbody tr")
            assert {
                name.split()[0] for name in rows.evaluate_all("rows => rows.map(row => row.dataset.version)")
            } == {prompt}
    finally:
        context.close()
