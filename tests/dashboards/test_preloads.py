"""The HTML of a page names the scripts that the page will need, and Streamlit really has them."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from coalmine_dashboards.parts.links import PageName
from coalmine_dashboards.preloads import STATIC, Preloads, begun_pages, scripts_of
from coalmine_dashboards.sign_in import COOKIE, Sessions, SignIn

LINK = re.compile(r'<link rel="modulepreload" crossorigin fetchpriority="low" href="./(static/js/[^"]+)">')


async def streamlit(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"streamlit's own"})


@pytest.fixture(scope="module")
def pages() -> dict[PageName, str]:
    return begun_pages()


@pytest.mark.parametrize(
    ("page", "drawn", "not_drawn"),
    [
        ("prompt", {"ArrowVegaLiteChart", "embed", "Selectbox", "Html"}, {"DataFrame", "PlotlyChart"}),
        ("now", {"Html", "DownloadButton"}, {"ArrowVegaLiteChart", "Selectbox"}),
    ],
)
def test_a_page_names_what_draws_it_and_no_more(
    pages: dict[PageName, str], page: PageName, drawn: set[str], not_drawn: set[str]
) -> None:
    files = LINK.findall(pages[page])
    assert all((STATIC / file).is_file() for file in files)
    names = {Path(file).name.partition(".")[0] for file in files}
    assert drawn <= names
    assert not names & not_drawn
    assert len(files) == len(set(files))


def test_streamlits_own_html_is_all_there(pages: dict[PageName, str]) -> None:
    html = (STATIC / "index.html").read_text(encoding="utf-8")
    ours = rf"{LINK.pattern}\n|<script>\n[^<]*(let acted|BACKEND_BASE_URL)[^<]*</script>\n"
    assert [re.sub(ours, "", page) for page in pages.values()] == [html] * len(pages)


def test_a_page_connects_at_once_unless_who_signed_in_is_told_by_a_cookie_that_is_to_come(
    pages: dict[PageName, str],
) -> None:
    assert "if (false && !document.cookie.includes" in pages["prompt"]
    assert "if (true && !document.cookie.includes" in begun_pages(by_provider=True)["prompt"]
    # What it says is what this release of Streamlit reads.
    scripts = [each.read_text(encoding="utf-8") for each in (STATIC / "static" / "js").glob("index.*.js")]
    read = ("BACKEND_BASE_URL", "HOST_CONFIG", "allowedOrigins", "useExternalAuthToken", "_streamlit_xsrf")
    assert any(all(name in script for name in read) for script in scripts)


def test_scripts_that_a_release_lacks_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "static" / "js").mkdir(parents=True)
    (tmp_path / "index.html").write_text("<head></head><body>page</body>")
    (tmp_path / "static" / "js" / "Html.x.js").write_text('import{a}from"./gone.js";import"./b.js";')
    (tmp_path / "static" / "js" / "b.js").write_text('import"./Html.x.js";')
    found = begun_pages(tmp_path)["prompt"]
    assert LINK.findall(found) == ["static/js/Html.x.js", "static/js/b.js"]


def test_only_viewers_get_a_page_and_all_else_is_streamlits(pages: dict[PageName, str]) -> None:
    served = Preloads(streamlit, pages)
    stranger = TestClient(SignIn(served, "right", Sessions()), follow_redirects=False)
    assert stranger.get("/prompt", headers={"Accept": "text/html"}).status_code == 401
    viewer = TestClient(served)
    answer = viewer.get("/prompt?time=24h")
    assert answer.text == pages["prompt"]
    assert answer.headers["cache-control"] == "no-cache"
    assert viewer.get("/").text == pages["now"]
    assert {viewer.get(path).text for path in ("/nowhere", "/static/js/x.js")} == {"streamlit's own"}
    assert viewer.post("/prompt").text == "streamlit's own"


def test_who_gets_a_page_has_its_questions_asked(pages: dict[PageName, str]) -> None:
    asked: list[tuple[PageName, str | None, dict[str, str]]] = []
    served = Preloads(streamlit, pages, ask_early=lambda *early: asked.append((*early[:2], dict(early[2]))))
    viewer = TestClient(served, cookies={COOKIE: "session"})
    for address in ("/prompt?time=24h", "/", "/static/js/x.js", "/nowhere"):
        viewer.get(address)
    assert asked == [("prompt", "session", {"time": "24h"}), ("now", "session", {})]


def test_the_scripts_of_pages_are_as_streamlit_has_them(pages: dict[PageName, str]) -> None:
    scripts = scripts_of(pages.values())
    viewer = TestClient(Preloads(streamlit, pages, scripts))
    named = {f"/{each}" for html in pages.values() for each in LINK.findall(html)}
    assert named <= scripts.keys()
    for path in sorted(named):
        answer = viewer.get(path)
        assert answer.content == (STATIC / path[1:]).read_bytes()
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]
    assert viewer.get("/static/js/x.js").text == "streamlit's own"


def test_the_largest_script_is_asked_for_first(pages: dict[PageName, str]) -> None:
    sizes = [(STATIC / file).stat().st_size for file in LINK.findall(pages["prompt"])]
    assert sizes == sorted(sizes, reverse=True)


def test_a_script_that_is_gone_is_left_to_streamlit(tmp_path: Path) -> None:
    assert scripts_of(['<script src="./static/js/gone.js">'], tmp_path) == {}
