"""An experiment as its readout sees it: metrics, effects over time, epochs and segments of one arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from coalmine_analytics.results.readout import ArmReadout, Readout, ReadoutPath
from coalmine_dashboards.api import NotFound, segment
from coalmine_dashboards.parts.charts import draw_chart
from coalmine_dashboards.parts.choice import several
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import client, local, viewers_mode
from coalmine_dashboards.views.looks import LookPath, effect_chart
from coalmine_dashboards.views.markup import plain
from coalmine_dashboards.views.rollouts import (
    epoch_columns,
    limit_columns,
    metric_columns,
    metrics_that_matter,
    segment_columns,
)
from coalmine_registry.records import AllocationEpoch, ExperimentRecord
from coalmine_schemas.prompts import percent

_CHARTS: Final = 6
_LOOKS: Final = 150
"""Looks that are asked for at first, of all that there were."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One arm of an experiment beside control."""

    name: str
    """Of the experiment."""
    record: ExperimentRecord | None
    """None: it has not begun, or the registry does not know it."""
    readout: Readout | None
    """None until there are requests."""
    arm: ArmReadout | None
    """None until it has requests."""
    path: LookPath

    @property
    def epochs(self) -> tuple[AllocationEpoch, ...]:
        """Its allocation epochs, oldest first; none where the registry does not know it."""
        return () if self.record is None else self.record.epochs


def seen_readout(name: str, record: ExperimentRecord | None, arm: str | None = None) -> Compared:
    """Asks for the readout of now, and for the looks since the last time.

    Args:
        name: Of the experiment.
        record: What the registry knows of it.
        arm: One of its arms; the first if None.
    """
    asked, path = client(), f"/v1/experiments/{segment(name)}"
    kept, looks = st.session_state.get("looks", (None, LookPath()))
    if kept != (name, arm):
        looks = LookPath()
    readout: Readout | None = None
    try:
        readout = asked.read(f"{path}/readout", Readout)
        new = asked.read(f"{path}/looks", ReadoutPath, since=looks.through, limit=_LOOKS, spread=True)
        looks = looks.after(new.items, arm)
    except NotFound:
        pass  # no request has come yet
    st.session_state["looks"] = ((name, arm), looks)
    return Compared(name, record, readout, None if readout is None else readout.arm(arm), looks)


def metrics(seen: Compared, arm: ArmReadout) -> None:
    """Draw what is said of the arm, its metrics and limits."""
    st.subheader("Metrics", anchor=False)
    if seen.readout is not None:
        st.markdown(
            f"**{plain(arm.words)}** :gray[Chance of ever rolling a good version back: "
            f"{percent(seen.readout.alpha)}.]"
        )
    rows = metrics_that_matter(arm)
    table(rows, metric_columns(), "Metrics of the treatment against control")
    downloads(rows, f"{seen.name}-metrics")
    if arm.limits:
        table(arm.limits, limit_columns(), "Absolute limits")


def effects(seen: Compared, arm: ArmReadout) -> None:
    """Draw effects over time, those of the metrics that matter or are chosen."""
    st.subheader("Effects over time", anchor=False)
    known = {each.metric: each for each in metrics_that_matter(arm)}
    drawable = [name for name in known if any(each.effect is not None for each in seen.path.of(name))]
    if not drawable:
        st.caption("No metric has enough units in both arms yet: the table says how many each needs.")
        return
    default = [name for name in drawable if known[name].role != "shown"][:_CHARTS] or drawable[:_CHARTS]
    chosen = several(
        "metric", "metric with an effect", "Metrics", drawable, default, label_visibility="collapsed"
    )
    st.caption(
        "The line is the effect, treatment minus control; the band is its confidence sequence, which holds "
        "however often one looks. Harm is shown once the band lies beyond the tolerance, its absence once "
        "the band ends before the margin (dotted and dashed)."
    )
    columns = st.columns(2, gap="medium")
    for place, name in enumerate(each for each in chosen if each in known):
        metric = known[name]
        with columns[place % 2]:
            st.markdown(f"**{plain(name)}** :gray[:small[{plain(metric.verdict)}]]")
            chart = effect_chart(metric, seen.path.of(name), seen.epochs, viewers_mode())
            draw_chart(chart, f"effect-{name}")
    drawn = [each for name in chosen for each in seen.path.of(name)]
    downloads(drawn, f"{seen.name}-effects")


def epochs(seen: Compared) -> None:
    """Draw the history of its weights."""
    if seen.epochs:
        st.subheader("Epochs", anchor=False)
        table(seen.epochs, epoch_columns(local), "Allocation epochs")


def segments(arm: ArmReadout, patterns: Sequence[str], name: str) -> None:
    """Draw where the arm is worse.

    Args:
        arm: The arm.
        patterns: Sentences on where it is, or may be.
        name: Of the experiment, for downloads.
    """
    st.subheader("Segments", anchor=False)
    for each in patterns:
        st.markdown(f":material/warning: {plain(each)}")
    rows = sorted(arm.segments, key=lambda each: each.adjusted_p)
    if not rows:
        st.caption(
            "No declared segment has enough units in both arms. Declare segments in the prompt's file."
        )
        return
    if not patterns:
        st.caption("In no declared segment is the treatment shown to be worse, nor suspected to be.")
    units: Mapping[str, str] = {each.metric: each.unit for each in arm.metrics}
    with st.expander(f"All {len(rows)} comparisons of segments", expanded=bool(patterns)):
        table(rows, segment_columns(units), "Segments, the surest harm first")
        downloads(rows, f"{name}-segments")
