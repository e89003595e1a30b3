"""Reads the store for all rollouts at once: what applications do, and what is usual."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from coalmine_consumers.sql import Source, statement
from coalmine_consumers.store.reader import Reader
from coalmine_rollouts.inputs import TREATMENT, Usual
from coalmine_rollouts.place import Key
from coalmine_rollouts.traffic import KEPT, PromptTraffic, seen

_USUAL_DAYS: Final = 14
_RECENT: Final = timedelta(hours=1)
_BEFORE: Final = timedelta(hours=25)
_ASK_AGAIN: Final = timedelta(minutes=5)
_SURELY: Final = 20.0
"""Values that were to be expected: e^-20 that none came by chance."""


class Observed:
    """What the store says about the prompts of rollouts; for one thread."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._prompts: dict[Key, PromptTraffic] = {}
        self._usual: dict[Key, Usual] = {}
        self._usual_of: tuple[datetime, frozenset[Key]] | None = None
        self._values: dict[Key, dict[str, float]] = {}
        self._values_at: datetime | None = None
        self._treated: Counter[str] = Counter()
        self.ingest_id = 0
        """The last batch that was read."""
        self.watermark: datetime | None = None
        """Newest event of all."""

    def read(self, keys: frozenset[Key], now: datetime) -> None:
        """Reads what was stored since the last time, and of new prompts the last hour."""
        with self._reader.snapshot() as snapshot:
            fresh, since = keys - self._prompts.keys(), now - KEPT
            (progress,) = snapshot.rows(
                statement("progress", __package__), {"after": self.ingest_id, "since": since, "now": now}
            )
            if fresh:
                self._add(snapshot, fresh, after=0, since=since, now=now)
            if progress["ingest_id"] != self.ingest_id:
                known = frozenset(self._prompts.keys() & keys) - fresh
                self._add(snapshot, known, after=self.ingest_id, since=since, now=now)
                self._mark(progress["watermark"])
                self.ingest_id = progress["ingest_id"]
            self._learn(snapshot, keys, now)
        for key in self._prompts.keys() - keys:
            del self._prompts[key]
        for each in self._prompts.values():
            each.forget(since)

    def prompt(self, key: Key) -> PromptTraffic:
        """Requests for a prompt."""
        return self._prompts.get(key, PromptTraffic())

    def treated(self, experiment: str) -> int:
        """Requests of its treatment that were read so far: what matters is how many more they have become."""
        return self._treated[experiment]

    def usual(self, key: Key) -> Usual | None:
        """Its usual traffic at this hour; None if none is known."""
        return self._usual.get(key)

    def missing_metrics(self, key: Key) -> Mapping[str, str]:
        """Named values that used to come with its requests and scores, and do not any more."""
        per_hour = self._usual.get(key)
        if per_hour is None or key not in self._values:
            return {}
        requests = sum(each.requests for each in self.prompt(key).minutes)
        a_day = (_BEFORE - _RECENT).total_seconds() / 3600 * per_hour.requests_per_h
        return {
            name: "they used to come with requests or scores, until the day before"
            for name, earlier in self._values[key].items()
            if requests * min(earlier / a_day, 1.0) >= _SURELY
        }

    def _add(
        self, source: Source, keys: frozenset[Key], *, after: int, since: datetime, now: datetime
    ) -> None:
        for key in keys:
            self._prompts.setdefault(key, PromptTraffic())
        prompts = sorted({prompt for _, prompt in keys})
        if not prompts:
            return
        rows = source.rows(
            statement("traffic", __package__),
            {"after": after, "since": since, "now": now, "prompts": prompts},
        )
        for row in rows:
            key = (row["environment"], row["prompt"])
            if key in keys:
                self._prompts[key].add(seen(row))
                if row["arm"] == TREATMENT:
                    self._treated[row["experiment"]] += row["requests"]

    def _mark(self, newest: datetime | None) -> None:
        if newest is not None:
            found = newest.astimezone(UTC)
            self.watermark = found if self.watermark is None else max(self.watermark, found)

    def _learn(self, source: Source, keys: frozenset[Key], now: datetime) -> None:
        """What is usual, once an hour; which values come, every few minutes."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        prompts = sorted({prompt for _, prompt in keys})
        if not prompts:
            return
        if self._usual_of != (hour, keys):
            parameters = {
                "prompts": prompts,
                "since": hour - timedelta(days=_USUAL_DAYS),
                "until": hour,
                "hour_of_day": hour.astimezone(UTC).hour,
            }
            self._usual = {
                (row["environment"], row["prompt"]): Usual(
                    requests_per_h=float(row["requests_per_h"]),
                    error_share=float(row["error_share"]),
                    latency_ms=float(row["latency_ms"] or 0.0),
                )
                for row in source.rows(statement("usual_traffic", __package__), parameters)
            }
            self._usual_of = (hour, keys)
        if self._values_at is None or not timedelta(0) <= now - self._values_at < _ASK_AGAIN:
            self._values = _values(source, prompts, now)
            self._values_at = now


def _values(source: Source, prompts: Sequence[str], now: datetime) -> dict[Key, dict[str, float]]:
    """Values per request-hour before of the names that do not come any more, by prompt."""
    parameters = {"prompts": prompts, "since": now - _BEFORE, "recent": now - _RECENT}
    scored = {
        row["name"] for row in source.rows(statement("names_scored", __package__), {"recent": now - _RECENT})
    }
    found: dict[Key, dict[str, float]] = {}
    for row in source.rows(statement("values_of_metrics", __package__), parameters):
        if row["before"] and not row["lately"] and row["name"] not in scored:
            found.setdefault((row["environment"], row["prompt"]), {})[row["name"]] = float(row["before"])
    return found
