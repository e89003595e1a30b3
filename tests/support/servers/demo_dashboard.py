"""The dashboard and a server with the demonstration's data, shared by all processes that run tests."""

import json
import os
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coalmine import Coalmine
from coalmine_schemas.spool_blocks import SpoolRecord
from coalmine_schemas.spool_format import SpoolWriter
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess
from tests.support.processes.dashboard_process import dashboard_process
from tests.support.processes.demo_home import fill_demo_home

VARIABLE = "COALMINE_TEST_DEMO"
CALLS_PER_S = 0.3
STEP_S = 900.0
"""Decisions a quarter of an hour apart: a third of the work of the demonstration itself."""
HOSTILE_PROMPT = "greet <img src=x onerror=alert(1)>"
HOSTILE_SEGMENT = "![x](http://example.invalid/x.png)"
HOSTILE_COMMENT = "<script>alert(1)</script> [click](javascript:alert(1)) \u202egpj.exe"


@dataclass(frozen=True, slots=True)
class DemoDashboard:
    """Where they are."""

    url: str
    """Of the dashboard."""
    server_url: str
    home: Path

    @property
    def address(self) -> str:
        """In one line."""
        return f"{self.url} {self.server_url} {self.home}"

    @property
    def told(self) -> tuple[Path, Any]:
        """The demonstration's home as it left it, to copy, and the report that it printed."""
        kept, report = _told(self.home)
        return kept, json.loads(report.read_text(encoding="utf-8"))

    @property
    def token(self) -> str:
        """Of an admin."""
        return (self.home / "credentials").read_text(encoding="utf-8").strip()


def named_demo() -> DemoDashboard | None:
    """The one that the environment names."""
    if not (named := os.environ.get(VARIABLE)):
        return None
    url, server_url, folder = named.split(" ", 2)
    return DemoDashboard(url, server_url, Path(folder))


def demo_dashboard(stack: ExitStack) -> DemoDashboard:
    """The one that the environment names, or one that ends with the stack."""
    if (named := named_demo()) is not None:
        return named
    home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-"))) / "home"
    kept, report = _told(home)
    told = fill_demo_home(home, calls_per_s=CALLS_PER_S, step_s=STEP_S)
    report.write_text(json.dumps(told), encoding="utf-8")
    shutil.copytree(home, kept)
    server = stack.enter_context(ServerProcess(home))
    server.wait_ready()
    _hostile_calls(home)
    _poison(home / "spool")
    eventually(
        lambda: (
            server.json("/v1/ingest")["dead_letters_open"] == 3
            and HOSTILE_PROMPT in server.json("/v1/facets")["prompts"]
        ),
        what="hostile events that are stored",
    )
    return DemoDashboard(stack.enter_context(dashboard_process(home)), server.url, home)


def _told(home: Path) -> tuple[Path, Path]:
    return home.with_name("told"), home.with_name("report.json")


def _hostile_calls(home: Path) -> None:
    """Calls whose every text would do something if it were not shown as text."""
    with Coalmine("support-bot", "prod", home=home, capture_text=True) as client:
        for number in range(12):
            call = client.call(
                HOSTILE_PROMPT,
                version="1.0.0",
                model="gpt-4.1-mini",
                unit_id=f"<b>{number}</b>",
                segments={"plan": HOSTILE_SEGMENT},
            )
            with call:
                call.record(input_tokens=10, output_tokens=5)
            client.feedback(call.request_id, "down", comment=HOSTILE_COMMENT)


def _poison(spool: Path) -> None:
    writer = SpoolWriter(spool)
    writer.write([SpoolRecord("requests", None, b"poison <b>%d</b>" % number, 0) for number in range(3)])
    writer.close()
