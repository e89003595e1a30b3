"""Without a server: commands open the store themselves and first ingest what the spool holds."""

import csv
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

import duckdb
import pytest

from coalmine import Coalmine
from coalmine_schemas.catalogue import latest
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.events import PromptRequest
from coalmine_schemas.framing import confluent_header
from coalmine_schemas.identifiers import unit_group, uuid7
from coalmine_schemas.registry_client import SchemaRegistryClient
from coalmine_schemas.spool_blocks import SpoolRecord
from coalmine_schemas.spool_format import SpoolWriter, list_sealed
from tests.server.conftest import TRACE, write_poison
from tests.support.processes.coalmine_process import COMMAND, coalmine, coalmine_json, environment
from tests.support.servers.schema_registry import SchemaRegistry


def request(request_id: str, latency_ms: float) -> PromptRequest:
    """A call that took so long."""
    return PromptRequest(
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
            client.emit_request(request(uuid7(), latency_ms))
    (version,) = coalmine_json("versions", home=home)
    assert version["latency_ms_mean"] == pytest.approx(fmean(latencies))
    assert version["latency_ms_p50"] == pytest.approx(latencies[10], rel=0.0101)
    assert version["latency_ms_p95"] == pytest.approx(latencies[19], rel=0.0101)


def test_an_empty_home_gives_an_empty_list_and_a_hint(home: Path) -> None:
    assert coalmine_json("versions", home=home) == []
    assert coalmine_json("timeseries", home=home) == []
    plain = coalmine("versions", home=home)
    assert (plain.returncode, plain.stdout) == (0, "")
    assert "no matching requests" in plain.stderr


def test_tables_show_what_json_says(home: Path, trace: Path) -> None:
    coalmine("replay", trace, "--speed", "max", "--model", "gpt-4o-mini", "--provider", "openai", home=home)
    (version,) = coalmine_json("versions", home=home)
    assert version["cost_usd_per_request"] > 0
    table = coalmine("versions", home=home).stdout
    for shown in (TRACE, "1.0.0", "500", f"{version['input_tokens']:,}", "0.0%"):
        assert shown in table


def test_own_prices_are_used_and_calls_without_a_price_are_named(home: Path) -> None:
    with Coalmine("app", home=home) as cm:
        for model in ("our-llama", "gpt-4o-mini", "unheard-of", "unheard-of"):
            with cm.call("p", version="1.0.0", model=model) as call:
                call.record(input_tokens=1_000_000, output_tokens=1_000_000)
    prices = home / "pricing.toml"
    prices.write_text("[[price]]\nmodel = 'our-*'\ninput_mtok = 2\noutput_mtokk = 3\n", "utf-8")
    wrong = coalmine("versions", home=home)
    assert wrong.returncode == 2
    assert "pricing.toml, line 4" in wrong.stderr
    assert "write output_mtok" in wrong.stderr
    prices.write_text("[[price]]\nmodel = 'our-*'\ninput_mtok = 2\noutput_mtok = 3\n", "utf-8")
    (version,) = coalmine_json("versions", home=home)
    assert (version["requests"], version["priced_requests"]) == (4, 2)
    assert float(version["cost_usd"]) == pytest.approx(2 + 3 + 0.15 + 0.60)
    assert "unheard-of 2" in coalmine("versions", home=home).stderr


def test_commands_at_the_same_time_wait_for_each_other(home: Path, trace: Path) -> None:
    coalmine_json("replay", trace, "--speed", "max", home=home)
    with ThreadPoolExecutor(4) as pool:
        for done in pool.map(lambda _: coalmine("versions", "--json", home=home), range(4)):
            assert done.returncode == 0, done.stderr
            assert '"requests": 500' in done.stdout


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


def test_an_audit_prints_the_identity_and_names_what_was_deleted(home: Path, trace: Path) -> None:
    coalmine_json("replay", trace, "--speed", "max", home=home)
    good = coalmine("audit", home=home)
    assert good.returncode == 0, good.stderr
    assert "read 500 = stored 500 + duplicates 0 + dead-lettered 0; 0 waiting" in good.stdout
    with duckdb.connect(home / "store" / "coalmine.duckdb") as connection:
        connection.execute(
            "DELETE FROM requests_hot WHERE request_id = (SELECT min(request_id) FROM requests_hot)"
        ).fetchall()
    bad = coalmine("audit", home=home)
    assert bad.returncode == 1
    assert "missing: " in bad.stdout
    report = coalmine("audit", "--json", home=home)
    assert report.returncode == 1
    document = json.loads(report.stdout)
    assert document["ok"] is False
    assert document["missing"]


def test_a_rebuild_gives_the_same_numbers(home: Path, trace: Path) -> None:
    coalmine_json("replay", trace, "--speed", "max", "--model", "gpt-4o-mini", home=home)
    before = coalmine_json("versions", home=home)
    assert coalmine("audit", "--deep", home=home).returncode == 0
    rebuilt = coalmine_json("rebuild", home=home)
    assert rebuilt["counted"] == 500
    assert coalmine_json("versions", home=home) == before
    assert coalmine("audit", home=home).returncode == 0


def test_dead_letters_are_stored_once_what_made_them_fail_is_repaired(
    home: Path, schema_registry: SchemaRegistry
) -> None:
    with SchemaRegistryClient(schema_registry.url) as registry:
        schema_id = registry.register("embedded-requests-value", latest("requests").json)
    request_id = uuid7()
    framed = Encoder(SingleObjectFraming()).encode("requests", request(request_id, 5.0).to_record())
    frame = confluent_header(schema_id) + framed[10:]
    writer = SpoolWriter(home / "spool")
    writer.write([SpoolRecord("requests", None, frame, 0)])
    writer.close()
    (letter,) = coalmine_json("dead-letters", "list", home=home)
    assert (letter["stage"], letter["schema_ref"]) == ("frame", f"id:{schema_id}")
    assert coalmine_json("versions", home=home) == []
    repaired = {"COALMINE_SCHEMA_REGISTRY_URL": schema_registry.url}
    changed = coalmine_json("dead-letters", "replay", "--all", home=home, env=repaired)
    assert (changed["selected"], changed["replayed"], changed["failing"]) == (1, 1, [])
    assert coalmine_json("versions", home=home)[0]["requests"] == 1
    assert coalmine("audit", home=home).returncode == 0
