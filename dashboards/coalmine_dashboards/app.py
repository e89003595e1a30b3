"""The pages together: navigation, header, and what every page has."""

import importlib
import os
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

import altair as alt
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from coalmine_dashboards.api import ApiError, Forbidden, NotFound, Refused
from coalmine_dashboards.parts.account import account, signed_in
from coalmine_dashboards.parts.actions import ask_pending, forget_pending, say_what_came
from coalmine_dashboards.parts.advice import advise
from coalmine_dashboards.parts.choice import UNKNOWN
from coalmine_dashboards.parts.links import FIRST, PageName
from coalmine_dashboards.parts.live import draw_again_once
from coalmine_dashboards.parts.viewer import caller
from coalmine_dashboards.views.markup import plain, stylesheet
from coalmine_dashboards.views.problems import advice_for
from coalmine_schemas.discovery import home_of
from coalmine_schemas.simulated_home import simulated_words

SECTIONS: Final[dict[str, dict[PageName, tuple[str, str]]]] = {
    "Watch": {
        "now": ("Now", ":material/bolt:"),
        "prompt": ("Prompt", ":material/stacked_line_chart:"),
        "rollouts": ("Rollouts", ":material/rocket_launch:"),
        "experiments": ("Experiments", ":material/science:"),
        "alerts": ("Alerts", ":material/notifications:"),
    },
    "Understand": {
        "requests": ("Requests and feedback", ":material/forum:"),
        "costs": ("Cost", ":material/payments:"),
        "explain": ("Explain", ":material/troubleshoot:"),
        "drift": ("Drift and models", ":material/timeline:"),
    },
    "Decide": {
        "registry": ("Registry", ":material/inventory_2:"),
        "evaluations": ("Evaluations", ":material/fact_check:"),
        "wins": ("Wins", ":material/emoji_events:"),
    },
    "Operate": {"pipeline": ("Pipeline", ":material/lan:")},
}
"""Pages by section: their titles and icons."""
_EVERYWHERE: Final = frozenset(("prompt", "environment", "model", "time", "live"))
"""Parameters of addresses that go along to the next page."""
_ANOTHER_MEANING: Final = ("a", "b", "by", "metric", "version", "view")
"""Others that several pages have, and widgets of that name."""
_SIDEBAR_PX: Final = 244
"""As wide as the longest title needs: the rest is for figures."""


@alt.theme.register("coalmine", enable=True)
def _charts() -> alt.theme.ThemeConfig:
    """A mark has no name for screen readers; a chart as a whole has, and its data can be downloaded."""
    quiet = {name: {"aria": False} for name in ("area", "bar", "line", "point", "rect", "rule", "text")}
    return alt.theme.ThemeConfig(config=quiet)  # type: ignore[typeddict-item]


def show(first: PageName = FIRST) -> None:
    """Draw the page that the address names.

    Args:
        first: The page of an address that names none.
    """
    st.set_page_config(
        page_title="Coalmine", page_icon="🐤", layout="wide", initial_sidebar_state=_SIDEBAR_PX
    )
    st.html(stylesheet())
    page = st.navigation(
        {
            section: [
                st.Page(_page(name), title=title, icon=icon, url_path=name, default=name == first)
                for name, (title, icon) in pages.items()
            ]
            for section, pages in SECTIONS.items()
        },
        position="sidebar",
        expanded=True,
    )
    st.set_page_config(page_title=f"{page.title} \N{MIDDLE DOT} Coalmine")
    if _turned(page.url_path):
        st.rerun()
    st.title(page.title, anchor=False)
    if (simulated := simulated_words(home_of(None, os.environ))) is not None:
        st.caption(f":material/science: {plain(simulated)}")
    if not signed_in():
        return
    account()
    say_what_came()
    ask_pending()
    try:
        page.run()
    except (Forbidden, NotFound, Refused) as error:
        advise(advice_for(error))
    except ApiError as error:
        advise(advice_for(error))
        draw_again_once(caller)


def _turned(page: str) -> bool:
    """True once the viewer turned to another page, if that has to be drawn anew.

    Choices of the page before do not go along, except for those that mean the same everywhere. Where the
    viewer went back or forward, the address is of the page itself: Streamlit takes off it what widgets of the
    page before hold, which is put back.
    """
    before, st.session_state["page"] = st.session_state.get("page"), page
    if before in (None, page):
        return False
    forget_pending()
    for name in _ANOTHER_MEANING:
        st.session_state.pop(name, None)
    unknown = st.session_state.get(UNKNOWN, {})
    for name in unknown.keys() - _EVERYWHERE:
        del unknown[name]
    run = get_script_run_ctx()
    if run is None:
        return False
    asked = parse_qs(run.query_string, keep_blank_values=True)
    if not run.is_history_navigation:
        asked = {name: values for name, values in asked.items() if name in _EVERYWHERE}
    if asked.keys() == st.query_params.keys():
        return False
    st.query_params.from_dict(asked)
    return True


def _page(name: PageName) -> Callable[[], None]:
    """Draws a page, whose module is imported once somebody looks at it."""

    def draw() -> None:
        importlib.import_module(f"coalmine_dashboards.pages.{name}").show()

    draw.__name__ = name
    return draw
