"""Negative feedback with its requests, cases that they become, and the queue of human review."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import streamlit as st

from coalmine_consumers.results import CallContext, Facets, FeedbackRow, Opinion, StoredCall
from coalmine_dashboards.api import ApiClient, NotFound, segment
from coalmine_dashboards.pages import requests_cases, requests_review
from coalmine_dashboards.parts.advice import nothing
from coalmine_dashboards.parts.choice import one_of_few
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.filters import (
    ALL,
    Chosen,
    choose_all_time,
    filters,
    known_facets,
    nothing_recorded,
)
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import BY_VIEWER, client, local, may
from coalmine_dashboards.ranges import range_since
from coalmine_dashboards.views import calls
from coalmine_dashboards.views.markup import escape, plain, shown
from coalmine_registry.roles import Role

# Shown as they stand in the address: what is bound to it is named there by its label.
_VIEWS: Final = ("inbox", "review", "cases")
_OPINIONS: Final[tuple[Opinion, ...]] = ("negative", "positive", "any")
_REFRESH_S: Final = 15.0
"""The inbox reads raw rows: that is dearer than sums, and nobody reads 50 complaints in three seconds."""
_DEFAULT_TIME: Final = "7d"
_PAGE: Final = 50
_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Seen:
    rows: list[FeedbackRow]
    request: str | None
    """The request that the address names."""
    call: StoredCall | None
    """The same, if it is there."""
    context: CallContext | None


def show() -> None:
    """Draw the page."""
    view = one_of_few("view", "view", "View", _VIEWS, "inbox", label_visibility="collapsed")
    if view == "review":
        requests_review.show()
    elif view == "cases":
        requests_cases.show()
    else:
        _inbox()


def _inbox() -> None:
    facets = known_facets()
    if facets is not None and not facets.prompts:
        nothing_recorded()
        return
    chosen = filters(
        facets or Facets([], {}, [], [], complete=True, first_event_time=None, last_event_time=None),
        default_time=_DEFAULT_TIME,
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        version = _version(facets, chosen.prompt)
        opinion = one_of_few("feedback", "kind of feedback", "Feedback", _OPINIONS, "negative")
    limit = st.session_state.setdefault("requests-limit", _PAGE)

    def fetch() -> _Seen:
        asked = client()
        selection = asdict(chosen.selection(datetime.now(UTC)))
        rows = asked.first("/v1/feedback", FeedbackRow, limit, **selection, version=version, opinion=opinion)
        # Read here, so that going to the next one draws this part alone.
        request = st.query_params.get("request")
        try:
            call, context = (None, None) if request is None else _call(asked, _uuid(request))
        except NotFound:
            call = context = None
        return _Seen(rows, request, call, context)

    live(
        "requests",
        fetch,
        lambda seen: _draw(seen, chosen, version),
        asked=(chosen.prompt, chosen.environment, chosen.model, chosen.time_range.key, version, opinion),
        every_s=chosen.refreshed(_REFRESH_S),
    )


def _version(facets: Facets | None, prompt: str | None) -> str | None:
    """Versions of a prompt to choose from, once there is one; a version that is not there is said."""
    if prompt is None or facets is None:
        return None
    known = [ALL, *facets.versions.get(prompt, ())]
    named = st.query_params.get("version", ALL)
    if named not in known:
        st.caption(f"{plain(prompt)} has no version {plain(named)}: choose another.")
    version = st.selectbox(
        "Version",
        known,
        format_func=lambda each: "All versions" if each == ALL else shown(each),
        key="version",
        bind="query-params",
        width=220,
    )
    return None if version == ALL else version


def _uuid(text: str) -> str:
    """The id, if it is one.

    Raises:
        NotFound: It is none: so nothing has it.
    """
    try:
        return str(UUID(text))
    except ValueError as error:
        raise NotFound("", "no id") from error


@st.cache_data(ttl="1m", max_entries=1_000, show_spinner=False, hash_funcs=BY_VIEWER)
def _call(asked: ApiClient, request: str) -> tuple[StoredCall, CallContext]:
    """A request hardly changes, so that refreshing the list need not read it again."""
    path = f"/v1/requests/{segment(request)}"
    return asked.read(path, StoredCall), asked.read(f"{path}/context", CallContext)


def _draw(seen: _Seen, chosen: Chosen, version: str | None) -> bool:
    request = seen.request
    _steps(seen.rows, request)
    if seen.call is not None and seen.context is not None:
        _detail(seen.call, seen.context)
    elif request is not None:
        nothing(
            "This request is not stored",
            f"{request}: it may be on its way, or older than raw events are kept. Choose another below.",
        )
    if not seen.rows:
        nothing(
            "No feedback here",
            f"Nobody said anything of this kind for {chosen.words()}. Services send thumbs, ratings, "
            "comments and corrections with the id of the call:",
            'cm.feedback(call.request_id, thumbs="down", comment="not what I asked")',
        )
        if chosen.time_range.length is not None and st.button("Show all time", on_click=choose_all_time):
            st.rerun()
        return request is not None
    query = {
        **{"prompt": chosen.prompt, "environment": chosen.environment, "model": chosen.model},
        **{"version": version, "time": chosen.time_range.key, "feedback": st.session_state.get("feedback")},
    }
    table(seen.rows, calls.inbox_columns(local, query, request), "Feedback", most=_MOST)
    with st.container(horizontal=True, vertical_alignment="center"):
        downloads(seen.rows, "feedback")
        limit = st.session_state["requests-limit"]
        if len(seen.rows) == limit < _MOST and st.button("Show more", key="requests-more", type="tertiary"):
            st.session_state["requests-limit"] = min(limit * 4, _MOST)
            st.rerun()
    return True


def _steps(rows: Sequence[FeedbackRow], request: str | None) -> None:
    """Buttons and keys that go through the inbox."""
    ids = list(dict.fromkeys(row.request_id for row in rows))
    at = ids.index(request) if request in ids else -1
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, key, to, there in (
            ("Next", "J", at + 1, at + 1 < len(ids)),
            ("Previous", "K", at - 1, at > 0),
        ):
            name = ids[to] if there else None
            st.button(
                label, key=f"requests-{key}", shortcut=key, disabled=not there, on_click=_open, args=[name]
            )
        if request is not None:
            keys: dict[str, Any] = {"key": "requests-close", "shortcut": "Esc"}
            st.button("Close", **keys, type="tertiary", on_click=_open, args=[None])
        where = f"{at + 1} of the {len(ids)}" if at >= 0 else f"The {len(ids)}"
        st.caption(f"{where} requests listed below. J and K go through them.")


def _open(request: str | None) -> None:
    """The address names the request that is shown."""
    if request is None:
        st.query_params.pop("request", None)
    else:
        st.query_params["request"] = request


def _detail(call: StoredCall, context: CallContext) -> None:
    with st.container(border=True):
        title = f"{plain(call.prompt)} {plain(call.version)} in {plain(call.environment)}"
        st.subheader(title, anchor=False)
        st.caption(plain(f"{local(call.event_time, seconds=True)}, request {call.request_id}"))
        left, right = st.columns(2, gap="large")
        with left:
            _texts(call)
        with right:
            for sentence in calls.unusual(context.places):
                st.markdown(f":material/priority_high: {sentence}")
            table(context.places, calls.place_columns(), "This request among those of its version")
            st.markdown("**Why this version was served**")
            words = calls.why_served(call, context, local)
            st.html(f'<p class="cm-said">{" ".join(map(escape, words))}{_links(call, context)}</p>')
            pairs = "".join(
                f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in calls.facts(call)
            )
            st.html(f'<dl class="cm-facts">{pairs}</dl>')
        downloads([call], "request")
        if may(Role.ADMIN):
            requests_cases.add_to_dataset(call.request_id)


def _texts(call: StoredCall) -> None:
    st.html(calls.said_html(call.feedback, call.private, local))
    texts = [
        (title, text) for title, text in (("Input", call.input_text), ("Output", call.output_text)) if text
    ]
    if texts:
        st.html("".join(calls.text_html(title, text) for title, text in texts))
    elif call.private:
        st.caption("Its texts were not captured: a service keeps them with COALMINE_CAPTURE_TEXT=true.")
    else:
        st.caption("Texts are shown to admins.")


def _links(call: StoredCall, context: CallContext) -> str:
    links = [
        anchor(
            "Its version",
            "prompt",
            prompt=call.prompt,
            environment=call.environment,
            time=range_since(call.event_time, datetime.now(UTC)).key,
            versions=call.version,
        )
    ]
    if context.served_by is not None and context.served_by.rollout is not None:
        links.append(anchor("Its rollout", "rollouts", rollout=context.served_by.rollout))
    return " " + " · ".join(links)
