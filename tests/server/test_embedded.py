"""Without a server: commands open the store themselves and first ingest what the spool holds."""

import csv
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

import pytest
from coalmine import Coalmine
from coalmine_schemas.events import PromptRequest
from coalmine_schemas.identifiers import unit_group, uuid7
from coalmine_schemas.spool_format import list_sealed

from tests.server.conftest import TRACE, write_poison
from tests.server.harness import COMMAND, coalmine, coalmine_json, environment


def totals(trace: Path) -> tuple[int, int, int]:
    """Calls, input tokens and output tokens of a trace, counted by the csv module."""
    with trace.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    received = sum(int(row["GeneratedTokens"]) for row in rows)
    return len(rows), sum(int(row["ContextTokens"]) for row in rows), received


def test_a_trace_is_measured_exactly_from_an_empty_home(home: Path, trace: Path) -> None:
    replayed = coalmine_json("replay", trace, "--speed", "max", home=home)
    (version,) = coalmine_json("versions", home=home)
    measured = version["requests"], version["input_tokens"], version["output_tokens"]
    assert (
        measured == totals(trace) == (replayed["rows"], replayed["input_tokens"], replayed["output_tokens"])
    )
    assert (version["prompt"], version["version"], version["error_rate"]) == (TRACE, "1.0.0", 0.0)
    assert version["cost_usd_per_request"] is None
    assert version["quality_mean"] is None
    assert version["thumbs_up_rate"] is None
    assert version["latency_ms_p50"] < version["latency_ms_mean"] < version["latency_ms_p95"]
    assert list_sealed(home / "spool") == []


def test_each_command_ingests_what_came_since(home: Path, trace: Path) -> None:
    for times in (1, 2, 3):
        coalmine_json("replay", trace, "--speed", "max", home=home)
        assert coalmine_json("versions", home=home)[0]["requests"] == 500 * times
    status = coalmine_json("ingest-status", home=home)
    assert (status["state"], status["source"], status["counts"]["stored"]) == ("embedded", "spool", 1500)


def test_latencies_are_those_of_the_calls_within_one_percent(home: Path) -> None:
    latencies = [1.5**power for power in range(1, 22)]
    with Coalmine("app", spool_dir=home / "spool") as client:
        for latency_ms in latencies:
            request_id = uuid7()
            client.emit_request(
                PromptRequest(
                    request_id=request_id,
                    event_time=datetime.now(UTC),
                    app="app",
                    environment="prod",
                    prompt="p",
                    version="1.0.0",
                    unit_group=unit_group(request_id),
                    resolution="fixed",
                    unit_id=request_id,
                    request_model="unknown",
                    latency_ms=latency_ms,
                )
            )
    (version,) = coalmine_json("versions", home=home)
    assert version["latency_ms_mean"] == pytest.approx(fmean(latencies))
    assert version["latency_ms_p50"] == pytest.approx(latencies[10], rel=0.0101)
    assert version["latency_ms_p95"] == pytest.approx(latencies[19], rel=0.0101)


def test_an_empty_home_gives_an_empty_list_and_a_hint(home: Path) -> None:
    assert coalmine_json("versions", home=home) == []
    assert coalmine_json("timeseries", home=home) == []
    plain = coalmine("versions", home=home)
    assert (plain.returncode, plain.stdout) == (0, "")
    assert "no requests yet" in plain.stderr


def test_tables_show_what_json_says(home: Path, trace: Path) -> None:
    coalmine("replay", trace, "--speed", "max", "--model", "gpt-4o-mini", "--provider", "openai", home=home)
    (version,) = coalmine_json("versions", home=home)
    assert version["cost_usd_per_request"] > 0
    table = coalmine("versions", home=home).stdout
    for shown in (TRACE, "1.0.0", "500", f"{version['input_tokens']:,}", "0.0%"):
        assert shown in table


def test_commands_at_the_same_time_wait_for_each_other(home: Path, trace: Path) -> None:
    coalmine_json("replay", trace, "--speed", "max", home=home)
    running = [
        subprocess.Popen(
            [*COMMAND, "versions", "--json"],
            env=environment(home),
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in running:
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
        assert '"requests": 500' in stdout


def test_a_producer_that_was_killed_loses_nothing_that_was_written(home: Path) -> None:
    program = (
        "import os, time\n"
        "from coalmine import Coalmine\n"
        f"client = Coalmine('app', spool_dir={str(home / 'spool')!r})\n"
        "for _ in range(25):\n"
        "    with client.call('p', version='1.0.0'):\n        pass\n"
        "while client.stats().queued:\n    time.sleep(0.01)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([*COMMAND[:2], program], env=environment(home), check=False, capture_output=True)
    assert killed.returncode == -9
    assert coalmine_json("versions", home=home)[0]["requests"] == 25


def test_poison_becomes_dead_letters_that_can_be_listed_shown_and_given_up(home: Path) -> None:
    write_poison(home / "spool", 3)
    letters = coalmine_json("dead-letters", "list", home=home)
    assert [(letter["event"], letter["stage"], letter["status"]) for letter in letters] == [
        ("requests", "frame", "open")
    ] * 3
    shown = coalmine("dead-letters", "show", letters[0]["dead_letter_id"], home=home)
    assert "poison" in shown.stdout
    failed = coalmine("dead-letters", "replay", "--all", "--json", home=home)
    assert failed.returncode == 1
    discarded = coalmine_json("dead-letters", "discard", letters[0]["dead_letter_id"], home=home)
    assert (discarded["selected"], discarded["discarded"]) == (1, 1)
    assert len(coalmine_json("dead-letters", "list", home=home)) == 2
    assert len(coalmine_json("dead-letters", "list", "--status", "any", home=home)) == 3
    assert coalmine("audit", home=home).returncode == 0


@pytest.mark.parametrize("arguments", [["versions"], ["timeseries"], ["ingest-status"]])
def test_json_is_all_there_is_on_standard_output(home: Path, trace: Path, arguments: list[str]) -> None:
    coalmine_json("replay", trace, "--speed", "max", home=home)
    coalmine_json("--log-level", "debug", *arguments, home=home)
