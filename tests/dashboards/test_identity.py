"""Sign-in by an identity provider: whose token somebody acts with, and that nothing is seen without one."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from streamlit.testing.v1 import AppTest

from coalmine_dashboards import identity
from coalmine_dashboards.parts.viewer import client_for
from coalmine_dashboards.sign_in import WANTED_COOKIE, Sessions, SignIn
from tests.support.doubles.dashboard_api import DashboardApi

AUTH = {
    "client_id": "x",
    "client_secret": "y",
    "cookie_secret": "z" * 32,
    "redirect_uri": "http://x/oauth2callback",
}
TOKENS = {"Ann@example.com": "anns", "bot": "bots"}


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    found: dict[str, object] = {"auth": AUTH, "coalmine": {"tokens": TOKENS}}
    monkeypatch.setattr("streamlit.secrets", found)
    return found


@pytest.mark.parametrize(
    ("claims", "token"),
    [
        ({"email": "ann@EXAMPLE.com"}, "anns"),
        ({"email": "ann@example.com", "email_verified": True}, "anns"),
        ({"email": "ann@example.com", "email_verified": False}, None),
        ({"email": "bob@example.com"}, None),
        ({"email": ""}, None),
        ({"email": ["ann@example.com"]}, None),
        ({"sub": "bot"}, None),
        ({}, None),
    ],
)
def test_an_identity_acts_with_the_token_of_its_verified_address(
    secrets: dict[str, object], claims: dict[str, object], token: str | None
) -> None:
    assert identity.token_of(claims) == token


def test_another_claim_may_tell_people_apart(secrets: dict[str, object]) -> None:
    secrets["coalmine"] = {"claim": "sub", "tokens": TOKENS}
    assert identity.token_of({"sub": "bot", "email": "ann@example.com"}) == "bots"


def test_a_table_that_is_not_there_gives_nobody_a_token(secrets: dict[str, object]) -> None:
    del secrets["coalmine"]
    assert identity.token_of({"email": "ann@example.com"}) is None


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DashboardApi]:
    with DashboardApi({}, token="anns") as api:
        monkeypatch.setenv("COALMINE_HOME", str(tmp_path))
        monkeypatch.setenv("COALMINE_SERVER_URL", api.url)
        monkeypatch.setenv("COALMINE_TOKEN", "anns")
        yield api
    client_for.clear()


def test_who_is_not_signed_in_is_asked_to_and_the_server_is_asked_nothing(api: DashboardApi) -> None:
    page = AppTest.from_string(
        "from coalmine_dashboards.app import show\nshow('pipeline')\n", default_timeout=30
    )
    page.secrets["auth"] = AUTH
    page.run()
    assert not page.exception
    assert [each.label for each in page.button] == ["Sign in"]
    assert page.get("html")[1:] == []
    assert api.asked == []


async def provider(scope: Scope, receive: Receive, send: Send) -> None:
    """What Streamlit answers who comes back from the provider: its first page."""
    status, headers = 200, [(b"content-type", b"text/html")]
    if scope["path"] == "/oauth2callback":
        status, headers = 302, [(b"location", b"/")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"the page"})


def test_a_link_survives_the_way_to_the_provider_and_back() -> None:
    viewer = TestClient(SignIn(provider, "right", Sessions(), by_provider=True), follow_redirects=False)
    assert viewer.get("/rollouts?rollout=1&a=%2F", headers={"Accept": "text/html"}).text == "the page"
    assert viewer.get("/oauth2callback?code=x").headers["location"] == "./rollouts?rollout=1&a=%2F"
    assert WANTED_COOKIE not in viewer.cookies
    assert viewer.get("/oauth2callback?code=x").headers["location"] == "/"
    viewer.cookies.set(WANTED_COOKIE, quote("https://example.com/x", safe=""))
    assert viewer.get("/oauth2callback").headers["location"].startswith("./https%3A")


def test_a_token_signs_in_beside_a_provider() -> None:
    viewer = TestClient(SignIn(provider, "right", Sessions(), by_provider=True), follow_redirects=False)
    form = viewer.get("/sign-in", headers={"Accept": "text/html"})
    assert form.status_code == 401
    assert 'name="token"' in form.text


def test_who_signs_out_is_a_stranger_again() -> None:
    sessions = Sessions()
    viewer = TestClient(SignIn(provider, "right", sessions), follow_redirects=False)
    viewer.get("/?key=right")
    assert viewer.get("/").text == "the page"
    assert viewer.get("/sign-out").headers["location"] == "./"
    assert viewer.get("/").status_code == 401


async def setting_cookies(scope: Scope, receive: Receive, send: Send) -> None:
    """What Streamlit answers who comes back: cookies that browsers send by whatever way."""
    cookies = [
        (b"set-cookie", b"_streamlit_user=x; HttpOnly; Path=/"),
        (b"set-cookie", b"own=y; Path=/; Secure"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": cookies})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    ("url", "headers", "https", "secure"),
    [
        ("http://testserver", {}, False, False),
        ("https://testserver", {}, False, True),
        ("http://testserver", {"X-Forwarded-Proto": "https"}, False, True),
        ("http://testserver", {"X-Forwarded-Proto": "HTTPS, http"}, False, True),
        ("http://testserver", {"X-Forwarded-Proto": "http"}, False, False),
        ("http://testserver", {}, True, True),
    ],
)
def test_no_cookie_of_who_comes_by_tls_is_for_anything_else(
    url: str, headers: dict[str, str], https: bool, secure: bool
) -> None:
    app = SignIn(setting_cookies, "right", Sessions(), by_provider=True, https=https)
    viewer = TestClient(app, base_url=url, follow_redirects=False)
    signed_in = viewer.get("/?key=right", headers=headers).headers.get_list("set-cookie")
    streamlits, own, *_ = viewer.get("/", headers=headers).headers.get_list("set-cookie")
    assert [each.lower().count("secure") for each in (*signed_in, streamlits)] == [int(secure)] * (
        len(signed_in) + 1
    )
    assert own.count("Secure") == 1


def test_the_address_that_the_provider_leads_back_to_says_whether_people_come_by_tls(
    secrets: dict[str, object],
) -> None:
    assert not identity.is_https()
    secrets["auth"] = {**AUTH, "redirect_uri": "https://coalmine.example.com/oauth2callback"}
    assert identity.is_https()


def _jwt(**claims: object) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{middle}.signature"


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The tokens that Streamlit exposes of who looks at the page."""
    tokens: dict[str, str] = {}
    monkeypatch.setattr("streamlit.user", SimpleNamespace(tokens=tokens))
    return tokens


def test_who_is_not_in_the_table_acts_with_the_providers_token(
    secrets: dict[str, object], user: dict[str, str]
) -> None:
    bob = {"email": "bob@example.com"}
    assert identity.token_of(bob) is None
    user["access"] = "of-access"
    assert identity.token_of(bob) == "of-access"
    user["id"] = "of-identity"
    assert identity.token_of(bob) == "of-identity"
    assert identity.token_of({"email": "ann@example.com"}) == "anns"


@pytest.mark.parametrize(
    ("token", "expired"),
    [
        (_jwt(exp=1), True),
        (_jwt(exp=4_000_000_000), False),
        (_jwt(), False),
        (_jwt(exp="soon"), False),
        ("opaque", False),
        ("a.b.c", False),
        ("a.W10.c", False),
    ],
)
def test_when_the_providers_token_has_ended_is_seen(
    secrets: dict[str, object], user: dict[str, str], token: str, expired: bool
) -> None:
    user["id"] = token
    assert identity.provided_token_has_expired({"email": "bob@example.com"}) is expired
    assert not identity.provided_token_has_expired({"email": "ann@example.com"})
