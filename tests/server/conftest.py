"""Fixtures: a home of one's own, and a running server with real events in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine import Coalmine
from coalmine_schemas.spool_blocks import SpoolRecord
from coalmine_schemas.spool_format import SpoolWriter
from coalmine_simulator import sample_trace
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine_json

PROMPT = "support-refund"
TRACE = "azure_llm_trace_conv_sample"

TRUSTING = {"COALMINE_SERVER_FAILED_LOGINS_PER_MINUTE": "1000000"}
"""For servers that are tried with many wrong tokens, all from one address."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where everything of one test lives."""
    return tmp_path / "home"


@pytest.fixture(scope="session")
def trace() -> Iterator[Path]:
    """500 real calls."""
    with sample_trace() as path:
        yield path


@pytest.fixture(scope="session")
def busy_server(tmp_path_factory: pytest.TempPathFactory, trace: Path) -> Iterator[ServerProcess]:
    """A server that has ingested a trace, two versions of a prompt with feedback, and a dead letter."""
    home = tmp_path_factory.mktemp("busy") / "home"
    with Coalmine("support-bot", spool_dir=home / "spool") as client:
        for number in range(20):
            version = "1.0.0" if number % 2 else "1.1.0"
            with client.call(PROMPT, version=version, model="gpt-4o-mini", provider="openai") as call:
                call.record(input_tokens=100, output_tokens=10)
                call.metric("quality", 0.5)
            client.feedback(call.request_id, thumbs="up" if number % 4 else "down")
        client.feedback("01a00000-0000-7000-8000-000000000000", thumbs="up")
    write_poison(home / "spool", 3)
    coalmine_json("replay", trace, "--speed", "max", "--mix", home=home)
    # The trace is from 2023: its minutes and its raw rows would have aged away.
    keep = {"COALMINE_RETENTION_MINUTE_DAYS": "100000", "COALMINE_RETENTION_RAW_DAYS": "forever", **TRUSTING}
    with ServerProcess(home, keep) as server:
        server.wait_ready()
        expected = 500 + 20 + 20 + 1 + 3
        eventually(
            lambda: server.json("/v1/ingest")["counts"]["consumed"] == expected, what="everything ingested"
        )
        yield server


@pytest.fixture(scope="session")
def registry_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that runs the prompt registry alone; tests share it, each with prompts of its own."""
    for_all = {"COALMINE_ROLLOUTS_MOST_AT_ONCE": "1000", **TRUSTING}
    with ServerProcess(tmp_path_factory.mktemp("registry") / "home", for_all, part="registry") as server:
        yield server


def write_poison(spool: Path, count: int) -> None:
    """Puts messages into the spool that are no events."""
    writer = SpoolWriter(spool)
    writer.write([SpoolRecord("requests", None, b"poison %d" % number, 0) for number in range(count)])
    writer.close()
