"""What the page Now shows: what needs a person, most urgent first, and what is served."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from coalmine_alerts.results.alerts import Alert
from coalmine_alerts.results.story import readable
from coalmine_consumers.results import IngestStatus, VersionRow
from coalmine_dashboards.formatting import count
from coalmine_dashboards.parts.links import link
from coalmine_evals.results.review import ReviewQueue
from coalmine_registry.records import Promotion, PromptSummary
from coalmine_rollouts.records import RolloutStatus
from coalmine_schemas.prompts import percent

__all__ = ["Need", "Served", "Urgency", "needs", "served"]

Urgency = Literal["page", "warning", "waits"]
"""`page`: now. `warning`: today. `waits`: somebody else cannot go on before."""

_MOST_PROMOTIONS: Final = 5
"""Those that have a row of their own."""
_ORDER: Final[tuple[Urgency, ...]] = ("page", "warning", "waits")


@dataclass(frozen=True, slots=True)
class Need:
    """Something that needs a person."""

    urgency: Urgency
    what: str
    detail: str
    since: datetime | None
    address: str
    """Of the view where one can do something about it."""


@dataclass(frozen=True, slots=True)
class Served:
    """A prompt in an environment."""

    prompt: str
    environment: str
    version: str
    """What is served by default."""
    state: str
    """In words."""
    tone: Literal["good", "notice", "bad"]
    address: str
    """Of what the state is about."""
    measured: VersionRow | None
    """What the version did lately; None: it had no calls."""
    requests: int
    """Of all versions there."""


def needs(
    alerts: Iterable[Alert],
    rollouts: Iterable[RolloutStatus],
    promotions: Iterable[Promotion],
    queues: Iterable[ReviewQueue],
    ingest: IngestStatus | None,
) -> list[Need]:
    """Returns what needs a person, most urgent and then longest first."""
    found = [
        *map(_of_alert, filter(needs_somebody, alerts)),
        *_of_rollouts(rollouts),
        *_of_promotions(promotions),
        *_of_queues(queues),
        *_of_ingest(ingest),
    ]
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(found, key=lambda each: (_ORDER.index(each.urgency), each.since or never))


def needs_somebody(alert: Alert) -> bool:
    """True for an alert that fires for more than information, that nobody looks after and nothing hides."""
    return (
        alert.state == "firing"
        and alert.severity != "info"
        and alert.acknowledged_by is None
        and alert.silenced_until is None
        and alert.inhibited_by is None
    )


def _of_alert(alert: Alert) -> Need:
    return Need(
        "page" if alert.severity == "page" else "warning",
        alert.story.title,
        readable(alert.story.summary),
        alert.since,
        link("alerts", alert=alert.fingerprint),
    )


def _of_rollouts(rollouts: Iterable[RolloutStatus]) -> Iterator[Need]:
    for each in rollouts:
        rollout = each.rollout
        if not (each.holds or each.patterns or each.behind or each.state in ("pending", "paused")):
            continue
        stands = {"pending": "waits to start", "paused": "is paused"}.get(each.state, "is held")
        yield Need(
            "warning" if each.patterns or each.behind else "waits",
            f"Rollout of {rollout.prompt} {rollout.treatment} {stands} · {rollout.environment}",
            "; ".join((each.sentence, *each.patterns[:1])),
            min((hold.since for hold in each.holds), default=rollout.started_at or rollout.created_at),
            link("rollouts", rollout=each.id),
        )


def _of_promotions(promotions: Iterable[Promotion]) -> Iterator[Need]:
    """Those that wait longest, and how many more: a list of fifty would hide what else waits."""
    oldest = sorted(promotions, key=lambda each: each.requested_at)
    shown, rest = oldest[:_MOST_PROMOTIONS], oldest[_MOST_PROMOTIONS:]
    yield from map(_of_promotion, shown)
    if rest:
        what = f"{count(len(rest))} more promotion{'s wait' if len(rest) > 1 else ' waits'} for approval"
        yield Need("waits", what, "The registry lists all", rest[0].requested_at, link("registry"))


def _of_promotion(promotion: Promotion) -> Need:
    return Need(
        "waits",
        f"Promotion of {promotion.prompt} {promotion.version} waits for approval · {promotion.environment}",
        f"{promotion.requested_by} asked for it" + (f": {promotion.reason}" if promotion.reason else ""),
        promotion.requested_at,
        link("registry", promotion=promotion.id),
    )


def _of_queues(queues: Iterable[ReviewQueue]) -> Iterator[Need]:
    for each in queues:
        if each.waiting:
            yield Need(
                "waits",
                f"{count(each.waiting)} requests wait for review · {each.name}",
                f"{count(each.answered)} are answered",
                None,
                link("requests", view="review", queue=each.name),
            )


def _of_ingest(ingest: IngestStatus | None) -> Iterator[Need]:
    if ingest is None:
        return
    if ingest.state == "waiting":
        yield Need("page", "Ingest waits: no new events", ingest.reason or "", None, link("pipeline"))
    if ingest.dead_letters_open:
        what = f"{count(ingest.dead_letters_open)} messages could not be stored"
        yield Need("warning", what, "Replay or discard them", None, link("pipeline"))


def served(
    prompts: Iterable[PromptSummary],
    measured: Mapping[str, Sequence[VersionRow]],
    rollouts: Iterable[RolloutStatus],
    alerts: Iterable[Alert],
) -> list[Served]:
    """Returns every prompt in every environment that serves it: what regresses first, then by calls.

    Args:
        prompts: Of the registry.
        measured: Versions that had calls lately, by environment; also of prompts the registry does not know.
        rollouts: Those that are not over.
        alerts: Those that fire.
    """
    serving = {(each.name, where): version for each in prompts for where, version in each.serving.items()}
    measured_there: dict[tuple[str, str], list[VersionRow]] = defaultdict(list)
    for environment, rows in measured.items():
        for row in sorted(rows, key=lambda row: -row.requests):
            serving.setdefault((row.prompt, environment), row.version)
            measured_there[row.prompt, environment].append(row)
    rolling = {(each.rollout.prompt, each.rollout.environment): each for each in rollouts}
    firing: dict[tuple[str | None, str | None], Alert] = {}
    for alert in alerts:
        firing.setdefault((alert.labels.get("prompt"), alert.labels.get("environment")), alert)
    found = []
    for (prompt, environment), version in serving.items():
        rows = measured_there[prompt, environment]
        own = next((row for row in rows if row.version == version and not row.preferred), None)
        state, tone, address = _state(
            prompt,
            environment,
            firing.get((prompt, environment)) or firing.get((prompt, None)),
            rolling.get((prompt, environment)),
            has_calls=bool(rows),
        )
        calls = sum(row.requests for row in rows)
        found.append(Served(prompt, environment, version, state, tone, address, own, calls))
    tones = ("bad", "notice", "good")
    return sorted(found, key=lambda each: (tones.index(each.tone), -each.requests, each.prompt))


def _state(
    prompt: str, environment: str, alert: Alert | None, rollout: RolloutStatus | None, *, has_calls: bool
) -> tuple[str, Literal["good", "notice", "bad"], str]:
    if alert is not None:
        return f"regressing: {alert.rule.replace('_', ' ')}", "bad", link("alerts", alert=alert.fingerprint)
    if rollout is not None:
        treatment, state = rollout.rollout.treatment, rollout.state.replace("_", " ")
        tone: Literal["good", "notice"] = "notice" if rollout.holds or rollout.patterns else "good"
        words = f"rolling out {treatment}: {state}, {percent(rollout.weight_commanded)}"
        return words, tone, link("rollouts", rollout=rollout.id)
    here = link("prompt", prompt=prompt, environment=environment, time="24h")
    return ("serving", "good", here) if has_calls else ("no calls in 24 hours", "notice", here)
