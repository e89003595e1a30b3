"""The demonstration ends by itself and adds up."""

import json
import os
import re
import subprocess
from pathlib import Path

from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import coalmine, coalmine_json, environment
from tests.support.processes.warm_command import warm_command
from tests.support.repository.tree import ROOT

SAMPLE = ROOT / "producers/coalmine_simulator/data/azure_llm_trace_conv_sample.csv"


def test_make_demo_accounts_for_every_event_and_keeps_them_in_an_unused_home(home: Path) -> None:
    done = subprocess.run(
        ["make", "demo", "DEMO_ARGS=--headless --seconds 1 --json"],
        cwd=ROOT,
        env={**os.environ, "COALMINE_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["produced"] == report["stored"] > 10_000
    assert report["duplicates"] == report["dead_lettered"] == report["spooled"] == 0
    assert report["unattributed_feedback"] == 0
    versions = {(row["prompt"], row["version"]): row for row in report["versions"]}
    bad, good = versions["support-refund", "1.4.0"], versions["support-refund", "1.3.0"]
    assert bad["quality_mean"] < good["quality_mean"]
    assert bad["cost_usd_per_request"] > good["cost_usd_per_request"]
    # It leaves a home like any other.
    assert coalmine_json("versions", home=home) == report["versions"]
    assert coalmine("audit", home=home).returncode == 0


def test_a_demonstration_leaves_a_home_in_use_alone(home: Path) -> None:
    coalmine_json("replay", SAMPLE, "--speed", "max", home=home)
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
