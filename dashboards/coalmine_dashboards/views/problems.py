"""What the page says when there is nothing to show: what is the matter, and what to do now."""

from dataclasses import dataclass
from typing import Literal

from coalmine_dashboards.api import ApiError, Facets, NotReady, Standby, Unauthorised, Unreachable
from coalmine_dashboards.formatting import moment

__all__ = ["Advice", "advice_for", "nothing_in_range", "nothing_yet"]

_FIRST_EVENT = """from coalmine import Coalmine

cm = Coalmine(app="support-bot")
with cm.call("support-refund", version="1.2.0", model="gpt-4o-mini", unit_id="user-1") as call:
    reply = client.chat.completions.create(model=call.model, messages=messages)
    call.record(reply)
cm.feedback(call.request_id, thumbs="up")"""


@dataclass(frozen=True, slots=True)
class Advice:
    """A message with the way out."""

    title: str
    text: str
    tone: Literal["info", "warning", "error"]
    code: str | None = None
    """Commands or lines to copy."""
    language: Literal["bash", "python"] = "bash"


def advice_for(error: ApiError) -> Advice:
    """What to do about a server that gives no answer."""
    if isinstance(error, Unreachable):
        return Advice(
            title="The server does not answer",
            text=f"Nothing came from {error.url} ({error.detail}). Start the server, or say where it is; "
            "this page goes on by itself as soon as it answers.",
            tone="error",
            code="coalmine serve\n\n# or, if it runs elsewhere, start this dashboard with\n"
            "export COALMINE_SERVER_URL=http://HOST:8321 COALMINE_TOKEN=...",
        )
    if isinstance(error, Unauthorised):
        return Advice(
            title="The server does not accept the token" if error.had_token else "The server wants a token",
            text=f"{error.url} said: {error.detail}. Make a token where the server runs and start this "
            "dashboard with it. A dashboard of the same user, with the same COALMINE_HOME as the server, "
            "needs none.",
            tone="error",
            code="coalmine token create dashboard\nexport COALMINE_TOKEN=...",
        )
    if isinstance(error, Standby):
        return Advice(
            title="This server is a standby",
            text=f"Another process holds the store, and {error.url} waits to take over ({error.detail}). "
            "Point the dashboard to the active server; or leave it open: it goes on by itself after a "
            "take-over.",
            tone="warning",
            code="export COALMINE_SERVER_URL=http://ACTIVE-HOST:8321",
        )
    if isinstance(error, NotReady):
        return Advice(
            title="The server is not ready",
            text=f"{error.url} said: {error.detail}. This page goes on by itself as soon as it is; "
            "if that takes long, the server's log says why.",
            tone="warning",
        )
    return Advice(
        title="The server's answer makes no sense here",
        text=f"{error.url}: {error.detail}. Either this is not a Coalmine server, or it is of another "
        "version than the dashboard: install the same version of both.",
        tone="error",
        code="pip install --upgrade 'coalmine[server,dashboards]'",
    )


def nothing_yet() -> Advice:
    """The server has no events at all."""
    return Advice(
        title="No events yet",
        text="The server runs and waits for the first call. Send one from your service, as below; or see how "
        "it looks with simulated services: `coalmine simulate`. What arrives shows up here by itself.",
        tone="info",
        code=_FIRST_EVENT,
        language="python",
    )


def nothing_in_range(facets: Facets, filters: str) -> Advice:
    """There are events, but none that the filters let through."""
    return Advice(
        title="Nothing here",
        text=f"No calls match {filters}. There is data from {moment(facets.first_event_time)} to "
        f"{moment(facets.last_event_time)}: "
        "choose a longer time or another prompt above.",
        tone="info",
    )
