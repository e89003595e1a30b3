"""From events to figures: throughput, lag, freshness, dead letters with replay, and whether it adds up."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from coalmine_consumers.results import (
    AuditReport,
    DeadLetterDetail,
    DeadLetterRow,
    DeadLettersChanged,
    IngestStatus,
    RebuildStatus,
)
from coalmine_dashboards.api import ApiError, segment
from coalmine_dashboards.formatting import count, size
from coalmine_dashboards.palette import colours_of
from coalmine_dashboards.parts.actions import action
from coalmine_dashboards.parts.advice import advise, nothing
from coalmine_dashboards.parts.charts import draw_chart
from coalmine_dashboards.parts.choice import one_of_few
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import client, local, may, viewers_mode
from coalmine_dashboards.views import pipeline_columns as columns
from coalmine_dashboards.views.health import health_items
from coalmine_dashboards.views.markup import health_strip, plain, shown
from coalmine_dashboards.views.pipeline import (
    Cause,
    Sample,
    by_cause,
    course_chart,
    event_counts,
    first_bytes,
    said,
)
from coalmine_dashboards.views.problems import advice_for
from coalmine_registry.records import AuditEntry
from coalmine_registry.roles import Role

_MOST_SAMPLES: Final = 1_200
"""An hour of refreshes."""
_MOST_LETTERS: Final = 1_000
_MOST_SHOWN: Final = 50
_ALL: Final = ""
_STATUSES: Final = ("open", "replayed", "discarded", "any")


@dataclass(frozen=True, slots=True)
class _Ingest:
    status: IngestStatus
    newest_at: datetime | None
    taken_at: datetime


def show() -> None:
    """Draw the page."""
    live("ingest", _ingest, _draw_ingest)
    st.subheader("Dead letters", anchor=False)
    if (named := st.query_params.get("letter")) is not None:
        _draw_letter(named)
    status = one_of_few("letters", "status of dead letters", "Status of dead letters", _STATUSES, "open")
    live(
        "dead letters",
        lambda: client().first("/v1/dead-letters", DeadLetterRow, _MOST_LETTERS, status=status),
        lambda letters: _draw_letters(letters, status),
        asked=status,
    )
    _audit()
    if may(Role.APPROVER):
        st.subheader("Who did what", anchor=False)
        live("audit log", lambda: client().first("/v1/audit-log", AuditEntry, _MOST_SHOWN), _draw_log)


def _ingest() -> _Ingest:
    asked = client()
    return _Ingest(asked.ingest(), asked.facets().last_event_time, datetime.now(UTC))


def _draw_ingest(seen: _Ingest) -> None:
    status = seen.status
    st.html(health_strip(health_items(status, seen.taken_at)))
    st.caption(
        f"Newest request that can be queried: {plain(local(seen.newest_at, seconds=True))}. "
        f"On disk: {size(status.store.database_bytes)} of database, {size(status.store.segment_bytes)} in "
        f"{count(status.store.segments)} Parquet files."
    )
    samples: deque[Sample] = st.session_state.setdefault("samples", deque(maxlen=_MOST_SAMPLES))
    samples.append(Sample(seen.taken_at, status.events_per_s, status.lag))
    blue, orange, *_ = colours_of(viewers_mode())
    left, right = st.columns(2, gap="medium")
    for column, field, title, axis, colour in (
        (left, "events_per_s", "Throughput", "messages per second", blue),
        (right, "lag", "Lag", "messages waiting", orange),
    ):
        with column:
            st.markdown(f"**{title}** :gray[:small[since this page was opened]]")
            draw_chart(course_chart(samples, field, axis, colour), f"course-{field}")
    _draw_tables(status)


def _draw_tables(status: IngestStatus) -> None:
    events = event_counts(status.by_event, status.store.rows)
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("By event", anchor=False)
        if not events:
            nothing("No events yet", "Send one from a service, or try simulated ones.", "coalmine demo")
            return
        table(events, columns.EVENTS, "Messages by event")
        downloads(events, "events")
    with right:
        st.subheader("By partition", anchor=False)
        busy = sorted(status.partitions, key=lambda each: -(each.lag or 0))
        if not busy:
            nothing("No partitions yet", "Nothing was read so far: the first message makes one.")
            return
        table(busy[:_MOST_SHOWN], columns.PARTITIONS, "Positions and lag by partition")
        if len(busy) > _MOST_SHOWN:
            st.caption(f"The {_MOST_SHOWN} with the most waiting, of {len(busy):,}; downloads have all.")
        downloads(busy, "partitions")
    if status.gaps:
        st.subheader("Gaps: messages lost before they were read", anchor=False)
        table(status.gaps, columns.GAPS, "Gaps")
        downloads(status.gaps, "gaps")


def _draw_letters(letters: Sequence[DeadLetterRow], status: str) -> None:
    if not letters:
        which = "" if status == "any" else f" {status}"
        nothing(f"No{which} dead letters", "Messages that cannot be stored as events would be listed here.")
        return
    causes = by_cause(letters)
    table(causes, columns.CAUSES, "Causes of dead letters")
    if len(letters) == _MOST_LETTERS:
        st.caption(f"Counted among the latest {_MOST_LETTERS:,}.")
    opened = [each for each in letters if each.status == "open"]
    if opened and may(Role.ADMIN):
        _letter_actions(by_cause(opened))
    with st.expander(f"One by one: the latest {min(len(letters), _MOST_SHOWN):,} of {len(letters):,}"):
        table(letters[:_MOST_SHOWN], columns.LETTERS, "Dead letters")
    downloads(letters, "dead-letters")


def _letter_actions(causes: Sequence[Cause]) -> None:
    """For admins: try again, once what made them fail is mended, or give up."""
    by_words = {each.words: each for each in causes}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Which", [_ALL, *by_words], format_func=lambda each: shown(each or "All open ones"), key="which"
        )
        cause = by_words.get(chosen)
        body = {"all": True} if cause is None else {"ids": list(cause.ids)}
        which = "all open dead letters" if cause is None else f"these {cause.letters:,} dead letters"
        action(
            "Replay",
            lambda _reason: client().send("POST", "/v1/dead-letters/replay", DeadLettersChanged, body),
            said,
            key="replay",
            role=Role.ADMIN,
            question=f"The server tries to store {which} again.",
            affected="What can be stored now counts in everybody's figures and readouts.",
            needs_reason=False,
            primary=True,
        )
        action(
            "Discard",
            lambda _reason: client().send("POST", "/v1/dead-letters/discard", DeadLettersChanged, body),
            said,
            key="discard",
            role=Role.ADMIN,
            question=f"The server gives up {which}. They stay visible as discarded, and the audit balances.",
            affected="They can never be stored after that: nobody's figures will have them.",
            needs_reason=False,
        )


def _draw_letter(dead_letter_id: str) -> None:
    """One dead letter with its bytes, which may hold whatever its sender wrote."""
    if not may(Role.ADMIN):
        st.warning("The bytes of a dead letter are shown to admins only.")
        return
    try:
        found: DeadLetterDetail = client().read(
            f"/v1/dead-letters/{segment(dead_letter_id)}", DeadLetterDetail
        )
    except ApiError as error:
        advise(advice_for(error))
        return
    with st.expander(f"Dead letter {plain(found.dead_letter_id)}", expanded=True):
        st.markdown(
            f"**{plain(found.reason)}**  \n{plain(found.event)}, failed at {plain(found.stage)}, "
            f"{found.status}, {size(found.size_bytes)}; {plain(found.published_as or 'no known schema')}"
        )
        st.code(first_bytes(found.payload_base64), language=None, wrap_lines=True)


def _audit() -> None:
    """On demand: an audit reads much."""
    st.subheader("Audit", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        wanted = st.button("Check that everything adds up", key="audit")
        deep = st.toggle("Recount from raw rows", key="deep", help="Takes longer: compares rollups, too.")
        action(
            "Rebuild figures",
            lambda _reason: client().send("POST", "/v1/rebuild", RebuildStatus, {}),
            "The rebuild has begun.",
            key="rebuild",
            role=Role.ADMIN,
            question="The server recounts rollups and experiment cells from raw rows, in the background.",
            affected="Everybody's figures are replaced at its end; until then they stay as they are.",
            needs_reason=False,
        )
    if wanted:
        try:
            with st.spinner("Checking"):
                report: AuditReport = client().read("/v1/audit", AuditReport, deep=deep)
        except ApiError as error:
            advise(advice_for(error))
        else:
            st.session_state["audited"] = (datetime.now(UTC), report)
    live("rebuild", lambda: client().read("/v1/rebuild", RebuildStatus), _draw_rebuild)
    if "audited" not in st.session_state:
        st.caption("Not checked since this page was opened. On a terminal: coalmine audit")
        return
    at, report = st.session_state["audited"]
    mark = "**All checks passed**" if report.ok else "**Something does not add up**"
    st.markdown(f"{mark}, {local(at, seconds=True)}: {plain(report.summary)}")
    for each in report.missing:
        st.markdown(f"- {plain(each)}")
    table(report.checks, columns.CHECKS, "Checks")
    downloads(report.checks, "audit")


def _draw_rebuild(status: RebuildStatus) -> None:
    match status.state:
        case "running":
            share = status.counted / max(status.total, 1)
            st.progress(min(share, 1.0), f"Rebuild: {status.counted:,} of {status.total:,} rows")
        case "failed":
            st.error(f"The rebuild failed: {plain(status.reason or 'no reason given')}")
        case "done":
            st.caption(f"The last rebuild counted {count(status.counted)} rows.")


def _draw_log(entries: Sequence[AuditEntry]) -> None:
    if not entries:
        nothing("Nobody changed anything yet", "Push a version first.", "coalmine push prompts/")
        return
    table(entries, columns.LOG, "Audit log")
    downloads(entries, "audit-log")
