"""The units of systemd are valid, bar what the server does not need, and start commands there are."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coalmine_server.settings import SETTING_KEYS, ServerSettings
from tests.support.repository.shell_commands import problem_with
from tests.support.repository.tree import ROOT

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(path.name for path in FOLDER.iterdir())
MOST_EXPOSED = 20
"""Tenths: systemd calls up to 2.0 OK, of 10; its default is 9.6. What is left is the network."""
_ANALYZE = shutil.which("systemd-analyze")


class Unit(configparser.RawConfigParser):
    """A unit's sections; of a name given twice, the values together."""

    def __init__(self, name: str) -> None:
        super().__init__(strict=False, comment_prefixes=("#",), delimiters=("=",))
        self.optionxform = str  # type: ignore[assignment, method-assign] # names differ by case
        self.read_string((FOLDER / name).read_text(encoding="utf-8"))


def test_both_units_are_there() -> None:
    assert UNITS == ["coalmine-dashboard.service", "coalmine.service"]


@pytest.mark.parametrize("name", UNITS)
def test_it_starts_a_command_with_settings_there_are_and_restarts_it(name: str) -> None:
    service = Unit(name)["Service"]
    words = service["ExecStart"].split()
    assert words[0].startswith("/")
    assert problem_with(["coalmine", *words[1:]]) is None
    set_here = dict(each.split("=", 1) for each in service["Environment"].split())
    known = {key.variable for key in SETTING_KEYS}
    assert {each for each in set_here if each.startswith("COALMINE_")} <= known
    assert set_here["COALMINE_HOME"] == service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
    assert service["Restart"] == "on-failure"


def test_the_server_has_time_to_stop_and_its_settings_are_not_tried_again() -> None:
    service = Unit("coalmine.service")["Service"]
    assert float(service["TimeoutStopSec"]) > ServerSettings().shutdown_timeout_s
    assert service["RestartPreventExitStatus"] == "2"


def test_the_page_names_both_units_and_where_they_go() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for name in UNITS:
        assert f"deploy/systemd/{name}" in page


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units with programs that are on this machine: systemd looks whether they can be run."""
    for name in UNITS:
        text = (FOLDER / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(re.sub(r"/opt/\S+/coalmine", sys.executable, text), encoding="utf-8")
    return tmp_path


def _analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if _ANALYZE is None:
        pytest.skip("there is no systemd-analyze")
    command = [_ANALYZE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_wrong(installed: Path) -> None:
    done = _analyze("verify", "--man=no", *(installed / name for name in UNITS))
    complaints = [line for line in done.stderr.splitlines() if str(installed) in line or "coalmine" in line]
    assert (done.returncode, complaints) == (0, [])


@pytest.mark.parametrize("name", UNITS)
def test_systemd_calls_it_hardly_exposed(installed: Path, name: str) -> None:
    done = _analyze(
        "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", installed / name
    )
    assert done.returncode == 0, done.stdout
