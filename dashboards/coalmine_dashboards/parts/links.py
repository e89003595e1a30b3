"""Addresses of views. A view is a page with what it shows in its query: its address restores it."""

from typing import Final, Literal
from urllib.parse import urlencode

from coalmine_dashboards.views.markup import escape

PageName = Literal[
    "now",
    "prompt",
    "rollouts",
    "experiments",
    "requests",
    "costs",
    "explain",
    "drift",
    "alerts",
    "registry",
    "evaluations",
    "wins",
    "pipeline",
]
"""Pages, as the path of their address."""
FIRST: Final[PageName] = "now"
"""The page at the dashboard's root: Streamlit gives it no other address."""


def link(page: PageName, **query: str | int | None) -> str:
    """The address of a view, relative to the dashboard's root; None leaves a parameter out."""
    given = urlencode({name: value for name, value in query.items() if value is not None})
    path = "" if page == FIRST else page
    return f"./{path}?{given}" if given else f"./{path}"


def anchor(text: str, page: PageName, **query: str | int | None) -> str:
    """HTML of a link to a view; the text is shown as it is."""
    return anchor_to(link(page, **query), escape(text))


def anchor_to(address: str, markup: str) -> str:
    """HTML of a link around markup that is escaped already."""
    return f'<a href="{escape(address)}" target="_self">{markup}</a>'
