"""A lasting trouble is logged once, then now and then, and once more when it is over."""

import logging

import pytest

from coalmine_consumers.sources.complaints import REPEAT_EVERY_S, Complaints


def test_a_trouble_is_said_once_repeated_rarely_and_its_end_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = [0.0]
    complaints = Complaints(logging.getLogger("test"), clock=lambda: now[0])
    assert complaints.current is None
    for _ in range(100):
        complaints.raise_("client", "broker away")
    assert caplog.messages == ["broker away"]
    now[0] = REPEAT_EVERY_S
    complaints.raise_("client", "broker still away")
    assert caplog.messages[1:] == ["broker still away (101 times in 60 s)"]
    assert complaints.current == "broker still away"
    complaints.over("client", "never raised")
    assert caplog.messages[2:] == ["over after 60 s: broker still away"]
    assert complaints.current is None
    complaints.over("client")
    assert len(caplog.messages) == 3
