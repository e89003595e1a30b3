"""Signals end a command tidily."""

import os
import signal

import pytest

from coalmine_server.cli.invocation import stop_on_signals


@pytest.mark.parametrize(
    ("before", "stops"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)], ids=["default", "nohup"]
)
def test_a_closed_terminal_stops_a_command_that_was_not_begun_by_nohup(
    before: signal.Handlers, stops: bool
) -> None:
    ours = signal.signal(signal.SIGHUP, before)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.is_set() == stops
        assert signal.getsignal(signal.SIGHUP) == before
    finally:
        signal.signal(signal.SIGHUP, ours)
