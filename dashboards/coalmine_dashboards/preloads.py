"""Scripts that a page will need, named in its HTML: browsers fetch them beside the page's data.

Streamlit's HTML names the scripts of its frame only. Those of widgets and charts (50 files, 1.2 MB) are asked
for when the first of them is to be drawn, which is after everything that the server had to be asked.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, get_args

import streamlit
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from coalmine_dashboards.parts.links import FIRST, PageName

__all__ = ["Preloads", "begun_pages"]

STATIC: Final = Path(streamlit.__file__).parent / "static"
_TABLES: Final = ("Html", "DownloadButton")
_FILTERS: Final = (*_TABLES, "Selectbox", "ButtonGroup", "Checkbox")
_CHARTS: Final = (*_FILTERS, "ArrowVegaLiteChart")
_DRAWN: Final[Mapping[PageName, Sequence[str]]] = {
    "now": _TABLES,
    "prompt": _CHARTS,
    "rollouts": _FILTERS,
    "experiments": _FILTERS,
    "requests": (*_FILTERS, "Button"),
    "costs": (*_CHARTS, "Multiselect"),
    "explain": _CHARTS,
    "drift": _CHARTS,
    "alerts": (*_CHARTS, "Button", "TextInput"),
    "registry": _TABLES,
    "evaluations": (*_TABLES, "Button", "TextInput"),
    "wins": _CHARTS,
    "pipeline": (*_CHARTS, "Button"),
}
"""Elements of each page, as Streamlit names the scripts that draw them."""
_LEADS: Final = re.compile(r'(?:from|import)\s*"\./([^"/]+\.js)"')
"""What a script loads before it runs."""
_HEADERS: Final = {"Cache-Control": "no-cache"}


def begun_pages(static: Path = STATIC) -> dict[PageName, str]:
    """Returns Streamlit's HTML by page, with what to load for it.

    A script that this release of Streamlit does not have is left out: it is a matter of time alone.
    """
    html = (static / "index.html").read_text(encoding="utf-8")
    head, end, rest = html.partition("</head>")
    scripts = static / "static" / "js"
    made: dict[PageName, str] = {}
    for page in get_args(PageName):
        known = dict.fromkeys(re.findall(r'static/js/([^"/]+\.js)"', head))
        framed = len(known)
        for element in _DRAWN[page]:
            for script in scripts.glob(f"{element}.*.js"):
                _note(script, known)
        # Low: what draws the frame comes first.
        links = "".join(
            f'<link rel="modulepreload" crossorigin fetchpriority="low" href="./static/js/{name}">\n'
            for name in [*known][framed:]
        )
        made[page] = f"{head}{links}{end}{rest}"
    return made


def _note(script: Path, known: dict[str, None]) -> None:
    """Adds a script and what it loads, unless it is known."""
    if script.name in known or not script.is_file():
        return
    known[script.name] = None
    for name in _loaded_by(script):
        _note(script.with_name(name), known)


@cache
def _loaded_by(script: Path) -> Sequence[str]:
    return _LEADS.findall(script.read_text(encoding="utf-8"))


class Preloads:
    """The middleware, for those who may see pages."""

    def __init__(self, app: ASGIApp, pages: Mapping[PageName, str]) -> None:
        """Prepares it.

        Args:
            app: Answers everything else.
            pages: From `begun_pages`.
        """
        self._app = app
        self._pages = {f"/{name}": html for name, html in pages.items()} | {"/": pages[FIRST]}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection as ASGI says."""
        html = None
        if scope["type"] == "http" and scope["method"] == "GET":
            html = self._pages.get(scope["path"].removeprefix(scope.get("root_path", "")))
        if html is None:
            await self._app(scope, receive, send)
        else:
            await HTMLResponse(html, headers=_HEADERS)(scope, receive, send)
