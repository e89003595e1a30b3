"""The demonstration ends by itself and adds up."""

import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from coalmine import Coalmine
from coalmine_schemas.simulated_home import simulated_words
from tests.support.campaign import CAMPAIGN
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import coalmine, coalmine_json, environment
from tests.support.processes.demo_home import fill_demo_home
from tests.support.processes.warm_command import warm_command
from tests.support.repository.tree import ROOT
from tests.support.servers.demo_dashboard import CALLS_PER_S, STEP_S, VARIABLE, named_demo

SAMPLE = ROOT / "producers/coalmine_simulator/data/azure_llm_trace_conv_sample.csv"


def test_make_demo_is_the_command() -> None:
    printed = subprocess.run(
        ["make", "--dry-run", "demo", "DEMO_ARGS=--headless --json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.splitlines()[-1] == ".venv/bin/coalmine demo --headless --json"


@pytest.fixture
def report(home: Path, share_server: Callable[[str], None]) -> Any:
    """Printed by a demonstration that has ended, whose home is the test's: a copy of the one of the pages."""
    if CAMPAIGN:
        return fill_demo_home(home, calls_per_s=2.0, step_s=300.0)
    share_server(VARIABLE)
    if (shared := named_demo()) is None:
        return fill_demo_home(home, calls_per_s=CALLS_PER_S, step_s=STEP_S)
    kept, printed = shared.told
    shutil.copytree(kept, home)
    return printed


def test_a_demonstration_accounts_for_every_event_and_keeps_them_in_an_unused_home(
    report: Any, home: Path
) -> None:
    assert report["produced"] == report["stored"] > 2_000
    assert report["duplicates"] == report["dead_lettered"] == report["spooled"] == 0
    assert report["unattributed_feedback"] == 0
    versions = {(row["prompt"], row["version"]): row for row in report["versions"]}
    bad, good = versions["support-refund", "1.4.0"], versions["support-refund", "1.3.0"]
    assert bad["cost_usd_per_request"] > good["cost_usd_per_request"]
    rollouts = {(row["prompt"], row["treatment"], row["control"]): row for row in report["rollouts"]}
    better = rollouts["search-answer", "4.0.0", "3.1.0"]
    worse = rollouts["support-refund", "1.4.0", "1.3.0"]
    assert better["stage_weights"] == worse["stage_weights"] == [0.2, 0.5]
    assert worse["treated_units"] > 0
    if CAMPAIGN:  # with fewer calls nothing may be decided, for nobody wrote it down
        assert bad["quality_mean"] < good["quality_mean"]
        assert (better["state"], worse["state"]) == ("completed", "rolled_back")
        assert worse["reason"].startswith("harm: worse in ")
        assert better["decisions"] >= 4
        rolled_back = [each for each in report["alerts"] if each["version"] == "1.4.0"]
        assert any(each["delivered"] == ["slack"] for each in rolled_back)
    # People are told of what happens, at the story's times, by what stands in for Slack.
    told = [(each["rule"], each["prompt"], each["version"]) for each in report["alerts"]]
    assert ("rollout_decision", "support-refund", "1.4.0") in told
    for each in report["alerts"]:
        assert {"rule", "prompt", "version", "state", "severity", "at", "delivered"} <= each.keys()
        assert "\x02" not in each["summary"]
    assert any("1.4.0" in each["text"] for each in report["slack_messages"])
    assert all(each["text"] and each["blocks"] for each in report["slack_messages"])
    # It leaves a home like any other.
    assert coalmine_json("versions", home=home) == report["versions"]
    assert coalmine("audit", home=home).returncode == 0


def test_a_demonstration_leaves_a_home_in_use_alone(home: Path) -> None:
    coalmine_json("replay", SAMPLE, "--speed", "max", "--mix", home=home)
    named = coalmine("--home", home, "demo", "--headless", "--seconds", "1", home=home)
    assert named.returncode == 2
    assert "may hold events of real services" in named.stderr
    before = coalmine_json("versions", home=home)
    log = home / "demo.log"
    with log.open("wb") as stream:
        demo = warm_command().start(
            ["demo", "--headless", "--json"],
            environment=environment(home),
            folder=home,
            stdout=stream,
            stderr=stream,
        )
    said = eventually(
        lambda: re.search(r"token in (\S+)/credentials", log.read_text(encoding="utf-8")), what="a home"
    )
    other = Path(said[1])
    assert home not in (other, *other.parents)
    eventually(lambda: list((other / "spool").glob("*.avro")), what="events of the demonstration")
    demo.terminate()
    assert demo.wait(120) == 0, log.read_text(encoding="utf-8")
    assert not other.exists()
    assert coalmine_json("versions", home=home) == before


def test_the_demonstration_speaks_first_registers_its_story_and_opens_a_browser(home: Path) -> None:
    opened, log = home / "opened", home / "demo.log"
    home.mkdir()
    browser = home / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n', encoding="utf-8")
    browser.chmod(0o700)
    with log.open("wb") as stream:
        demo = warm_command().start(
            ["--home", str(home / "demo"), "demo", "--dashboard-port", "0"],
            environment=environment(home, {"BROWSER": str(browser)}),
            folder=home,
            stdout=stream,
            stderr=stream,
        )
    eventually(opened.exists, what="a browser")
    url = opened.read_text(encoding="utf-8").strip()
    assert log.read_text(encoding="utf-8").startswith("Coalmine demonstration: simulated services")
    assert url in log.read_text(encoding="utf-8")
    assert "Simulated services" in (simulated_words(home / "demo") or "")
    served = {row["name"]: row["serving"]["prod"] for row in coalmine_json("prompts", home=home / "demo")}
    assert {"search-answer", "support-refund", "support-triage", "code-review"} == set(served)
    eventually(
        lambda: coalmine_json("experiment", "list", home=home / "demo"), what="a rollout that was started"
    )
    demo.kill()
    demo.wait(60)
    address = urlsplit(url)
    eventually(lambda: not _listens(address.port or 0), what="the end of the page with its demonstration")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_simulated_events_stay_out_of_a_home_of_real_ones_and_can_be_deleted(home: Path) -> None:
    with Coalmine("support-bot", home=home) as client:
        client.call("support-refund", version="1.0.0").__enter__().__exit__(None, None, None)
    before = coalmine_json("versions", home=home)
    for command in (["simulate", "--seconds", "0"], ["replay", str(SAMPLE), "--speed", "max"]):
        refused = coalmine(*command, home=home)
        assert refused.returncode == 2
        assert "may hold events of real services" in refused.stderr
        assert "--mix" in refused.stderr
    kafka = coalmine("simulate", "--seconds", "0", home=home, env={"COALMINE_KAFKA_BOOTSTRAP_SERVERS": "x:1"})
    assert kafka.returncode == 2
    assert "--mix" in kafka.stderr
    assert coalmine_json("versions", home=home) == before
    assert coalmine("simulate", "--delete", home=home).returncode == 2
    assert coalmine_json("versions", home=home) == before

    user = home / "user"
    nobody = {"HOME": str(user), "COALMINE_HOME": ""}
    coalmine_json("simulate", "--seconds", "0", "--history-hours", "0.1", home=home, env=nobody)
    own = user / ".coalmine" / "simulated"
    assert "scenario demo" in (simulated_words(own) or "")
    assert coalmine_json("versions", home=own)
    assert coalmine("simulate", "--delete", home=own).returncode == 0
    assert not own.exists()
