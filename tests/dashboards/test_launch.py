import subprocess
import sys
from pathlib import Path

from coalmine_dashboards.launch import command


def test_the_page_is_served_on_the_loopback_interface_unless_told_otherwise() -> None:
    assert "--server.address=127.0.0.1" in command()
    assert "--server.address=0.0.0.0" in command("0.0.0.0", 80)
    assert "--server.port=80" in command("0.0.0.0", 80)


def test_streamlit_tells_nobody_and_asks_nothing() -> None:
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


def test_the_pages_import_nothing_of_the_other_parts() -> None:
    code = (
        "import sys, coalmine_dashboards.page;"
        "parts = ('coalmine', 'coalmine_schemas', 'coalmine_server', 'coalmine_consumers', 'duckdb');"
        "print([name for name in parts if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
