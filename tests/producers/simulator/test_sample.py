"""The packaged sample, and the whole trace where it is at hand."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from coalmine_simulator.client import RecordingClient
from coalmine_simulator.replay import replay_trace
from coalmine_simulator.trace_file import check_trace, sample_trace

WHOLE = Path(__file__).parents[4] / "shared" / "data" / "azure_llm_trace_conv.csv"
needs_whole = pytest.mark.skipif(
    not WHOLE.exists(), reason=f"the whole trace is not beside the project: {WHOLE.name}"
)


def test_the_sample_has_the_sums_counted_by_awk() -> None:
    # awk -F, 'NR>1 {n++; i+=$2; o+=$3} END {print n, i, o}'
    with sample_trace() as path:
        summary = check_trace(path)
    assert (summary.rows, summary.input_tokens, summary.output_tokens) == (500, 467_684, 132_536)


def test_replaying_the_sample_sends_its_sums() -> None:
    client = RecordingClient()
    with sample_trace() as path:
        summary = replay_trace(path, client)
    assert summary.prompt == "azure_llm_trace_conv_sample"
    assert sum(event.input_tokens or 0 for event in client.requests) == 467_684
    assert sum(event.output_tokens or 0 for event in client.requests) == 132_536


@needs_whole
def test_the_sample_is_the_beginning_of_the_whole_trace() -> None:
    with sample_trace() as path:
        assert path.read_text().splitlines() == WHOLE.read_text().splitlines()[:501]


@needs_whole
def test_the_whole_trace_has_the_sums_counted_by_awk() -> None:
    summary = check_trace(WHOLE)
    assert (summary.rows, summary.input_tokens, summary.output_tokens) == (19_366, 22_361_870, 4_088_665)
    assert summary.first_event_time == datetime(2023, 11, 16, 18, 15, 46, 680_590, tzinfo=UTC)
    assert summary.last_event_time == datetime(2023, 11, 16, 19, 14, 8, 402_527, tzinfo=UTC)
