"""What applications did lately, kept in memory and added to with every tick.

Only requests that were stored since the last tick are read, for all rollouts together. After a restart the
last hour is read again. Nothing in here is state: it can be thrown away at any time.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from coalmine_rollouts.inputs import CONTROL, TREATMENT, ArmTraffic, Traffic, Usual
from coalmine_rollouts.records import SERVING, AppBehind, Rollout
from coalmine_schemas.prompts import PREFERRED

KEPT: Final = timedelta(minutes=70)
"""How far back requests are kept."""
LATELY: Final = timedelta(minutes=10)
"""What counts as now for shares of models and errors, and for who is behind."""
NOW: Final = timedelta(minutes=2)
"""What counts as now for who follows, if that is enough."""
QUIET: Final = timedelta(minutes=5)
"""A version of which nobody has asked for so long is gone."""

_ENOUGH: Final = 20
"""Requests that say who follows."""
_SETTLED: Final = timedelta(minutes=1)
"""A bucket is complete once something this much later has come."""
_PINNED: Final = "fixed"


@dataclass(frozen=True, slots=True)
class Seen:
    """Requests of one kind in one minute."""

    experiment: str | None
    epoch: int
    arm: str | None
    version: str
    app: str
    client_version: str | None
    resolution: str
    model: str
    minute: datetime
    requests: int
    errors: int
    latency_ms: float
    last_at: datetime


class PromptTraffic:
    """Requests for one prompt in one environment, by kind and minute."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Seen] = {}

    @property
    def minutes(self) -> Iterable[Seen]:
        """What is kept, in no order."""
        return self._found.values()

    def add(self, each: Seen) -> None:
        """Adds requests."""
        key = (
            *(each.minute, each.experiment, each.epoch, each.arm, each.version),
            *(each.app, each.client_version, each.resolution, each.model),
        )
        before = self._found.get(key)
        if before is not None:
            each = replace(
                each,
                requests=before.requests + each.requests,
                errors=before.errors + each.errors,
                latency_ms=before.latency_ms + each.latency_ms,
                last_at=max(before.last_at, each.last_at),
            )
        self._found[key] = each

    def forget(self, before: datetime) -> None:
        """Drops what is too old."""
        for key in [key for key, each in self._found.items() if each.minute < before]:
            del self._found[key]


def seen(row: Mapping[str, Any]) -> Seen:
    """Returns a row of the query."""
    return Seen(
        experiment=row["experiment"],
        epoch=row["epoch"],
        arm=row["arm"],
        version=row["version"],
        app=row["app"],
        client_version=row["client_version"],
        resolution=row["resolution"],
        model=row["model"],
        minute=row["minute"].astimezone(UTC),
        requests=int(row["requests"]),
        errors=int(row["errors"]),
        latency_ms=float(row["latency_ms"]),
        last_at=row["last_at"].astimezone(UTC),
    )


def traffic_of(
    rollout: Rollout,
    prompt: PromptTraffic,
    *,
    now: datetime,
    epoch: int | None,
    watermark: datetime | None,
    bucket_s: int,
    usual: Usual | None,
    missing_metrics: Mapping[str, str],
    served: frozenset[str],
) -> Traffic:
    """Returns what the requests for a prompt say about one of its rollouts.

    Args:
        rollout: The rollout.
        prompt: Requests for its prompt in its environment.
        now: Time of the tick.
        epoch: Current allocation epoch of its experiment; None: it does not run.
        watermark: Newest event in the store.
        bucket_s: Length of the buckets that the clock of its stage counts.
        usual: Usual traffic of the prompt.
        missing_metrics: Metrics without new values.
        served: Versions that the environment assigns of the prompt, wherever.
    """
    alone = epoch is None and rollout.state in SERVING
    mine = [
        replace(each, arm=TREATMENT) if alone and each.experiment is None else each
        for each in prompt.minutes
        if each.experiment == rollout.id or (alone and _is_of_alone(each, rollout))
    ]
    lately = [each for each in prompt.minutes if each.minute > now - LATELY]
    assigned, on_epoch, followed_by = _following(mine, now, epoch)
    ends = rollout.is_terminal
    return Traffic(
        watermark=watermark,
        treatment=_arm([each for each in mine if each.arm == TREATMENT], now),
        control=_arm([each for each in mine if each.arm == CONTROL], now),
        buckets=_buckets(mine, bucket_s, watermark, alone=alone),
        assigned=assigned,
        on_epoch=on_epoch,
        others=sum(each.requests for each in lately if each.experiment != rollout.id)
        - sum(each.requests for each in mine if each.experiment is None and each.minute > now - LATELY),
        behind=_apps(
            (each for each in _late(rollout, lately, served) if each.last_at > now - QUIET)
            if ends
            else followed_by
        ),
        pinned=_apps(
            each for each in lately if each.resolution == _PINNED and each.version == rollout.treatment
        ),
        treated_at=max((each.last_at for each in _late(rollout, prompt.minutes, served)), default=None),
        usual=usual,
        missing_metrics=missing_metrics,
    )


def weight_observed(found: Traffic) -> float | None:
    """Returns the share of the treatment among the requests of both arms of the last minutes."""
    both = found.treatment.requests + found.control.requests
    return found.treatment.requests / both if both else None


def share_of_traffic(found: Traffic) -> float | None:
    """Returns the share of the prompt's requests of the last minutes that are in the experiment."""
    mine = found.treatment.requests + found.control.requests
    return mine / (mine + found.others) if mine + found.others else None


def _following(mine: Iterable[Seen], now: datetime, epoch: int | None) -> tuple[int, int, list[Seen]]:
    """Assigned requests of now, those of them on the epoch, and the others; of longer if they are few."""
    rows = [each for each in mine if each.minute > now - LATELY]
    latest = [each for each in rows if each.minute > now - NOW]
    if sum(each.requests for each in latest) >= _ENOUGH:
        rows = latest
    old = [each for each in rows if (each.experiment is not None if epoch is None else each.epoch != epoch)]
    total = sum(each.requests for each in rows)
    return total, total - sum(each.requests for each in old), old


def _is_of_alone(each: Seen, rollout: Rollout) -> bool:
    """True for requests on a treatment that everybody gets: they carry no experiment any more."""
    return each.experiment is None and each.version == rollout.treatment and not _is_asked_for(each)


def _late(rollout: Rollout, rows: Iterable[Seen], served: frozenset[str]) -> Iterable[Seen]:
    """Requests on the treatment that nobody asked for by name."""
    elsewhere = rollout.treatment in served
    return (
        each
        for each in rows
        if each.version == rollout.treatment
        and not _is_asked_for(each)
        and (each.experiment == rollout.id or not elsewhere)
    )


def _is_asked_for(each: Seen) -> bool:
    """True for requests whose version a service named or a user preferred, instead of being assigned it."""
    return each.resolution == _PINNED or (each.experiment is None and each.arm == PREFERRED)


def _arm(rows: list[Seen], now: datetime) -> ArmTraffic:
    lately = [each for each in rows if each.minute > now - LATELY]
    models: Counter[str] = Counter()
    before: Counter[str] = Counter()
    for each in rows:
        (models if each.minute > now - LATELY else before)[each.model] += each.requests
    return ArmTraffic(
        last_at=max((each.last_at for each in rows), default=None),
        requests=sum(each.requests for each in lately),
        errors=sum(each.errors for each in lately),
        latency_ms=sum(each.latency_ms for each in lately),
        models=models,
        models_before=before,
    )


def _buckets(
    mine: Iterable[Seen], length_s: int, watermark: datetime | None, *, alone: bool
) -> tuple[datetime, ...]:
    if watermark is None:
        return ()
    arms: dict[int, set[str | None]] = {}
    for minute, arm in {(each.minute, each.arm) for each in mine}:
        arms.setdefault(int(minute.timestamp()) // length_s, set()).add(arm)
    latest = int((watermark - _SETTLED).timestamp()) // length_s
    wanted = {TREATMENT} if alone else {TREATMENT, CONTROL}
    return tuple(
        datetime.fromtimestamp(number * length_s, UTC)
        for number in sorted(arms)
        if number < latest and arms[number] >= wanted
    )


def _apps(rows: Iterable[Seen]) -> tuple[AppBehind, ...]:
    found: dict[tuple[str, str | None, str], AppBehind] = {}
    for each in rows:
        key = (each.app, each.client_version, each.resolution)
        before = found.get(key)
        found[key] = (
            AppBehind(*key, requests=each.requests, last_seen=each.last_at)
            if before is None
            else replace(
                before,
                requests=before.requests + each.requests,
                last_seen=max(before.last_seen, each.last_at),
            )
        )
    return tuple(sorted(found.values(), key=lambda each: (-each.requests, each.app)))
