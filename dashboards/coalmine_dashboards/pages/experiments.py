"""Experiments: all of them, and of one each arm beside control, whoever started it and decides."""

from dataclasses import dataclass
from typing import Final

import streamlit as st

from coalmine_consumers.results import ExperimentRow
from coalmine_dashboards.api import NotFound, segment
from coalmine_dashboards.parts.advice import nothing
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.filters import Chosen, filters, known_facets
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.readout_view import Compared, effects, epochs, metrics, seen_readout, segments
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import client, local
from coalmine_dashboards.ranges import range_since
from coalmine_dashboards.views.experiments import (
    Listed,
    arm_columns,
    experiment_columns,
    listed_rows,
    words_of,
)
from coalmine_dashboards.views.markup import plain
from coalmine_registry.records import ExperimentRecord

_MOST: Final = 100
_START: Final = (
    "coalmine experiment start refund-tone --prompt support-refund "
    "--arm warm=1.1.0:0.5 --arm control=1.0.0:0.5"
)


@dataclass(frozen=True, slots=True)
class _Seen:
    compared: Compared
    is_rollout: bool


def show() -> None:
    """Draw the page."""
    if (experiment := st.query_params.get("experiment")) is not None:
        _one(experiment)
    else:
        _all()


def _all() -> None:
    facets = known_facets()
    chosen = None if facets is None else filters(facets, ("prompt", "environment"), time=False)
    live(
        "experiments",
        lambda: _fetch_all(chosen),
        _draw_all,
        asked=chosen and (chosen.prompt, chosen.environment),
        **({} if chosen is None else {"every_s": chosen.every_s}),
    )


def _fetch_all(chosen: Chosen | None) -> list[Listed]:
    asked = client()
    query: dict[str, object] = {}
    if chosen is not None:
        query = {"prompt": chosen.prompt, "environment": chosen.environment}
    records = asked.first("/v1/experiments", ExperimentRecord, _MOST, **query)
    seen = {row.experiment: row for row in asked.items("/v1/readouts", ExperimentRow)}
    listed = [Listed(each.name, each, seen.pop(each.name, None)) for each in records]
    if not any(query.values()) and len(records) < _MOST:  # of the others nobody knows whose they are
        listed += [Listed(name, None, row) for name, row in seen.items()]
    return listed


def _draw_all(rows: list[Listed]) -> bool:
    if not rows:
        nothing("No experiment", "Serve several versions side by side, and see which is better.", _START)
        return False
    table(rows, experiment_columns(local), "Experiments")
    downloads(listed_rows(rows), "experiments")
    if len(rows) == _MOST:
        st.caption(f"The newest {_MOST}; choose a prompt or an environment to see others.")
    return True


def _one(name: str) -> None:
    st.html(f'<p class="cm-back">{anchor("All experiments", "experiments")}</p>')
    st.subheader(plain(name), anchor=False)
    arm = st.query_params.get("arm")
    live("experiment", lambda: _fetch(name, arm), _draw, asked=(name, arm), every_s=5.0)


def _fetch(name: str, arm: str | None) -> _Seen:
    asked = client()
    record: ExperimentRecord | None = None
    steered = False
    try:
        record = asked.read(f"/v1/experiments/{segment(name)}", ExperimentRecord)
        asked.read(f"/v1/rollouts/{segment(name)}", dict)
        steered = True
    except NotFound:
        pass  # events alone tell of it, or people steer it
    return _Seen(seen_readout(name, record, arm), steered)


def _draw(seen: _Seen) -> None:
    compared = seen.compared
    record, readout, arm = compared.record, compared.readout, compared.arm
    st.markdown(plain(words_of(record, readout, local)))
    if readout is None and record is None:
        st.warning(f"There is no experiment {plain(compared.name)}: it is mistyped, or has had no call yet.")
    elif readout is None:
        nothing("Nothing to compare yet", "The readout begins with the first requests of both arms.")
    elif arm is None:
        names = ", ".join(each.arm for each in readout.arms) or "none"
        nothing("No such arm", f"Arms with requests beside {readout.control}: {names}.")
    else:
        if readout.srm.mismatch:
            st.warning(plain(readout.srm.words))
        table(readout.arms, arm_columns(readout.experiment, arm.arm), f"Arms beside {readout.control}")
        metrics(compared, arm)
        effects(compared, arm)
        segments(arm, (), compared.name)
    epochs(compared)
    if record is not None:
        st.html(_links(record, is_rollout=seen.is_rollout))


def _links(record: ExperimentRecord, *, is_rollout: bool) -> str:
    then = range_since(record.started_at, record.stopped_at or record.started_at).key
    links = [anchor("Its prompt", "prompt", prompt=record.prompt, environment=record.environment, time=then)]
    if is_rollout:
        links.append(anchor("The rollout that steers it", "rollouts", rollout=record.name))
    return f'<p class="cm-back">{" · ".join(links)}</p>'
