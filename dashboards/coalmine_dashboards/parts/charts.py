"""Charts whose specification is made once: making it costs more than all else that a refresh does.

What a browser does for a chart, it does for each of its points: what is said here of tooltips and of how
points are drawn spares it a third of the time until the page of a prompt is ready.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import streamlit as st

_EMBEDDED: Final = {"embedOptions": {"renderer": "canvas"}}
"""Painted: as elements of the page, points cost more, also those that are only there to be pointed at."""
_ONLY_OWN_TOOLTIPS: Final = {"mark": {"tooltip": None}}
"""Streamlit gives every other mark a tooltip with the names of its fields, and dates without their time."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart and its data, apart: a refresh replaces the points of a chart that stays."""

    spec: Mapping[str, Any]
    """As `to_dict` of Altair makes it, over `NamedData`; cache it by what it depends on."""
    data: Mapping[str, Sequence[Mapping[str, Any]]]
    """Rows by the name of their data set."""


@dataclass(frozen=True, slots=True)
class Told:
    """A line of a tooltip."""

    title: str
    field: str
    number: str = ""
    """Format of a number (d3-format)."""
    moment: str = ""
    """Format of a time (d3-time-format), in the zone of whoever looks."""

    @property
    def expression(self) -> str:
        """The text, as an expression of Vega."""
        field = f"datum[{json.dumps(self.field)}]"
        if self.moment:
            return f"timeFormat({field}, {json.dumps(self.moment)})"
        return f"format({field}, {json.dumps(self.number)})" if self.number else field


def tooltip(lines: Sequence[Told]) -> alt.TooltipValue:
    """Returns the tooltip of a mark without missing values, for charts with many points.

    Browsers make the tooltips of all points at once. Streamlit has Vega interpret its expressions, which
    takes long, and those of `alt.Tooltip` ask of each value whether it is there.
    """
    told = ", ".join(f"{json.dumps(each.title)}: {each.expression}" for each in lines)
    return alt.TooltipValue({"expr": f"{{{told}}}"})


def draw_chart(drawing: Drawing, key: str) -> None:
    """Draw a chart as wide as its place.

    Args:
        drawing: The chart.
        key: Unique in the page; it does not change between refreshes.
    """
    datasets = {name: list(rows) for name, rows in drawing.data.items()}
    config = {**drawing.spec.get("config", {}), **_ONLY_OWN_TOOLTIPS}
    spec = {**drawing.spec, "config": config, "usermeta": _EMBEDDED, "datasets": datasets}
    st.vega_lite_chart(spec=spec, width="stretch", key=key)
