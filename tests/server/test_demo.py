"""The demonstration ends by itself and adds up."""

import json
from pathlib import Path

from tests.server.harness import coalmine, coalmine_json


def test_a_headless_demonstration_accounts_for_every_event(home: Path) -> None:
    result = coalmine(
        "--home", home / "demo", "demo", "--headless", "--seconds", "2", "--json", home=home, timeout_s=300
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["produced"] > 10_000
    assert report["produced"] == report["stored"]
    assert report["duplicates"] == report["dead_lettered"] == report["spooled"] == 0
    assert report["unattributed_feedback"] == 0
    versions = {(row["prompt"], row["version"]): row for row in report["versions"]}
    bad, good = versions["support-refund", "1.4.0"], versions["support-refund", "1.3.0"]
    assert bad["quality_mean"] < good["quality_mean"]
    assert bad["cost_usd_per_request"] > good["cost_usd_per_request"]
    # It leaves a home like any other.
    assert coalmine_json("--home", home / "demo", "versions", home=home) == report["versions"]
