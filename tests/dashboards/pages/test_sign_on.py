"""People sign in to the pages with an identity provider, in a browser, and act in their own name."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from coalmine import Coalmine
from tests.server.registry_client import HELLO, Person
from tests.support.campaign import CAMPAIGN
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess
from tests.support.processes.dashboard_process import dashboard_process
from tests.support.processes.seen_page import FAILED, WITHIN_MS, at_rest, opened
from tests.support.servers.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider
from tests.support.servers.ports import free_port

OURS, THEIRS = "support.refund", "billing.dunning"
SOME_PAGES = ("", "requests", "registry", "wins")
EVERY_PAGE = ("", "prompt", "rollouts", "alerts", "requests", "costs", "explain", "drift", "registry", "wins")


@dataclass(frozen=True)
class SignOn:
    """A dashboard, its server, and the provider that both know."""

    url: str
    server: ServerProcess
    provider: IdentityProvider


@pytest.fixture(scope="module")
def sign_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignOn]:
    home = tmp_path_factory.mktemp("sign-on") / "home"
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        provider = stack.enter_context(IdentityProvider().running())
        with Coalmine("bot", spool_dir=home / "spool") as client:
            for name in (OURS, THEIRS):
                with client.call(name, version="1.0.0", model="gpt-4o-mini", provider="openai") as call:
                    call.record(input_tokens=100, output_tokens=10)
        settings = {
            "COALMINE_OIDC_ISSUER": provider.url,
            "COALMINE_OIDC_AUDIENCE": CLIENT_ID,
            "COALMINE_OIDC_ROLES": json.dumps({"deciders": "approver", "support": "approver"}),
            "COALMINE_OIDC_PROMPTS": json.dumps({"support": ["support.*"]}),
        }
        server = stack.enter_context(ServerProcess(home, settings)).wait_ready()
        with Person.local(server) as admin, admin.make("writer", "author") as author:
            for name in (OURS, THEIRS):
                author.register(name, "1.0.0", HELLO)
                admin.promote(name, "1.0.0", "prod")
        eventually(lambda: len(server.json("/v1/facets")["prompts"]) == 2, what="everything ingested")
        _write_secrets(home, url, provider)
        stack.enter_context(dashboard_process(home, port=port))
        yield SignOn(url, server, provider)


def _write_secrets(home: Path, url: str, provider: IdentityProvider) -> None:
    folder = home / ".streamlit"
    folder.mkdir()
    (folder / "secrets.toml").write_text(
        f"""[auth]
redirect_uri = "{url}/oauth2callback"
cookie_secret = "{"s" * 40}"
client_id = "{CLIENT_ID}"
client_secret = "{CLIENT_SECRET}"
server_metadata_url = "{provider.url}/.well-known/openid-configuration"
expose_tokens = ["id"]
"""
    )


@pytest.fixture
def page(stranger: Page) -> Page:
    return stranger


def sign_in(page: Page, sign_on: SignOn, path: str, button: str = "Sign in") -> None:
    """Comes to a page as whoever the provider knows to be there."""
    page.goto(f"{sign_on.url}/{path}")
    page.get_by_role("button", name=button, exact=True).click(timeout=WITHIN_MS)
    page.locator("#go").click(timeout=WITHIN_MS)


def person(sign_on: SignOn, email: str, *groups: str) -> None:
    sign_on.provider.person = {"sub": email, "email": email, "email_verified": True, "groups": [*groups]}


def test_a_person_signs_in_comes_to_the_page_they_wanted_and_acts_in_their_name(
    page: Page, sign_on: SignOn
) -> None:
    person(sign_on, "ann@example.com", "deciders")
    sign_in(page, sign_on, f"registry?prompt={THEIRS}")
    expect(page.get_by_text("ann@example.com (approver)")).to_be_visible(timeout=WITHIN_MS)
    assert page.url.startswith(f"{sign_on.url}/registry?prompt={THEIRS}")
    at_rest(page)
    opened(page, f"{sign_on.url}/registry")
    page.get_by_text("Freeze something").click()
    at_rest(page)
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Freeze it").click()
    expect(dialog).to_be_visible(timeout=WITHIN_MS)
    dialog.get_by_label("Reason").fill("the auditors are here")
    dialog.get_by_role("button", name="Freeze it").click()
    expect(dialog).not_to_be_visible(timeout=WITHIN_MS)
    with Person.local(sign_on.server) as admin:
        entry = admin.get("/v1/audit-log?limit=1")["items"][0]
    assert (entry["action"], entry["actor"], entry["token_id"]) == (
        "freeze",
        "ann@example.com",
        "oidc:ann@example.com",
    )
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible(timeout=WITHIN_MS)


def test_a_person_of_some_prompts_sees_those_on_every_page(page: Page, sign_on: SignOn) -> None:
    person(sign_on, "sue@example.com", "support")
    sign_in(page, sign_on, "prompt")
    expect(page.get_by_text("sue@example.com (approver)")).to_be_visible(timeout=WITHIN_MS)
    said = []
    for name in EVERY_PAGE if CAMPAIGN else SOME_PAGES:
        opened(page, f"{sign_on.url}/{name}")
        assert page.locator(FAILED).count() == 0, name
        text = page.locator("[data-testid=stMain]").inner_text()
        assert "billing" not in text, name
        said.append((name, OURS in text, "does not allow" in text))
    assert [name for name, _, refused in said if refused] == ["wins"], said
    opened(page, f"{sign_on.url}/pipeline")
    expect(page.get_by_text("Your token does not allow this").first).to_be_visible(timeout=WITHIN_MS)


def test_who_is_in_no_group_is_told_so_and_sees_nothing(page: Page, sign_on: SignOn) -> None:
    person(sign_on, "eve@example.com", "strangers")
    sign_in(page, sign_on, "")
    expect(page.get_by_text("eve@example.com is in no group").first).to_be_visible(timeout=WITHIN_MS)
    assert OURS not in page.content()
    person(sign_on, "eve@example.com", "deciders")
    page.get_by_role("button", name="Sign in again").click()
    page.locator("#go").click(timeout=WITHIN_MS)
    expect(page.get_by_text("eve@example.com (approver)")).to_be_visible(timeout=WITHIN_MS)


def test_when_the_token_ends_people_sign_in_again(page: Page, sign_on: SignOn) -> None:
    person(sign_on, "tim@example.com", "deciders")
    sign_on.provider.lives_s = 1
    try:
        sign_in(page, sign_on, "")
        again = page.get_by_role("button", name="Sign in again")
        for _ in range(20):
            if again.count():
                break
            page.wait_for_timeout(500)
            page.reload()
            at_rest(page)
        expect(page.get_by_text("Your sign-in has ended")).to_be_visible(timeout=WITHIN_MS)
    finally:
        sign_on.provider.lives_s = 3600
    again.click()
    page.locator("#go").click(timeout=WITHIN_MS)
    expect(page.get_by_text("tim@example.com (approver)")).to_be_visible(timeout=WITHIN_MS)
