"""The outbox: what waits for a channel is taken, sent by the channel, and settled.

Each of the two steps here is one transaction. Before a message is sent it is noted that it may have been: a
crash at any moment leaves rows that wait, and that say so. Rows of one group go in order; what waits together
is one message, which tells the group as it stands then.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from coalmine_alerts.delivery.channels import Channel, SentMessage, Telling
from coalmine_alerts.errors import Ambiguous, Later, Refused, Unusable
from coalmine_alerts.grouping import is_digest
from coalmine_alerts.records import Notice
from coalmine_alerts.results.alerts import Alert, Cause
from coalmine_alerts.standing import RANK
from coalmine_alerts.storage import deliveries as stored
from coalmine_alerts.storage.alerts import LIVE, history
from coalmine_alerts.storage.deliveries import Waiting
from coalmine_registry.storage.database import Database
from coalmine_schemas.retry import RetryPolicy
from coalmine_schemas.safe_text import masked, printable

PER_MINUTE: Final = 5
"""Messages of a channel in a minute; then one that counts the rest."""
GIVE_UP_AFTER: Final = timedelta(hours=24)
PAUSES: Final = RetryPolicy(first_s=1.0, max_s=300.0, jitter=0.2)
"""After a failure, for a group."""
LIMIT_GROUP: Final = "limit"
"""Group of the messages that count the rest."""

_MINUTE: Final = timedelta(minutes=1)
_LONGEST_HISTORY: Final = 200
_LONGEST_ERROR: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows of the outbox that go out as one message."""

    channel: str
    edits: bool
    group: str
    rows: tuple[Waiting, ...]
    """As they were before this attempt, in order."""
    telling: Telling
    messages: tuple[int, ...]
    """The group's open messages, the latest last."""

    @property
    def attempts(self) -> int:
        """How many attempts failed before this one."""
        return max(row.attempts for row in self.rows)


def may_be_due(connection: Connection, channel: Channel, now: datetime) -> bool:
    """Returns False if there is certainly nothing to take."""
    return stored.waits(connection, channel.name, None if channel.at_once else now)


def take(connection: Connection, channel: Channel, now: datetime) -> Batch | None:
    """Takes what is to be sent next; None: nothing is due.

    What began and was over before anybody was to be told of it is dropped here.
    """
    held = stored.held_until(connection, channel.name)
    if held is not None and now < held <= now + stored.LONGEST_WAIT:
        return None
    groups = _due(stored.waiting(connection, channel.name), channel, now)
    if not groups:
        return None
    free, counted = _budget(connection, channel, now)
    opened = stored.groups_with_open_messages(connection, channel.name)
    beyond: list[Sequence[Waiting]] = []
    for rows in groups:
        group = rows[0].group_key
        if not channel.one_by_one and free <= 0 and not (channel.edits and group in opened):
            beyond.append(rows)
            continue
        batch = _batch(connection, channel, rows)
        if not channel.at_once and _nobody_needs_to_know(batch):
            stored.change(connection, [row.id for row in rows], state="merged", done_at=now)
            continue
        stored.mark_attempt(connection, rows, now)
        return batch
    if not beyond or counted:
        return None
    rest = [row for rows in beyond for row in rows]
    batch = _rest(connection, channel, rest, opened)
    if not batch.telling.notice.limited:
        stored.change(connection, [row.id for row in rest], state="merged", done_at=now)
        return None
    stored.mark_attempt(connection, batch.rows, now)
    return batch


def settle_sent(connection: Connection, batch: Batch, sent: SentMessage | None, now: datetime) -> None:
    """Notes that a batch was taken; None: there was nothing in it to tell on this channel."""
    message = None
    if sent is not None:
        stored.note_unusable(connection, batch.channel, unusable=False)
        message = _store(connection, batch, sent, now)
    if batch.group == LIMIT_GROUP:
        groups = {row.group_key for row in batch.rows}
        for group in groups - stored.live_groups(connection, groups):
            stored.close_messages(connection, batch.channel, group)
    last = {each.fingerprint: each.seq for each in batch.telling.told}
    delivered = set() if sent is None or batch.group == LIMIT_GROUP else set(last.values())
    for state, ids in (
        ("delivered", [row.id for row in batch.rows if row.transition in delivered]),
        ("merged", [row.id for row in batch.rows if row.transition not in delivered]),
    ):
        stored.change(connection, ids, state=state, message=message, done_at=now, error=None, ambiguous=False)


def settle_failed(
    connection: Connection, batch: Batch, error: Exception, now: datetime, rng: random.Random
) -> None:
    """Notes that a batch was not taken: it waits, or is parked if it never will be."""
    text = masked(printable(str(error) or type(error).__name__, lines=False))[:_LONGEST_ERROR]
    ids = [row.id for row in batch.rows]
    if not isinstance(error, Later | Ambiguous):
        reason = text if isinstance(error, Refused) else f"{type(error).__name__}: {text}"[:_LONGEST_ERROR]
        stored.change(connection, ids, state="parked", error=reason, done_at=now)
        return
    old = [row.id for row in batch.rows if row.tried_at and row.tried_at <= now - GIVE_UP_AFTER]
    stored.change(
        connection,
        old,
        state="parked",
        error=f"given up after 24 hours: {text}"[:_LONGEST_ERROR],
        done_at=now,
    )
    stored.note_unusable(connection, batch.channel, unusable=isinstance(error, Unusable))
    due_at = now + timedelta(seconds=PAUSES.pause_s(batch.attempts, rng))
    if isinstance(error, Later) and error.retry_after_s:  # 0, or a date in the past, says nothing
        due_at = now + timedelta(seconds=error.retry_after_s)
        stored.hold(connection, batch.channel, due_at)
    waits = [row for row in batch.rows if row.id not in set(old)]
    stored.change(connection, [row.id for row in waits], due_at=due_at, error=text)
    if isinstance(error, Later):
        # Of this attempt nothing is left; of an earlier one there may be.
        certain = [row.id for row in waits if not row.ambiguous]
        stored.change(connection, certain, ambiguous=False)


def give_up_gone(database: Database, channels: Collection[str], now: datetime) -> None:
    """Parks what has waited too long for channels that are not configured any more."""

    def find(connection: Connection) -> list[int]:
        return stored.of_others(connection, channels, now - GIVE_UP_AFTER)

    if database.read(find):
        error = "given up after 24 hours: the channel is not configured any more"
        database.write(
            lambda connection: stored.change(
                connection, find(connection), state="parked", error=error, done_at=now
            )
        )


def _due(rows: Sequence[Waiting], channel: Channel, now: datetime) -> list[Sequence[Waiting]]:
    """Returns what is due of each group, pages first, then what has waited longest."""
    groups: dict[str, list[Waiting]] = defaultdict(list)
    for row in rows:
        groups[row.group_key].append(row)
    taken = [found[:1] if channel.one_by_one else found for found in groups.values()]
    due = [found for found in taken if _due_at(found, channel) <= now or _of_another_clock(found, now)]
    return sorted(due, key=lambda each: (-max(RANK[row.severity] for row in each), each[0].id))


def _due_at(rows: Sequence[Waiting], channel: Channel) -> datetime:
    """When a group is due: with its first row; after a failure not before the pause is over."""
    failed = [row.due_at for row in rows if row.attempts]
    if failed:
        return max(failed)
    return min(row.created_at if channel.at_once else row.due_at for row in rows)


def _of_another_clock(rows: Sequence[Waiting], now: datetime) -> bool:
    """Returns whether the clock was set back since: nobody would be told until it is then again."""
    return any(row.created_at > now or row.due_at > now + stored.LONGEST_WAIT for row in rows)


def _budget(connection: Connection, channel: Channel, now: datetime) -> tuple[int, bool]:
    """Returns how many messages may be made now, and whether the rest was counted within this minute."""
    made = stored.sent_between(connection, channel.name, now - _MINUTE, now)
    counted = made.pop(LIMIT_GROUP, 0)
    return PER_MINUTE - sum(made.values()), counted > 0


def _batch(connection: Connection, channel: Channel, rows: Sequence[Waiting]) -> Batch:
    group = rows[0].group_key
    told = stored.told_transitions(connection, [row.transition for row in rows])
    opened = stored.open_messages(connection, channel.name, group)
    fingerprints = {each.fingerprint for each in told}
    if not channel.one_by_one:
        fingerprints |= stored.told_in(connection, [each.id for each in opened])
    found = stored.alerts_by_fingerprint(connection, fingerprints)
    alerts = tuple(sorted(found.values(), key=_worst_and_latest_first))
    since = min([each.at for each in told] + [each.fired_at for each in alerts if each.fired_at])
    seqs = {each.seq for each in told}
    passed = [
        each
        for each in history(connection, sorted(found), since)
        if each.seq in seqs or each.firing == found[each.fingerprint].firing
    ]
    digest = is_digest(group)
    notice = Notice(
        group=group,
        cause=Cause("system", "digest") if digest else alerts[0].cause,
        environment=None if digest else alerts[0].labels.get("environment"),
        alerts=alerts,
        history=tuple(passed[-_LONGEST_HISTORY:]),
    )
    return Batch(
        channel=channel.name,
        edits=channel.edits,
        group=group,
        rows=tuple(rows),
        telling=Telling(
            notice=notice,
            told=tuple(told),
            message=opened[-1].message if opened else None,
            uncertain_since=_uncertain_since(rows),
        ),
        messages=tuple(each.id for each in opened),
    )


def _uncertain_since(rows: Sequence[Waiting]) -> datetime | None:
    return min((row.tried_at for row in rows if row.ambiguous and row.tried_at), default=None)


def _rest(
    connection: Connection, channel: Channel, rows: Sequence[Waiting], opened: Collection[str]
) -> Batch:
    """One message that only counts. That something is over is of interest where it was told."""
    told = stored.told_transitions(connection, [row.transition for row in rows])
    found = stored.alerts_by_fingerprint(connection, {each.fingerprint for each in told})
    group_of = {row.transition: row.group_key for row in rows}
    counts: Counter[str] = Counter()
    for each in {each.fingerprint: each for each in told}.values():
        alert = found[each.fingerprint]
        if alert.state in LIVE or each.kind == "notice":
            counts[alert.rule] += 1
        elif group_of[each.seq] in opened:
            counts[f"{alert.rule} (resolved)"] += 1
    notice = Notice(
        group=LIMIT_GROUP,
        cause=Cause("system", LIMIT_GROUP),
        environment=None,
        alerts=(),
        limited=dict(counts.most_common()),
    )
    return Batch(
        channel=channel.name,
        edits=channel.edits,
        group=LIMIT_GROUP,
        rows=tuple(rows),
        telling=Telling(
            notice=notice,
            told=tuple(told),
            uncertain_since=_uncertain_since(rows),
        ),
        messages=(),
    )


def _nobody_needs_to_know(batch: Batch) -> bool:
    """True for what was over before it was to be told, and of which nobody has heard."""
    if batch.telling.message is not None or batch.attempts or not _over(batch.telling.notice):
        return False
    due_at = min(row.due_at for row in batch.rows)
    only_states = all(each.kind == "state" for each in batch.telling.told)
    return only_states and all(each.since <= due_at for each in batch.telling.notice.alerts)


def _store(connection: Connection, batch: Batch, sent: SentMessage, now: datetime) -> int:
    if batch.edits and batch.messages:
        message = batch.messages[-1]
        stored.change_message(connection, message, sent, now=now)
    else:
        message = stored.add_message(connection, batch.channel, batch.group, sent, now=now)
    notice = batch.telling.notice
    # A rollout has one message from its beginning to its end.
    if is_digest(batch.group) or (_over(notice) and notice.cause.kind != "rollout"):
        stored.close_messages(connection, batch.channel, batch.group)
    return message


def _over(notice: Notice) -> bool:
    return not any(each.state in LIVE for each in notice.alerts)


def _worst_and_latest_first(alert: Alert) -> tuple[bool, int, float, str]:
    over = alert.state not in LIVE
    return over, -RANK[alert.severity], -alert.since.timestamp(), alert.fingerprint
