"""Signs viewers in before they see anything: with the link that the command prints, or with a token.

A middleware around Streamlit, because Streamlit itself serves everybody who can reach its port: pages, and
the websocket that carries the figures. What a viewer signed in with is what the page asks the server with.
"""

import hmac
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from html import escape
from urllib.parse import parse_qsl, quote, unquote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coalmine_dashboards.api import ApiClient, ApiError
from coalmine_dashboards.connection import connection_of_process
from coalmine_dashboards.parts.links import FIRST

__all__ = ["COOKIE", "SESSIONS", "Sessions", "SignIn"]

COOKIE = "coalmine-viewer"
FORM_COOKIE = "coalmine-form"
WANTED_COOKIE = "coalmine-wanted"
SIGN_IN_PATH = "/sign-in"
SIGN_OUT_PATH = "/sign-out"
CALLBACK_PATH = "/oauth2callback"
HEALTH_PATH = "/_stcore/health"
MOST_SESSIONS = 10_000
LONGEST_FORM = 10_000
LONGEST_WANTED = 2_000
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_FORM = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Coalmine: sign in</title>
<style>body{{font:16px sans-serif;max-width:34em;margin:15vh auto;padding:0 1em;color-scheme:light dark}}
input,button{{font:inherit;padding:.4em}}input{{width:100%;box-sizing:border-box;margin:.4em 0}}</style>
<h1>Coalmine</h1><p>Open the link that <code>coalmine dashboard</code> printed, or sign in with a token of the
server (<code>coalmine token create NAME</code> makes one).</p>
<form method="post" action="sign-in">
<input type="hidden" name="wanted" value="{wanted}">
<input type="password" name="token" aria-label="Token" required autofocus><button>Sign in</button></form>
<p role="alert">{problem}</p></html>"""


class Sessions:
    """Viewers who are signed in, with the token each one signed in with. Thread-safe."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[str, str | None] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, token: str | None) -> str:
        """Returns the id of a new session; the oldest ends when there are too many.

        Args:
            token: The viewer's own; None for who has the link: the page then uses the token of its process.
        """
        made = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[made] = token
            if len(self._tokens) > MOST_SESSIONS:
                self._tokens.popitem(last=False)
        return made

    def end(self, session: str | None) -> None:
        """Ends a session, if there is one of that id."""
        with self._lock:
            self._tokens.pop(session or "", None)

    def __contains__(self, session: object) -> bool:
        return session in self._tokens

    def token_of(self, session: str | None) -> str | None:
        """Returns the token of a session; None where the process has its own.

        Raises:
            KeyError: The session has ended, or never was.
        """
        return None if session is None else self._tokens[session]


SESSIONS = Sessions()
"""Of this process: the middleware fills it, the page reads it."""


class SignIn:
    """The middleware."""

    def __init__(
        self,
        app: ASGIApp,
        key: str,
        sessions: Sessions = SESSIONS,
        *,
        by_provider: bool = False,
        https: bool = False,
    ) -> None:
        """Prepares it.

        Args:
            app: What needs a viewer.
            key: What the printed link has; who has it may see what the process's own token may see.
            sessions: Who is signed in.
            by_provider: True if the page itself has people sign in, with an identity provider: it gets those
                who are not signed in here.
            https: True if everybody comes by TLS, which a proxy ends: no cookie is for anything else.
        """
        self._app = app
        self._key = key
        self._sessions = sessions
        self._by_provider = by_provider
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a viewer who is signed in through, and everybody ask whether the process lives."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if self._by_provider:
                    _keep_wanted(HTTPConnection(scope), headers)
                if self._https or _came_by_tls(HTTPConnection(scope)):
                    _secure_cookies(message)
            await send(message)

        answer = _view_of(scope) or await self._answer(scope, receive)
        if answer is None:
            await self._app(scope, receive, with_headers)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "sign in first"})
        else:
            await answer(scope, receive, with_headers)

    async def _answer(self, scope: Scope, receive: Receive) -> Response | None:
        """The answer to somebody who is not signed in, or who signs in; None lets the request through."""
        connection = HTTPConnection(scope)
        path = connection.url.path
        if scope["type"] == "http":
            given = connection.query_params.get("key")
            if given is not None and hmac.compare_digest(given.encode(), self._key.encode()):
                rest = [(name, value) for name, value in parse_qsl(connection.url.query) if name != "key"]
                return self._begin(_location(_page_of(path), rest), None)
            if path == SIGN_IN_PATH and scope["method"] == "POST":
                return await self._check(Request(scope, receive))
            if path == SIGN_OUT_PATH:
                self._sessions.end(connection.cookies.get(COOKIE))
                return RedirectResponse("./", 303)
        return None if self._may_pass(connection) else _refused(connection)

    def _may_pass(self, connection: HTTPConnection) -> bool:
        path = connection.url.path
        if path == HEALTH_PATH and connection.scope["type"] == "http":
            return True
        if connection.cookies.get(COOKIE) in self._sessions:
            return True
        return self._by_provider and path != SIGN_IN_PATH

    async def _check(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_FORM:
                return PlainTextResponse("too long", 413)
        given = dict(parse_qsl(body.decode("utf-8", "replace")))
        token, wanted = given.get("token", "").strip(), given.get("wanted", "")
        if FORM_COOKIE not in request.cookies:
            # Another site may send a form, too, and with it its visitors into a session of somebody else.
            return _form(wanted, "This form did not come from here: sign in with this one.")
        try:
            await run_in_threadpool(_ask_with, token)
        except ApiError as error:
            return _form(wanted, str(error))
        page, _, query = wanted.partition("?")
        return self._begin(_location(page, parse_qsl(query)), token)

    def _begin(self, location: str, token: str | None) -> Response:
        response = RedirectResponse(location, 303)
        # Lax: links in messages come from another site, and the viewer is signed in for them, too.
        response.set_cookie(COOKIE, self._sessions.begin(token), httponly=True, samesite="lax", path="/")
        return response


def _came_by_tls(connection: HTTPConnection) -> bool:
    """True if the request, or the proxy that sent it on, says so: who lies about it harms themselves."""
    told = connection.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    return connection.url.scheme in ("https", "wss") or told == "https"


def _secure_cookies(message: Message) -> None:
    """Has browsers send cookies by TLS only: ours, and those of Streamlit, which leaves that out."""
    message["headers"] = [
        (name, value + b"; Secure" if _is_open_cookie(name, value) else value)
        for name, value in message["headers"]
    ]


def _is_open_cookie(name: bytes, value: bytes) -> bool:
    return name.lower() == b"set-cookie" and b"; secure" not in value.lower()


def _refused(connection: HTTPConnection) -> Response:
    if "text/html" not in connection.headers.get("accept", ""):
        return PlainTextResponse("sign in first", 401)
    page = "" if connection.url.path == SIGN_IN_PATH else _page_of(connection.url.path)
    return _form(f"{page}?{connection.url.query}", "")


def _form(wanted: str, problem: str) -> Response:
    """The form, and a cookie that browsers send back with this one only, not with one of another site."""
    response = HTMLResponse(_FORM.format(problem=escape(problem), wanted=escape(wanted)), 401)
    response.set_cookie(FORM_COOKIE, "shown", httponly=True, samesite="strict", path="/")
    return response


def _keep_wanted(asked: HTTPConnection, headers: MutableHeaders) -> None:
    """Leads who comes back from the identity provider to the page they wanted: Streamlit forgets it."""
    path, wanted = asked.url.path, asked.cookies.get(WANTED_COOKIE)
    ours = f"{WANTED_COOKIE}={{}}; Path=/; Max-Age={{}}; HttpOnly; SameSite=lax"
    if path == CALLBACK_PATH and wanted is not None and "location" in headers:
        page, _, query = unquote(wanted).partition("?")
        headers["location"] = _location(page, parse_qsl(query))
        headers.append("set-cookie", ours.format("", 0))
    elif re.fullmatch(r"/[a-z]*", path) and "text/html" in asked.headers.get("accept", ""):
        kept = quote(f"{_page_of(path)}?{asked.url.query}", safe="")
        if len(kept) <= LONGEST_WANTED:
            headers.append("set-cookie", ours.format(kept, 600))


def _page_of(path: str) -> str:
    """The page's own name in a path, before which a proxy may have put a prefix."""
    return path.rpartition("/")[2]


def _location(page: str, query: Sequence[tuple[str, str]]) -> str:
    """The address of a page, relative to what was asked for: never another site."""
    return f"./{quote(page, safe='')}" + (f"?{urlencode(query)}" if query else "")


def _view_of(scope: Scope) -> Response | None:
    """Leads a link in a message to the page of alerts, with what it names, and the first page's name to it.

    None if it is no such link.
    """
    connection = HTTPConnection(scope)
    path, found = connection.url.path, parse_qsl(connection.url.query)
    if path == f"/{FIRST}":  # Streamlit knows it by no name, and says that there is no such page
        return RedirectResponse(_location("", found), 303)
    if path == "/alerts" and "fingerprint" in connection.query_params:
        query = [("alert" if name == "fingerprint" else name, value) for name, value in found]
        return RedirectResponse(_location("alerts", query), 303)
    if (runbook := re.fullmatch(r"/runbooks/([a-z0-9_-]{1,100})", path)) is not None:
        query = [*found, ("runbook", runbook[1].replace("-", "_"))]
        return RedirectResponse(f".{_location('alerts', query)}", 303)
    return None


def _ask_with(token: str) -> None:
    """Asks the server for something that every viewer may see.

    Raises:
        ApiError: The server refuses the token, or does not answer.
    """
    with ApiClient(connection_of_process().url, token) as client:
        client.facets()
