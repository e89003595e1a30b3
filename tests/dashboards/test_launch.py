import subprocess
import sys
from pathlib import Path

from coalmine_dashboards.launch import command


def test_the_page_is_served_on_the_loopback_interface_by_default() -> None:
    assert "--server.address=127.0.0.1" in command()
    assert "--server.address=0.0.0.0" in command("0.0.0.0", 80)
    assert "--server.port=80" in command("0.0.0.0", 80)


def test_streamlit_sends_no_statistics_and_asks_no_questions() -> None:
    line = command()
    assert line[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert Path(line[4]).is_file()
    assert {"--browser.gatherUsageStats=false", "--server.headless=true"} <= set(line)


def test_every_option_is_one_that_streamlit_knows() -> None:
    known = subprocess.run(
        [sys.executable, "-m", "streamlit", "run", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for option in command()[5:]:
        name = option.partition("=")[0]
        assert name in known, option


def loaded(modules: str) -> set[str]:
    """The modules that these imports load, in a process of their own."""
    code = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_pages_load_nothing_heavy_and_only_results_of_other_parts() -> None:
    found = loaded("coalmine_dashboards.page")
    ours = {name for name in found if name.startswith("coalmine") and "dashboards" not in name}
    assert {name for name in ours if not name.startswith("coalmine_schemas")} == {
        "coalmine_consumers",
        *(name for name in ours if name.startswith("coalmine_consumers.results")),
    }
    assert "coalmine_consumers.results" in ours
    third_party = {name.partition(".")[0] for name in found - loaded("streamlit, altair, httpx2, pydantic")}
    heavy = {"duckdb", "numpy", "polars", "pyarrow", "scipy", "fastavro", "fastapi", "confluent_kafka"}
    assert third_party & heavy == set()
