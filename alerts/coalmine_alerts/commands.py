"""What people do with alerts. Each command is one transaction; what follows from it is told like the rest."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, insert, update
from sqlalchemy.dialects.sqlite import insert as upsert

from coalmine_alerts.grouping import DEFAULT_DIGEST, DigestTime
from coalmine_alerts.recording import Channels, Move, read_standings, record
from coalmine_alerts.results.alerts import Alert, Silence, Transition
from coalmine_alerts.standing import Standing, Step, transition
from coalmine_alerts.states import OVER
from coalmine_alerts.storage.alerts import not_found, read_alert
from coalmine_alerts.storage.silences import read_silence
from coalmine_alerts.storage.tables import marks, silences
from coalmine_alerts.timing import Timing
from coalmine_registry.errors import Conflict, Invalid
from coalmine_registry.storage.database import Database
from coalmine_schemas.limits import NAME_CHARS

LONGEST_SILENCE: Final = timedelta(days=30)
LONGEST_REASON: Final = 1_000
"""Characters."""
MOST_MATCHERS: Final = 20


class Commands:
    """What people do with alerts. Thread-safe."""

    def __init__(
        self,
        database: Database,
        channels: Channels,
        clock: Callable[[], datetime],
        digest: DigestTime = DEFAULT_DIGEST,
    ) -> None:
        """Prepares to take commands.

        Args:
            database: Of alerts.
            channels: Where an alert is told.
            clock: Returns the time.
            digest: When digests are told.
        """
        self._digest = digest
        self._database, self._channels, self._clock = database, channels, clock

    def acknowledge(self, fingerprint: str, *, actor: str, reason: str | None = None) -> Alert:
        """Notes that somebody looks after an alert: it is not repeated until it is resolved.

        Once somebody has, it stays with that person.

        Raises:
            NotFound: There is no such alert.
            Conflict: It does not fire.
        """
        said = None if reason is None else _reason(reason)

        def work(connection: Connection) -> Alert:
            standing, now = self._firing(connection, fingerprint), self._clock()
            before = standing.alert
            if before.acknowledged_by is not None:
                return before
            after = replace(before, acknowledged_by=actor, acknowledged_at=now)
            done = transition(
                before,
                after,
                now,
                kind="acknowledge",
                summary=f"acknowledged by {actor}",
                told=True,
                actor=actor,
                reason=said,
            )
            return self._change(connection, standing, after, done)

        return self._database.write(work)

    def accept(self, fingerprint: str, *, actor: str, reason: str) -> Alert:
        """Accepts what an alert is about as the new normal: it is resolved, and its value the new reference.

        It fires again once its rule finds it worse than that value, or after its condition has been False.

        Raises:
            NotFound: There is no such alert.
            Conflict: It does not fire.
            Invalid: There is no reason.
        """
        said = _reason(reason)

        def work(connection: Connection) -> Alert:
            standing, now = self._firing(connection, fingerprint), self._clock()
            before = standing.alert
            after = replace(
                before,
                state="resolved",
                since=now,
                accepted_by=actor,
                accepted_at=now,
                accepted_value=before.value,
                **OVER,
            )
            done = transition(
                before,
                after,
                now,
                kind="accept",
                summary=f"accepted as the new normal by {actor}: {said}",
                told=True,
                actor=actor,
                reason=said,
            )
            return self._change(connection, standing, after, done)

        return self._database.write(work)

    def silence(
        self, matchers: Mapping[str, str], *, ends_at: datetime | None, reason: str, actor: str
    ) -> Silence:
        """Silences alerts with these labels (`rule` is one of them; values may end in `*`).

        Raises:
            Invalid: There is no matcher, no reason, no end, or the end is past or more than 30 days away.
        """
        said, wanted = _reason(reason), _matchers(matchers)

        def work(connection: Connection) -> Silence:
            now = self._clock()
            values = {
                "matchers": wanted,
                "reason": said,
                "created_by": actor,
                "created_at": now,
                "ends_at": _end(ends_at, now),
            }
            made = connection.execute(insert(silences).values(values).returning(silences.c.id)).scalar_one()
            return read_silence(connection, made)

        return self._database.write(work)

    def unsilence(self, silence_id: int, *, actor: str) -> Silence:
        """Ends a silence before its time.

        Raises:
            NotFound: There is no such silence.
            Conflict: It has ended.
        """

        def work(connection: Connection) -> Silence:
            now, found = self._clock(), read_silence(connection, silence_id)
            if found.ended_at is not None or found.ends_at <= now:
                ended_at = found.ended_at or found.ends_at
                raise Conflict(f"silence {silence_id} ended at {ended_at:%Y-%m-%d %H:%M} UTC already")
            connection.execute(
                update(silences).where(silences.c.id == silence_id).values(ended_by=actor, ended_at=now)
            )
            return read_silence(connection, silence_id)

        return self._database.write(work)

    def mark(self, fingerprint: str, *, useful: bool, actor: str) -> None:
        """Notes what somebody thinks of the latest firing of an alert; the last word of a person counts.

        Raises:
            NotFound: There is no such alert.
            Conflict: It has never fired.
        """

        def work(connection: Connection) -> None:
            alert = read_alert(connection, fingerprint)
            if not alert.firing:
                raise Conflict(f"alert {fingerprint} has never fired: there is nothing to mark")
            key = {"fingerprint": fingerprint, "firing": alert.firing, "marked_by": actor}
            said = {"useful": useful, "at": self._clock()}
            statement = upsert(marks).values(**key, **said)
            connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=said))

        self._database.write(work)

    def _firing(self, connection: Connection, fingerprint: str) -> Standing:
        standing = read_standings(connection, [fingerprint]).get(fingerprint)
        if standing is None:
            raise not_found(fingerprint)
        if standing.alert.state != "firing":
            raise Conflict(f"alert {fingerprint} is {standing.alert.state}: it must be firing for this")
        return standing

    def _change(self, connection: Connection, standing: Standing, after: Alert, done: Transition) -> Alert:
        """Writes what a person did, and tells those who have heard of the alert."""
        knows = standing.heard.what is not None
        heard = standing.heard
        if after.state != "firing":
            heard = replace(heard, what=None, no_data=False, lower_since=None)
        step = Step(Standing(after, heard), (replace(done, told=knows),))
        record(connection, [Move(step, Timing())], done.at, self._channels, self._digest)
        return after


def _reason(reason: str) -> str:
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON:
        raise Invalid("reason", reason, f"say why, in 1 to {LONGEST_REASON} characters")
    return text


def _matchers(matchers: Mapping[str, str]) -> dict[str, str]:
    if not matchers or len(matchers) > MOST_MATCHERS:
        raise Invalid(
            "matchers", dict(matchers), f"name 1 to {MOST_MATCHERS} labels, for example rule or prompt"
        )
    for name, value in matchers.items():
        for text in (name, value):
            if not text or len(text) > NAME_CHARS:
                raise Invalid(f"matchers.{name}", value, f"give 1 to {NAME_CHARS} characters")
    return dict(matchers)


def _end(ends_at: datetime | None, now: datetime) -> datetime:
    remedy = "give a time within the next 30 days: a silence without an end is forgotten"
    if ends_at is None or ends_at.tzinfo is None:
        raise Invalid("ends_at", ends_at, remedy if ends_at is None else "give a time with its zone")
    if not now < ends_at <= now + LONGEST_SILENCE:
        raise Invalid("ends_at", ends_at.isoformat(), remedy)
    return ends_at
