"""Nobody sees anything of the page without signing in, over HTTP or the websocket."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import streamlit as st
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from coalmine_dashboards.api import SignedOut
from coalmine_dashboards.parts.viewer import client, client_for
from coalmine_dashboards.sign_in import COOKIE, FORM_COOKIE, SESSIONS, Sessions, SignIn
from tests.support.doubles.dashboard_api import DashboardApi

KEY = "right"
ORIGINS = [{}, {"Origin": "http://localhost:3000"}, {"Origin": "http://testserver"}]


async def secrets_of_the_page(scope: Scope, receive: Receive, send: Send) -> None:
    """Shows figures to whoever gets here."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "figures"})
        await send({"type": "websocket.close"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"figures"})


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


@pytest.fixture
def viewer(sessions: Sessions) -> TestClient:
    return TestClient(
        SignIn(secrets_of_the_page, KEY, sessions), follow_redirects=False, cookies={FORM_COOKIE: "shown"}
    )


@pytest.mark.parametrize("path", ["/", "/_stcore/host-config", "/media/x", "/?key=", "/?key=wrong", "/%2e/"])
def test_a_stranger_gets_a_form_and_no_figures(viewer: TestClient, path: str) -> None:
    answer = viewer.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "figures" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize("headers", ORIGINS)
def test_the_websocket_needs_a_viewer_whatever_its_origin(
    viewer: TestClient, headers: dict[str, str]
) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        viewer.websocket_connect("/_stcore/stream", headers={**headers, "Cookie": f"{COOKIE}=guess"}),
    ):
        pass


def test_the_link_signs_in_and_leaves_the_address(viewer: TestClient, sessions: Sessions) -> None:
    answer = viewer.get(f"/?prompt=a%26b&key={KEY}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "./?prompt=a%26b"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie, "a link in a message comes from another site"
    seen = viewer.get("/")
    assert seen.text == "figures"
    assert seen.headers["x-frame-options"] == "DENY"
    with viewer.websocket_connect("/_stcore/stream") as socket:
        assert socket.receive_text() == "figures"
    assert sessions.token_of(viewer.cookies[COOKIE]) is None


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("/rollouts?rollout=r%2F1&key=right", "./rollouts?rollout=r%2F1"),
        ("/rollouts?key=right", "./rollouts"),
        ("/?key=right", "./"),
        ("/now?live=false", "./?live=false"),
        ("/%5Cexample.com/..%2F?key=right", "./"),
        ("/alerts?fingerprint=abc&key=right", "./alerts?alert=abc&key=right"),
        ("/runbooks/quality-drift?key=right", "../alerts?key=right&runbook=quality_drift"),
    ],
)
def test_the_link_signs_in_on_any_page(viewer: TestClient, asked: str, shown: str) -> None:
    answer = viewer.get(asked)
    assert answer.status_code == 303
    assert answer.headers["location"] == shown


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("/rollouts?rollout=1&time=6h", "./rollouts?rollout=1&time=6h"),
        ("/rollouts?rollout=%22%3E%3Cb%3E", "./rollouts?rollout=%22%3E%3Cb%3E"),
        ("/", "./"),
        ("/%22%3E%3Cb%3E", "./%22%3E%3Cb%3E"),
    ],
)
def test_a_link_to_a_page_survives_a_sign_in_with_a_token_and_a_wrong_one_before(
    viewer: TestClient, server: DashboardApi, asked: str, shown: str
) -> None:
    answer = viewer.get(asked, headers={"Accept": "text/html"})
    for token in ("wrong", "mine"):
        assert "<b>" not in answer.text
        wanted = unescape(re.findall(r'name="wanted" value="([^"]*)"', answer.text)[0])
        answer = viewer.post("/sign-in", data={"token": token, "wanted": wanted})
    assert answer.headers["location"] == shown


def test_a_form_names_no_other_site_to_go_on_to(viewer: TestClient, server: DashboardApi) -> None:
    for wanted in ("//example.com", "https://example.com", "../../x", "\\example.com?a=b", "a\r\nX: y"):
        answer = viewer.post("/sign-in", data={"token": "mine", "wanted": wanted})
        assert re.fullmatch(r"\./[\w.%-]*(\?a=b)?", answer.headers["location"])


def test_health_is_for_everybody(viewer: TestClient) -> None:
    assert viewer.get("/_stcore/health").status_code == 200


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DashboardApi]:
    facets: dict[str, object] = {
        "prompts": [],
        "versions": {},
        "environments": [],
        "apps": [],
        "complete": True,
        "first_event_time": None,
        "last_event_time": None,
    }
    with DashboardApi({"/v1/facets": lambda _parameters: facets}, token="mine") as api:
        monkeypatch.setenv("COALMINE_SERVER_URL", api.url)
        monkeypatch.setenv("COALMINE_HOME", str(tmp_path))
        yield api


def test_a_token_of_the_server_signs_in_and_is_what_the_page_asks_with(
    viewer: TestClient, sessions: Sessions, server: DashboardApi
) -> None:
    refused = viewer.post("/sign-in", data={"token": "<b>wrong</b>"})
    assert refused.status_code == 401
    assert "<b>" not in refused.text
    assert COOKIE not in viewer.cookies
    assert viewer.post("/sign-in", data={"token": "mine"}).status_code == 303
    assert sessions.token_of(viewer.cookies[COOKIE]) == "mine"
    assert viewer.get("/").text == "figures"


def test_a_form_of_another_site_signs_nobody_in(
    viewer: TestClient, sessions: Sessions, server: DashboardApi
) -> None:
    viewer.cookies.clear()  # browsers send none that is strict with a form of another site
    refused = viewer.post("/sign-in", data={"token": "mine", "wanted": "costs?time=6h"})
    assert refused.status_code == 401
    assert COOKIE not in refused.cookies
    assert "samesite=strict" in refused.headers["set-cookie"].lower()
    assert 'value="costs?time=6h"' in refused.text
    assert viewer.post("/sign-in", data={"token": "mine"}).status_code == 303


@pytest.mark.parametrize("token", ["m\u00efne", "\u202e", "mi\nne", "mine" * 1_000, "\0", ""])
def test_what_is_no_token_at_all_is_refused_in_words(
    viewer: TestClient, server: DashboardApi, token: str
) -> None:
    answer = viewer.post("/sign-in", data={"token": token})
    assert answer.status_code == 401
    assert re.search(r'role="alert">.+<', answer.text)
    assert COOKIE not in viewer.cookies


def test_an_open_page_whose_session_ends_does_not_get_the_token_of_the_process(
    server: DashboardApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COALMINE_TOKEN", "mine")
    session = SESSIONS.begin("anns")
    monkeypatch.setattr(type(st.context), "cookies", {COOKIE: session})
    assert client() is client_for(server.url, "anns")
    SESSIONS.end(session)
    with pytest.raises(SignedOut):
        client()
    client_for.clear()
