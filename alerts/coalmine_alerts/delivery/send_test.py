"""Sends one message of each kind to a channel, marked as a test, and then changes it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from coalmine_alerts.delivery.channels import Channel, SentMessage, Telling
from coalmine_alerts.records import Notice
from coalmine_alerts.results.alerts import Alert, Transition
from coalmine_alerts.standing import transition

PAUSE_S = 1.1
"""Slack takes about one message a second."""


def send_test(
    channel: Channel, notices: Mapping[str, Notice], *, sleep: Callable[[float], None] = time.sleep
) -> dict[str, SentMessage]:
    """Sends each notice once; where a channel can change messages, it is then changed to be resolved.

    Args:
        channel: Where to.
        notices: By kind.
        sleep: Waits between two messages.

    Returns:
        What was sent last of each kind; a kind that this channel is not told of is missing.

    Raises:
        Later, Ambiguous, Refused: A message was not taken; those after it were not sent.
    """
    sent: dict[str, SentMessage] = {}
    for kind, notice in notices.items():
        if sent:
            sleep(PAUSE_S)
        message = _send(channel, replace(notice, test=True), None)
        if message is None:
            continue
        sent[kind] = message
        if channel.edits:
            over = replace(notice, test=True, alerts=tuple(map(_resolved, notice.alerts)))
            sent[kind] = _send(channel, over, message) or message
    return sent


def _send(channel: Channel, notice: Notice, message: SentMessage | None) -> SentMessage | None:
    told = tuple(map(_transition, notice.alerts))
    if not channel.one_by_one:
        return channel.send(Telling(notice=notice, told=told or (_COUNTED,), message=message))
    last = None
    for each in told:
        last = channel.send(Telling(notice=notice, told=(each,)))
    return last


def _resolved(alert: Alert) -> Alert:
    return replace(alert, state="resolved", since=alert.evaluated_at) if alert.state == "firing" else alert


def _transition(alert: Alert) -> Transition:
    """The change that a test tells of; its number is none that a real one has."""
    return transition(
        replace(alert, state="ok"),
        alert,
        alert.evaluated_at,
        kind="state" if alert.last_notice is None else "notice",
        summary=alert.story.summary,
        told=True,
    )


_COUNTED: Final = Transition(
    seq=0,
    fingerprint="",
    at=datetime.fromtimestamp(0, UTC),
    kind="update",
    from_state="firing",
    to_state="firing",
    severity="warning",
    firing=0,
    summary="",
    value=None,
    actor=None,
    reason=None,
    told=True,
)
"""Of a message that only counts."""
