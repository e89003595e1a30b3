import subprocess
import sys

from coalmine_dashboards.launch import options_of, page_file


def test_the_page_is_served_on_the_loopback_interface_by_default() -> None:
    assert options_of()["server.address"] == "127.0.0.1"
    named = options_of("0.0.0.0", 80)
    assert (named["server.address"], named["server.port"]) == ("0.0.0.0", 80)


def test_streamlit_sends_no_statistics_and_asks_no_questions() -> None:
    options = options_of()
    assert options["browser.gatherUsageStats"] is False
    assert options["server.headless"] is True
    assert page_file().is_file()


def loaded(*imports: str) -> list[set[str]]:
    """The modules that are there after each of these imports, in a process of their own."""
    code = "import sys" + "".join(f"; import {modules}; print(*sys.modules)" for modules in imports)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [set(line.split()) for line in done.stdout.splitlines()]


def test_the_pages_load_nothing_heavy_and_only_results_of_other_parts() -> None:
    names = (path.stem for path in (page_file().parents[1] / "pages").glob("[a-z]*.py"))
    pages = ", ".join(f"coalmine_dashboards.pages.{name}" for name in names)
    before, found = loaded(
        "streamlit, altair, httpx2, pydantic, starlette.middleware", f"coalmine_dashboards.app, {pages}"
    )
    ours = {name for name in found if name.startswith("coalmine") and "dashboards" not in name}
    heavy_of_ours = ("storage", "sql", "store", "core")
    assert [name for name in ours if set(name.split(".")) & set(heavy_of_ours)] == []
    assert "coalmine_consumers.results" in ours
    third_party = {name.partition(".")[0] for name in found - before}
    # Streamlit itself loads numpy and pyarrow.
    heavy = {"duckdb", "polars", "scipy", "confluent_kafka", "fastavro", "fastapi", "sqlalchemy"}
    assert third_party & heavy == set()
