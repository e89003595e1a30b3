"""Reads production requests to score: first which there are, then the texts of those that are taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from coalmine_consumers.sql import Source, statement
from coalmine_evals.continuous.sampling import Candidate

_BUCKETS: Final = 2**32


@dataclass(frozen=True, slots=True)
class FreshRequest:
    """A request that was stored lately."""

    request_id: str
    bucket: int
    """Hash of its id, from 0 to 2^32 - 1."""
    environment: str
    prompt: str
    version: str
    experiment: str | None
    arm: str | None
    unit_id: str
    event_time: datetime
    ingested_at: datetime
    ingest_id: int
    has_text: bool
    segments: Mapping[str, str]

    @property
    def candidate(self) -> Candidate:
        """What decides whether it is taken."""
        return Candidate(self.request_id, self.bucket, self.segments)


@dataclass(frozen=True, slots=True)
class Texts:
    """What was asked and answered."""

    input_text: str | None
    output_text: str


def newest_batch(source: Source) -> int:
    """Returns the number of the newest batch in the store."""
    (row,) = source.rows(statement("newest_batch", __package__))
    return int(row["ingest_id"])


def fresh_requests(
    source: Source,
    *,
    after: int,
    upto: int,
    since: datetime,
    environments: Sequence[str],
    rate: float,
) -> list[FreshRequest]:
    """Returns requests of some batches, oldest first.

    Args:
        source: The store.
        after: The last batch that was looked at.
        upto: The last one to look at.
        since: Only what was stored from then on.
        environments: Whose requests.
        rate: The largest that may hold for any of them.
    """
    parameters = {
        "after": after,
        "upto": upto,
        "since": since,
        "environments": list(environments),
        "below": round(min(rate, 1.0) * _BUCKETS),
    }
    return [
        FreshRequest(
            request_id=row["request_id"],
            bucket=int(row["bucket"]),
            environment=row["environment"],
            prompt=row["prompt"],
            version=row["version"],
            experiment=row["experiment"] if row["variant"] is not None else None,
            arm=row["variant"],
            unit_id=row["unit_id"],
            event_time=row["event_time"].astimezone(UTC),
            ingested_at=row["ingested_at"].astimezone(UTC),
            ingest_id=int(row["ingest_id"]),
            has_text=row["has_text"],
            segments={each["key"]: each["value"] for each in row["segments"] or ()},
        )
        for row in source.rows(statement("fresh_requests", __package__), parameters)
    ]


def texts_of(source: Source, request_ids: Sequence[str]) -> dict[str, Texts]:
    """Returns the texts of requests that have any, by id."""
    if not request_ids:
        return {}
    ids = sorted(request_ids)
    parameters = {"ids": ids, "first": ids[0], "last": ids[-1]}
    return {
        row["request_id"]: Texts(row["input_text"], row["output_text"])
        for row in source.rows(statement("texts_of_requests", __package__), parameters)
        if row["output_text"] is not None
    }
