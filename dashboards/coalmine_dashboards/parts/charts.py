"""Charts whose specification is made once: making it costs more than all else that a refresh does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart and its data, apart: a refresh replaces the points of a chart that stays."""

    spec: Mapping[str, Any]
    """As `to_dict` of Altair makes it, over `NamedData`; cache it by what it depends on."""
    data: Mapping[str, Sequence[Mapping[str, Any]]]
    """Rows by the name of their data set."""


def draw_chart(drawing: Drawing, key: str) -> None:
    """Draw a chart as wide as its place.

    Args:
        drawing: The chart.
        key: Unique in the page; it does not change between refreshes.
    """
    spec = {**drawing.spec, "datasets": {name: list(rows) for name, rows in drawing.data.items()}}
    st.vega_lite_chart(spec=spec, width="stretch", key=key)
