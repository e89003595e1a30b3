"""The tables of alerts."""

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from coalmine_registry.storage.columns import UtcTime

VERSION: Final = 1
"""Of the tables."""

metadata: Final = MetaData()

_Json: Final = JSON(none_as_null=True)

alerts: Final = Table(
    "alerts",
    metadata,
    Column("fingerprint", String(16), primary_key=True),
    Column("rule", Text, nullable=False),
    Column("labels", _Json, nullable=False),
    Column("state", String(10), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("cause", _Json, nullable=False),
    # environment|kind|id of the cause: alerts of a group are told in one message.
    Column("group_key", Text, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("began_at", UtcTime),
    Column("fired_at", UtcTime),
    Column("firing", Integer, nullable=False),
    Column("value", Float),
    Column("story", _Json, nullable=False),
    Column("evaluated_at", UtcTime, nullable=False),
    Column("true_since", UtcTime),
    Column("false_since", UtcTime),
    Column("acknowledged_by", Text),
    Column("acknowledged_at", UtcTime),
    Column("silenced_until", UtcTime),
    Column("inhibited_by", Text),
    Column("flapping_since", UtcTime),
    Column("last_notice", Text),
    Column("no_data_since", UtcTime),
    Column("accepted_by", Text),
    Column("accepted_at", UtcTime),
    Column("accepted_value", Float),
    # What only the state machine needs: what people have heard, and when.
    Column("heard", _Json, nullable=False),
    # True: to be looked at even when no rule says anything about it.
    Column("live", Boolean, nullable=False),
    Index("ix_alerts_group_key", "group_key"),
    Index("ix_alerts_live", "live"),
    Index("ix_alerts_since", "since", "fingerprint"),
)

transitions: Final = Table(
    "transitions",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("fingerprint", String(16), ForeignKey("alerts.fingerprint"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("from_state", String(10), nullable=False),
    Column("to_state", String(10), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("firing", Integer, nullable=False),
    Column("summary", Text, nullable=False),
    Column("value", Float),
    Column("actor", Text),
    Column("reason", Text),
    Column("told", Boolean, nullable=False),
    # The event for Kafka, until it is published.
    Column("event", _Json),
    Index("ix_transitions_fingerprint", "fingerprint", "seq"),
    Index("ix_transitions_at", "at"),
    Index("ix_transitions_unpublished", "seq", sqlite_where=text("event IS NOT NULL")),
)

silences: Final = Table(
    "silences",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("matchers", _Json, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=False),
    Column("ended_by", Text),
    Column("ended_at", UtcTime),
)

marks: Final = Table(
    "marks",
    metadata,
    Column("fingerprint", String(16), ForeignKey("alerts.fingerprint"), primary_key=True),
    Column("firing", Integer, primary_key=True),
    Column("marked_by", Text, primary_key=True),
    # False: noise.
    Column("useful", Boolean, nullable=False),
    Column("at", UtcTime, nullable=False),
)

# One row per transition and channel. What is sent is the group as it stands then: rows of one channel and
# group that wait together go out as one message.
deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("transition", Integer, ForeignKey("transitions.seq"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("severity", String(10), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # Not before: group_wait, group_interval, Retry-After, back-off.
    Column("due_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    # When it was tried first.
    Column("tried_at", UtcTime),
    # True: an attempt may have been accepted without our knowing.
    Column("ambiguous", Boolean, nullable=False),
    # waiting, delivered, merged (told by a later one), parked (refused for good)
    Column("state", String(10), nullable=False),
    Column("error", Text),
    Column("done_at", UtcTime),
    Column("message", Integer, ForeignKey("messages.id")),
    Index("ix_deliveries_waiting", "state", "channel", "due_at"),
    Index("ix_deliveries_transition", "transition"),
    Index("ix_deliveries_message", "message"),
)

# What was sent: one message for each channel, group and run of it, which changes where the channel can.
messages: Final = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("channel", Text, nullable=False),
    Column("group_key", Text, nullable=False),
    # Its id at the channel, where there is one: Slack's ts, PagerDuty's dedup_key.
    Column("external_id", Text),
    Column("open", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("text", Text, nullable=False),
    # As sent last: blocks of Slack, payload of others.
    Column("body", _Json, nullable=False),
    Index("ix_messages_group", "group_key", "channel", "open"),
)

# What is kept from one time to the next, by name: until when a channel must not be asked.
memory: Final = Table(
    "memory",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", _Json, nullable=False),
)
