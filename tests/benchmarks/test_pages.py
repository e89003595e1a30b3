"""The pages' benchmark runs in small and ends with its line of JSON."""

import json

import pytest

from benchmarks import pages, pages_viewers
from tests.support.processes.browser import BrowserUnavailable


def test_pages_are_opened_and_watched(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGES", ("now", "pipeline"))
    monkeypatch.setattr(pages, "INGEST_EVENTS", 2_000)
    monkeypatch.setattr(pages, "ROUNDS", 1)
    monkeypatch.setattr(pages_viewers, "SETTLE_S", 10.0)  # each page was drawn, or it raises
    try:
        assert pages.main(["--rows", "100000", "--openings", "1", "--viewers", "2", "--json"]) == 0
    except BrowserUnavailable as reason:
        pytest.skip(f"no browser to look with: {reason}")
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [each["page"] for each in found["pages"]] == ["now", "pipeline"]
    assert all(0 < each["ready_s_p50"] <= each["ready_s_max"] for each in found["pages"])
    assert found["ingest_events_per_s"] > 0
    assert found["ingest_loss_share"] < 1
