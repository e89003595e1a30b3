"""Messages for when there is nothing to show: the problem, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from coalmine_consumers.results import Facets
from coalmine_dashboards.api import (
    ApiError,
    Forbidden,
    NotFound,
    NotReady,
    Refused,
    SignedOut,
    Standby,
    Unauthorised,
    Unreachable,
)
from coalmine_dashboards.formatting import moment

__all__ = ["Advice", "advice_for", "nothing_in_range", "nothing_yet", "unknown_choice"]

_FIRST_EVENT = """from coalmine import Coalmine

cm = Coalmine(app="support-bot")
with cm.call("support-refund", version="1.2.0", model="gpt-4o-mini", unit_id="user-1") as call:
    reply = client.chat.completions.create(model=call.model, messages=messages)
    call.record(reply)
cm.feedback(call.request_id, thumbs="up")"""

_MEASURED: Final = ("prompt", "environment", "model")


@dataclass(frozen=True, slots=True)
class Advice:
    """A message with its remedy."""

    title: str
    text: str
    tone: Literal["info", "warning", "error"]
    code: str | None = None
    """Commands or code to copy."""


def advice_for(error: ApiError) -> Advice:  # noqa: PLR0911 - one for each kind
    """Returns what to do about a failed request."""
    if isinstance(error, Unreachable):
        return Advice(
            title="Cannot reach the server",
            text=f"No response from {error.url} ({error.detail}). Start the server, or set its address; "
            "this page reconnects automatically.",
            tone="error",
            code="coalmine serve\n\n# or, if it runs elsewhere, start the dashboard with\n"
            "export COALMINE_SERVER_URL=http://HOST:8321 COALMINE_TOKEN=...",
        )
    if isinstance(error, Unauthorised):
        if isinstance(error, SignedOut):
            return Advice("You have signed out", "Reload this page to sign in again.", "warning")
        if isinstance(error, Forbidden):
            return Advice("Your token does not allow this", error.detail, "warning")
        return Advice(
            title="The server rejected the token" if error.had_token else "The server requires a token",
            text=f"{error.url}: {error.detail}. Sign out below the menu, and in again with a token that is "
            "valid. The dashboard's own is made where the server runs; a dashboard of the same user with the "
            "server's COALMINE_HOME does not need one.",
            tone="error",
            code="coalmine token create dashboard\nexport COALMINE_TOKEN=...",
        )
    if isinstance(error, Standby):
        return Advice(
            title="This server is a standby",
            text=f"Another process holds the store, and {error.url} waits to take over ({error.detail}). "
            "Point the dashboard at the active server, or leave it open: it continues after a failover.",
            tone="warning",
            code="export COALMINE_SERVER_URL=http://ACTIVE-HOST:8321",
        )
    if isinstance(error, NotReady):
        return Advice(
            title="The server is not ready",
            text=f"{error.url}: {error.detail}. This page continues automatically once the server is ready; "
            "if that takes long, check the server's log.",
            tone="warning",
        )
    if isinstance(error, NotFound | Refused):
        return Advice("The server says no", error.detail, "warning")
    return Advice(
        title="Unexpected answer from the server",
        text=f"{error.url}: {error.detail}. Either this is not a Coalmine server, or its version differs "
        "from the dashboard's: install the same version of both.",
        tone="error",
        code="pip install --upgrade 'coalmine[server,dashboards]'",
    )


def nothing_yet() -> Advice:
    """Returns the message for a server without events."""
    return Advice(
        title="No events yet",
        text="The server is running and waiting for the first call. Send one from your service, as below, or "
        "try it with simulated services: coalmine demo. New events appear here automatically.",
        tone="info",
        code=_FIRST_EVENT,
    )


def unknown_choice(kind: str, value: str, instead: str) -> Advice:
    """Returns the message for a link that names what there is not.

    Args:
        kind: What is chosen.
        value: What the link names.
        instead: What is shown.
    """
    why = "there are no calls of it" if kind in _MEASURED else "it is not one of the choices here"
    return Advice(
        title=f"No {kind} is called {value}",
        text=f"The link of this page names it, but {why}. Shown instead: {instead}.",
        tone="warning",
    )


def nothing_in_range(facets: Facets, filters: str, when: Callable[[datetime | None], str] = moment) -> Advice:
    """Returns the message for filters that match no events."""
    return Advice(
        title="No matching calls",
        text=f"No calls match {filters}. There is data from {when(facets.first_event_time)} to "
        f"{when(facets.last_event_time)}: choose a longer period or another prompt above.",
        tone="info",
    )
