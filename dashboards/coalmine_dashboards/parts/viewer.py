"""Who looks at the page: with which token, in which role and time zone."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from coalmine_alerts.results.story import readable
from coalmine_dashboards import identity
from coalmine_dashboards.api import ApiClient, ApiError, SignedOut, Unauthorised
from coalmine_dashboards.connection import ANSWERS_VARIABLE, VARIABLES, find_connection
from coalmine_dashboards.palette import Mode
from coalmine_dashboards.sign_in import COOKIE, SESSIONS
from coalmine_registry.records import Caller
from coalmine_registry.roles import Role
from coalmine_schemas.discovery import Endpoint

_KNOWN_FOR: Final = "5m"
"""How long the answer to "who am I" is kept: a token that is revoked acts no longer in any case."""
_IN_UTC: Final = re.compile(r"\b([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}(:[0-9]{2})?) UTC\b")
_PROVEN_FOR: Final = "2s"
"""How long a server that has proved to be that of the home is asked without a new proof."""
BY_VIEWER: Final[dict[str | type[Any], Callable[[Any], Any]]] = {ApiClient: lambda asked: asked.identity}
"""Keys of `st.cache_data`: an answer is kept for who may see it."""


def client() -> ApiClient:
    """The client with the viewer's own token, or with that of the process for who has its link.

    Raises:
        Unauthorised: Nobody signed in, or the session has ended.
    """
    session = st.context.cookies.get(COOKIE)
    if (found := client_of(session)) is not None:
        return found
    connection = _connection()
    if not identity.is_configured():
        if session is None:
            return client_for(connection.url, connection.token)
        # An open page outlives its session, and is not for who has the link of the process then.
        raise SignedOut(connection.url)
    claims = identity.identity()
    token = None if claims is None else identity.token_of(claims)
    if token is None:  # never the token of the process: it belongs to who has its link
        raise Unauthorised(connection.url, "sign in first", had_token=False)
    return client_for(connection.url, token)


def client_of(session: str | None) -> ApiClient | None:
    """The client of who signed in with the link or a token; None if the session has ended, or never was."""
    if session not in SESSIONS:
        return None
    connection = _connection()
    try:
        own = SESSIONS.token_of(session)
    except KeyError:  # it ended meanwhile
        return None
    return client_for(connection.url, connection.token if own is None else own)


def _connection() -> Endpoint:
    """The server to ask."""
    return _proven(tuple((name, value) for name, value in os.environ.items() if name in VARIABLES))


@st.cache_resource(ttl=_PROVEN_FOR, max_entries=10, show_spinner=False)
def _proven(environ: tuple[tuple[str, str], ...]) -> Endpoint:
    return find_connection(dict(environ))


def session_of_viewer() -> str | None:
    """The session of a viewer who signed in with the link or a token."""
    session = st.context.cookies.get(COOKIE)
    return session if session in SESSIONS else None


@st.cache_resource(max_entries=100, show_spinner=False, on_release=ApiClient.close)
def client_for(url: str, token: str | None) -> ApiClient:
    """The client for a server and token, shared by all open pages."""
    return ApiClient(url, token, answers_url=os.environ.get(ANSWERS_VARIABLE))


def caller() -> Caller:
    """Who the viewer is to the server.

    Raises:
        ApiError: The server gave no usable answer.
    """
    return _caller(client())


@st.cache_data(ttl=_KNOWN_FOR, max_entries=1_000, show_spinner=False, hash_funcs=BY_VIEWER)
def _caller(asked: ApiClient) -> Caller:
    return asked.read("/v1/whoami", Caller)


def may(role: Role) -> bool:
    """True if the viewer's role allows what `role` allows: who may not sees no control for it.

    False while the server does not say: nothing could be done now in any case.
    """
    try:
        return caller().role.allows(role)
    except ApiError:
        return False


def zone() -> tzinfo:
    """The viewer's time zone, as the browser says."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def local(then: datetime | None, *, seconds: bool = False) -> str:
    """A moment in the viewer's time zone: `2026-03-01 12:30 CET`; a dash where there is none."""
    if then is None:
        return "\N{EN DASH}"
    here = then.astimezone(zone())
    return f"{here:%Y-%m-%d %H:%M:%S %Z}" if seconds else f"{here:%Y-%m-%d %H:%M %Z}"


def told(text: str) -> str:
    """A sentence of the server, with its moments in the viewer's time zone."""
    return _IN_UTC.sub(_here, readable(text, local))


def _here(found: re.Match[str]) -> str:
    try:
        then = datetime.fromisoformat(f"{found[1]}+00:00")
    except ValueError:  # a number that only looks like a moment
        return found[0]
    return local(then, seconds=found[2] is not None)


def viewers_mode() -> Mode:
    """Light or dark, as the viewer has it."""
    return "dark" if st.context.theme.type == "dark" else "light"
