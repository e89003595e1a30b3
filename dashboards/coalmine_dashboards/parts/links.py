"""Addresses of views. A view is a page with what it shows in its query: its address restores it."""

from typing import Literal
from urllib.parse import urlencode

from coalmine_dashboards.views.markup import escape

PageName = Literal[
    "now",
    "prompt",
    "rollouts",
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


def link(page: PageName, **query: str | int | None) -> str:
    """The address of a view, relative to the dashboard's root; None leaves a parameter out."""
    given = urlencode({name: value for name, value in query.items() if value is not None})
    return f"./{page}?{given}" if given else f"./{page}"


def anchor(text: str, page: PageName, **query: str | int | None) -> str:
    """HTML of a link to a view; the text is shown as it is."""
    return anchor_to(link(page, **query), escape(text))


def anchor_to(address: str, markup: str) -> str:
    """HTML of a link around markup that is escaped already."""
    return f'<a href="{escape(address)}" target="_self">{markup}</a>'
