"""What is added to Streamlit's HTML: scripts that a page will need, where Streamlit is, and steps of history.

Streamlit's HTML names the scripts of its frame only. Those of widgets and charts (50 files, 1.2 MB) are asked
for when the first of them is to be drawn, which is after everything that the server had to be asked. Named
here, browsers fetch them beside the page's data.

Who opens another page gets a step of history for each filter that Streamlit clears or sets meanwhile: going
back would take five, and lose the filters on the way. So each action of the viewer is one step.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, get_args

import streamlit
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from coalmine_dashboards.parts.links import FIRST, PageName
from coalmine_dashboards.sign_in import COOKIE

__all__ = ["Preloads", "begun_pages", "scripts_of"]

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
_NAMED: Final = re.compile(r'static/js/([^"/]+\.js)"')
_LEADS: Final = re.compile(r'(?:from|import)\s*"\./([^"/]+\.js)"')
"""What a script loads before it runs."""
_WHERE: Final = """<script>
(() => {
  if (BY_PROVIDER && !document.cookie.includes("_streamlit_xsrf=")) return;
  const base = new URL("./", location.href);
  const HOST_CONFIG = { allowedOrigins: [base.origin], useExternalAuthToken: false };
  window.__streamlit = { BACKEND_BASE_URL: base.href, HOST_CONFIG };
})();
</script>
"""
"""Has the page connect at once. It would ask below its own name first, then here, each time for two answers.

Streamlit knows who signed in with a provider by a cookie that comes with one of these: without it, as before.
"""
_STEPS: Final = """<script>
(() => {
  let acted = false;
  for (const name of ["pointerdown", "keydown"]) addEventListener(name, () => { acted = true; }, true);
  const push = history.pushState.bind(history);
  history.pushState = (...step) => { acted ? push(...step) : history.replaceState(...step); acted = false; };
})();
</script>
"""
"""Adds a step once for each action of the viewer; what follows by itself replaces it."""
_HEADERS: Final = {"Cache-Control": "no-cache"}
_SCRIPT_HEADERS: Final = {"Cache-Control": "public, immutable, max-age=31536000"}
"""As Streamlit serves them: their names change with what they hold."""


def begun_pages(static: Path = STATIC, *, by_provider: bool = False) -> dict[PageName, str]:
    """Returns Streamlit's HTML by page, with what is added to it.

    A script that this release of Streamlit does not have is left out: it is a matter of time alone.

    Args:
        static: Streamlit's files.
        by_provider: True if people sign in with an identity provider.
    """
    html = (static / "index.html").read_text(encoding="utf-8")
    head, end, rest = html.partition("</head>")
    scripts = static / "static" / "js"
    where = _WHERE.replace("BY_PROVIDER", str(by_provider).lower())
    made: dict[PageName, str] = {}
    for page in get_args(PageName):
        known = dict.fromkeys(_NAMED.findall(head))
        framed = len(known)
        for element in _DRAWN[page]:
            for script in scripts.glob(f"{element}.*.js"):
                _note(script, known)
        # Low: what draws the frame comes first. The largest next: to read it takes browsers longest.
        wanted = sorted([*known][framed:], key=lambda name: -(scripts / name).stat().st_size)
        links = "".join(
            f'<link rel="modulepreload" crossorigin fetchpriority="low" href="./static/js/{name}">\n'
            for name in wanted
        )
        made[page] = f"{head}{where}{_STEPS}{links}{end}{rest}"
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


def scripts_of(pages: Iterable[str], static: Path = STATIC) -> dict[str, bytes]:
    """Returns the scripts that the HTML of some pages names, by their address.

    A browser fetches 50 of them while the page asks its questions; from files, each would take several
    turns of threads that the page waits for, too.
    """
    names = {name for html in pages for name in _NAMED.findall(html)}
    files = {name: static / "static" / "js" / name for name in names}
    return {f"/static/js/{name}": file.read_bytes() for name, file in files.items() if file.is_file()}


class Preloads:
    """The middleware, for those who may see pages."""

    def __init__(
        self,
        app: ASGIApp,
        pages: Mapping[PageName, str],
        scripts: Mapping[str, bytes] = MappingProxyType({}),
        ask_early: Callable[[PageName, str | None, Mapping[str, str]], None] | None = None,
    ) -> None:
        """Prepares it.

        Args:
            app: Answers everything else.
            pages: From `begun_pages`.
            scripts: From `scripts_of`.
            ask_early: Asks what a page will ask first: `parts.early.ask_early`.
        """
        self._app = app
        self._scripts = scripts
        self._ask_early = ask_early
        self._names: dict[str, PageName] = {f"/{name}": name for name in pages} | {"/": FIRST}
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection as ASGI says."""
        name = script = None
        if scope["type"] == "http" and scope["method"] == "GET":
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            name, script = self._names.get(path), self._scripts.get(path)
        if name is not None:
            asked = HTTPConnection(scope)
            if self._ask_early is not None:
                self._ask_early(name, asked.cookies.get(COOKIE), asked.query_params)
            await HTMLResponse(self._pages[name], headers=_HEADERS)(scope, receive, send)
        elif script is not None:
            answer = Response(script, headers=_SCRIPT_HEADERS, media_type="text/javascript")
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)
