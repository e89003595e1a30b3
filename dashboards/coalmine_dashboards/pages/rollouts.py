"""Rollouts: which are under way, and of one all that decides it and what one may ask of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from coalmine_dashboards.api import ApiError, NotFound, segment
from coalmine_dashboards.parts.actions import is_asking
from coalmine_dashboards.parts.advice import advise, nothing
from coalmine_dashboards.parts.charts import draw_chart
from coalmine_dashboards.parts.choice import one_of_few
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.filters import Chosen, filters, known_facets
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.readout_view import (
    Compared,
    effects,
    epochs,
    metrics,
    seen_readout,
    segments,
)
from coalmine_dashboards.parts.rollout_actions import rollout_actions
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import client, local, told, viewers_mode
from coalmine_dashboards.ranges import range_since
from coalmine_dashboards.views.looks import share_chart
from coalmine_dashboards.views.markup import health_strip, plain
from coalmine_dashboards.views.problems import advice_for
from coalmine_dashboards.views.rollouts import (
    decision_columns,
    evidence_columns,
    evidence_rows,
    figures_of,
    hold_columns,
    place_of,
    rollout_columns,
    stages_track,
    title_of,
)
from coalmine_registry.records import ExperimentRecord
from coalmine_rollouts.records import TERMINAL, UNDER_WAY, Rollout, RolloutDecision, RolloutStatus, State

_MOST: Final = 100
_MOST_AT_ONCE: Final = 20
"""Rollouts whose state of now is asked for in the list."""
_STATES: Final[dict[str, list[State]]] = {
    "all": [],
    "under way": sorted(UNDER_WAY),
    "ended": sorted(TERMINAL),
}
_START: Final = "coalmine rollout start support-refund 1.1.0 --template canary-standard"


@dataclass(frozen=True, slots=True)
class _Listed:
    rollouts: list[Rollout]
    statuses: dict[str, RolloutStatus]


@dataclass(frozen=True, slots=True)
class _Seen:
    status: RolloutStatus
    decisions: list[RolloutDecision]
    compared: Compared


def show() -> None:
    """Draw the page."""
    if (rollout := st.query_params.get("rollout")) is not None:
        _one(rollout)
    else:
        _all()


def _all() -> None:
    facets = known_facets()
    chosen = None if facets is None else filters(facets, ("prompt", "environment"), time=False)
    shown = one_of_few("state", "state of rollouts", "Show", list(_STATES), "all")
    live(
        "rollouts",
        lambda: _fetch_all(chosen, shown),
        lambda seen: _draw_all(seen, shown),
        asked=(shown, chosen and (chosen.prompt, chosen.environment)),
        **({} if chosen is None else {"every_s": chosen.every_s}),
    )


def _fetch_all(chosen: Chosen | None, shown: str) -> _Listed:
    asked = client()
    query: dict[str, object] = {"state": _STATES[shown] or None}
    if chosen is not None:
        query |= {"prompt": chosen.prompt, "environment": chosen.environment}
    rollouts = asked.first("/v1/rollouts", Rollout, _MOST, **query)
    under_way = [each for each in rollouts if not each.is_terminal][:_MOST_AT_ONCE]
    statuses = {
        each.id: asked.read(f"/v1/rollouts/{segment(each.id)}/status", RolloutStatus) for each in under_way
    }
    return _Listed(rollouts, statuses)


def _draw_all(seen: _Listed, shown: str) -> bool:
    rows = sorted(seen.rollouts, key=lambda each: each.is_terminal)
    if not rows:
        which = "" if shown == "all" else f" {shown}"
        nothing(
            f"No rollout{which}",
            "Show a version to few users first, and to everybody once it is proven not to be worse.",
            _START,
        )
        return False
    table(rows, rollout_columns(seen.statuses, local, told), "Rollouts")
    downloads(rows, "rollouts")
    if len(seen.rollouts) == _MOST:
        st.caption(f"The newest {_MOST}; choose a prompt or an environment to see others.")
    return True


def _one(name: str) -> None:
    st.html(f'<p class="cm-back">{anchor("All rollouts", "rollouts")}</p>')
    path = f"/v1/rollouts/{segment(name)}"
    try:
        status = client().read(f"{path}/status", RolloutStatus)
    except NotFound as error:
        advise(advice_for(error))
        return
    except ApiError:
        status = None  # the live part says why
    with st.container():  # one place, whatever it holds: what follows stays where it was
        if status is not None:
            _head(status)
    live(
        "rollout",
        lambda: _fetch(name),
        lambda seen: _draw(seen, status),
        asked=name,
        every_s=None if status is not None and status.rollout.is_terminal else 3.0,
    )


def _head(status: RolloutStatus) -> None:
    """What does not refresh: a dialog over it stays open."""
    rollout = status.rollout
    st.subheader(f"{plain(title_of(rollout))} :gray[:small[{plain(place_of(rollout))}]]", anchor=False)
    try:
        rollout_actions(rollout, status.weight_commanded)
    except ApiError as error:  # who the viewer is could not be asked
        st.caption(plain(error.detail))


def _fetch(name: str) -> _Seen:
    asked = client()
    path, experiment = f"/v1/rollouts/{segment(name)}", f"/v1/experiments/{segment(name)}"
    status = asked.read(f"{path}/status", RolloutStatus)
    decisions = asked.items(f"{path}/decisions", RolloutDecision)
    record: ExperimentRecord | None = None
    if status.rollout.started_at is not None:
        record = asked.read(experiment, ExperimentRecord)
    compared = seen_readout(name, record)
    return _Seen(status, decisions, compared)


def _draw(seen: _Seen, before: RolloutStatus | None) -> None:
    status, rollout = seen.status, seen.status.rollout
    changed = before is None or before.rollout.row_version != rollout.row_version
    if changed and not is_asking():
        st.rerun()  # the buttons above are about another state
    compared = seen.compared
    arm = compared.arm
    box = st.info if not rollout.is_terminal or rollout.state == "completed" else st.warning
    box(f"**{plain(told(status.sentence))}**", icon=":material/route:")
    srm = None if compared.readout is None else compared.readout.srm
    mismatch = srm is not None and srm.mismatch
    figures = figures_of(status, None if srm is None else srm.words, mismatch, local, told)
    st.html(health_strip(figures, "Where the rollout stands") + stages_track(rollout))
    if status.holds:
        table(status.holds, hold_columns(local), "What stops it")
    if arm is None:
        nothing(
            "Nothing to compare yet",
            "The readout begins with the first requests of both arms."
            if rollout.started_at is not None
            else "It has not begun: the sentence above says what is missing.",
        )
    else:
        metrics(compared, arm)
        effects(compared, arm)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _shares(seen)
    with right:
        epochs(compared)
    if arm is not None:
        segments(arm, status.patterns, status.id)
    _decisions(seen.decisions)
    st.caption(f"As of {plain(local(status.at, seconds=True))}. Times are yours. {_more(rollout)}")
    st.html(_links(rollout))


def _shares(seen: _Seen) -> None:
    st.subheader("Share of the treatment", anchor=False)
    if not any(each.weights for each in seen.decisions):
        st.caption("Nothing is served yet.")
        return
    rollout = seen.status.rollout
    until = rollout.ended_at or datetime.now(UTC)
    chart = share_chart(
        seen.compared.path.traffic, seen.decisions, seen.compared.epochs, until, viewers_mode()
    )
    draw_chart(chart, "share")
    st.caption("The line is what the registry serves, each dot what was seen between looks.")


def _decisions(decisions: list[RolloutDecision]) -> None:
    st.subheader("Decisions", anchor=False)
    latest = decisions[::-1]
    table(latest, decision_columns(local, told), "Decisions, the latest first")
    downloads(decisions, "decisions")
    with_numbers = {f"{each.seq}": each for each in latest if evidence_rows(each)}
    if with_numbers:
        with st.expander("The numbers on which a decision stood"):
            chosen = st.selectbox(
                "Decision",
                list(with_numbers),
                format_func=lambda seq: (
                    f"{seq}: {with_numbers[seq].kind.replace('_', ' ')}, {local(with_numbers[seq].at)}"
                ),
                key="decision",
            )
            if chosen is not None:
                table(evidence_rows(with_numbers[chosen]), evidence_columns(), "Numbers of the decision")


def _more(rollout: Rollout) -> str:
    tried = f" It tries {plain(rollout.retry_of)} again." if rollout.retry_of else ""
    replaced = f" {plain(rollout.replaced_by)} took its place." if rollout.replaced_by else ""
    return f"Started by {plain(rollout.started_by)}.{tried}{replaced}"


def _links(rollout: Rollout) -> str:
    then = range_since(rollout.started_at or rollout.created_at, datetime.now(UTC)).key
    here = {"prompt": rollout.prompt, "environment": rollout.environment, "time": then}
    prompt = anchor("Its charts", "prompt", **here)
    why = anchor("Why it differs", "explain", **here, a=rollout.control, b=rollout.treatment)
    return f'<p class="cm-back">{prompt} · {why} · {anchor("Alerts", "alerts", **here)}</p>'
