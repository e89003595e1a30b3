"""Boxes with a problem or an empty state, and what to do about it."""

from typing import Final

import streamlit as st

from coalmine_dashboards.views.markup import code_block, plain
from coalmine_dashboards.views.problems import Advice

_ICONS: Final = {
    "info": ":material/info:",
    "warning": ":material/hourglass_empty:",
    "error": ":material/link_off:",
}


def advise(advice: Advice) -> None:
    """Draw an advice; its texts are shown as they are."""
    box = {"info": st.info, "warning": st.warning, "error": st.error}[advice.tone]
    box(f"**{plain(advice.title)}**  \n{plain(advice.text)}", icon=_ICONS[advice.tone])
    if advice.code is not None:
        st.html(code_block(advice.code))


def nothing(title: str, remedy: str, code: str | None = None) -> None:
    """Draw an empty state that says what to do."""
    advise(Advice(title, remedy, "info", code))
