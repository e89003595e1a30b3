"""Alerts: what fires, what was told to whom, and what people do about it."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query

from coalmine_alerts.configuration.records import care_of
from coalmine_alerts.configuration.thresholds import known_rules
from coalmine_alerts.engine import RULE_FAILED
from coalmine_alerts.messages.digest import RULE as DIGEST_RULE
from coalmine_alerts.replay import replay
from coalmine_alerts.results.alerts import Alert, AlertState, Care, Silence
from coalmine_alerts.results.digest import Digest
from coalmine_alerts.results.messages import Message, Runbook, ToldTransition
from coalmine_alerts.results.replay import Replay
from coalmine_alerts.results.rules import KnownRule
from coalmine_alerts.results.wins import Wins
from coalmine_alerts.runbooks import runbooks
from coalmine_alerts.storage.alerts import alert as one_alert
from coalmine_alerts.storage.alerts import list_alerts
from coalmine_alerts.storage.sent import list_messages, told_transitions
from coalmine_alerts.storage.silences import list_silences, matches
from coalmine_alerts.weekly import week_named, week_of
from coalmine_alerts.wins import wins_of
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.errors import InvalidParameter, nearest
from coalmine_schemas.results import Page
from coalmine_server.api.bodies import MarkBody, ReasonBody, ReasonedBody, RuleTestBody, SilenceBody
from coalmine_server.api.parameters import Cursor, Limit, Owned
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import Approver, Author, PromptPath, Reader, RegistryRoute, lane
from coalmine_server.errors import NotFound
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.services.alert_messages import drawn
from coalmine_server.services.moment_parameter import Moment, check_period

router = APIRouter(prefix="/v1", tags=["alerts"], route_class=RegistryRoute)

AlertPath = Annotated[str, Path(min_length=1, max_length=100, description="Fingerprint of the alert.")]
SilencePath = Annotated[int, Path(ge=1, le=2**53, description="Id of the silence.")]
_WINS_FOR: Final = timedelta(days=90)
Text = Annotated[str | None, Query(min_length=1, max_length=500)]


@router.get("/alerts", responses=problem_responses())
def alerts(
    *,
    owned: Owned,
    actor: Reader,
    state: Annotated[
        list[AlertState],
        Query(description="Only alerts in this state; may be repeated; all but ok if omitted."),
    ] = ["firing", "pending", "no_data", "resolved"],  # noqa: B006 - FastAPI copies it
    environment: Annotated[Text, Query(description="Only alerts of this environment.")] = None,
    prompt: Annotated[Text, Query(description="Only alerts of this prompt.")] = None,
    rule: Annotated[Text, Query(description="Only alerts of this rule.")] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[Alert]:
    """Alerts as they stand, those that changed their state last first."""
    found = list_alerts(
        owned.alerts.database,
        states=state,
        environment=environment,
        prompt=prompt,
        rule=rule,
        limit=limit,
        cursor=cursor,
    )
    return Page([_shown(each, actor) for each in found.items], found.next_cursor)


@router.get("/alerts/transitions", responses=problem_responses())
def alert_transitions(
    *,
    owned: Owned,
    _actor: Reader,
    since: Annotated[Moment | None, Query(description=f"Only changes from then on: {MOMENT_HELP}.")] = None,
    environment: Annotated[Text, Query(description="Only of alerts of this environment.")] = None,
    prompt: Annotated[Text, Query(description="Only of alerts of this prompt.")] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[ToldTransition]:
    """What changed, of all alerts, and who was told; the latest first."""
    return told_transitions(
        owned.alerts.database,
        since=since,
        environment=environment,
        prompt=prompt,
        limit=limit,
        cursor=cursor,
    )


@router.get("/alerts/messages", responses=problem_responses())
def alert_messages(
    *,
    owned: Owned,
    actor: Reader,
    group: Annotated[Text, Query(description="Only messages about this group of alerts.")] = None,
    channel: Annotated[Text, Query(description="Only messages in this channel.")] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[Message]:
    """Messages as they were sent last, the latest first; what may hold texts of users for admins only."""
    found = list_messages(owned.alerts.database, group=group, channel=channel, limit=limit, cursor=cursor)
    private = actor.role.allows(Role.ADMIN)
    items = [drawn(each, owned.alerts.channels, private=private) for each in found.items]
    return Page(items, found.next_cursor)


@router.get("/alerts/silences", responses=problem_responses())
def silences(
    *,
    owned: Owned,
    _actor: Reader,
    ended: Annotated[bool, Query(description="True: those that have ended, too.")] = False,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[Silence]:
    """Silences, the latest first."""
    alerting = owned.alerts
    at = None if ended else alerting.clock()
    return list_silences(alerting.database, active_at=at, limit=limit, cursor=cursor)


@router.get("/alerts/rules", responses=problem_responses())
def alert_rules(owned: Owned, _actor: Reader) -> list[KnownRule]:
    """Rules that are evaluated, with their thresholds."""
    return known_rules(owned.alerts.configuration)


@router.post("/alerts/silences", status_code=201, responses=problem_responses())
def silence(owned: Owned, actor: Author, body: SilenceBody) -> Silence:
    """Silences alerts with these labels until a moment: they are evaluated, but nobody is told."""
    rule = body.matchers.get("rule")
    names = [*(each.name for each in owned.alerts.configuration.rules), DIGEST_RULE, RULE_FAILED]
    if rule is not None and not any(matches({"rule": rule}, each, {}) for each in names):
        near = nearest(rule, names)
        remedy = f"did you mean {near}?" if near else f"rules that are on: {', '.join(names)}"
        raise InvalidParameter(f"no rule {rule!r}, so nothing would be silenced: {remedy}")
    return owned.alerts.commands.silence(
        body.matchers, ends_at=body.until, reason=body.reason, actor=actor.subject
    )


@router.post("/alerts/silences/{silence_id}/end", responses=problem_responses(404, 409))
def unsilence(owned: Owned, actor: Author, silence_id: SilencePath) -> Silence:
    """Ends a silence before its time."""
    return owned.alerts.commands.unsilence(silence_id, actor=actor.subject)


@router.post("/alerts/test", responses=problem_responses())
@lane("heavy")
def test_rule(owned: Owned, _actor: Reader, body: RuleTestBody) -> list[Replay]:
    """What a rule would have told of the past, with these thresholds: the same code, at the times of then."""
    alerting = owned.alerts
    return replay(
        alerting.sources,
        alerting.configuration,
        body.rule,
        since=body.since,
        until=body.until or alerting.clock(),
        variants=body.variants,
    )


@router.get("/digest", responses=problem_responses())
@lane("heavy")
def digest(
    owned: Owned,
    _actor: Reader,
    week: Annotated[
        str | None,
        Query(max_length=8, description="ISO week; the last whole one if omitted.", examples=["2026-W47"]),
    ] = None,
    environment: Annotated[Text, Query(description="Only this environment.")] = None,
) -> Digest:
    """A week: what shipped and what it did, what needs a person, what could be tidied, what was told."""
    alerting = owned.alerts
    try:
        named = week_of(alerting.clock()) if week is None else week_named(week)
    except ValueError:
        raise InvalidParameter(f"{week!r} is no week: write 2026-W47") from None
    return alerting.digest(named, environment)


@router.get("/wins", responses=problem_responses())
@lane("heavy")
def wins(
    *,
    owned: Owned,
    _actor: Reader,
    since: Annotated[
        Moment | None,
        Query(description=f"Rollouts that ended from then on: {MOMENT_HELP}; 90 days if omitted."),
    ] = None,
    until: Annotated[
        Moment | None, Query(description=f"Rollouts that ended before then: {MOMENT_HELP}; now if omitted.")
    ] = None,
    environment: Annotated[Text, Query(description="Only this environment.")] = None,
    prompt: Annotated[Text, Query(description="Only this prompt.")] = None,
) -> Wins:
    """What shipped versions brought, cumulatively, and how fast and how safely versions ship."""
    check_period(since, until)
    end = until or owned.clock()
    return wins_of(owned.known_registry, since or end - _WINS_FOR, end, environment, prompt)


@router.get("/alerts/runbooks/{rule}", responses=problem_responses(404))
async def runbook(
    _actor: Reader,
    rule: Annotated[str, Path(min_length=1, max_length=100, description="Name of the rule.")],
) -> Runbook:
    """What to do about the alerts of a rule."""
    known = runbooks()
    if rule not in known:
        raise NotFound.among(f'no runbook for a rule "{rule}"', rule, list(known))
    return known[rule]


# Names of prompts that only events have may have slashes.
@router.get("/prompts/{name:path}/care", responses=problem_responses())
def care(owned: Owned, _actor: Reader, name: PromptPath) -> Care:
    """Who cares for a prompt, where its alerts are told, and what to do about them, as configured."""
    return care_of(owned.alerts.configuration.prompts, name)


@router.get("/alerts/{fingerprint}", responses=problem_responses(404))
def alert(owned: Owned, actor: Reader, fingerprint: AlertPath) -> Alert:
    """One alert as it stands."""
    return _shown(one_alert(owned.alerts.database, fingerprint), actor)


@router.get("/alerts/{fingerprint}/transitions", responses=problem_responses(404))
def transitions_of_alert(
    owned: Owned, _actor: Reader, fingerprint: AlertPath, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> Page[ToldTransition]:
    """What changed of an alert, and who was told; the latest first."""
    return told_transitions(owned.alerts.database, fingerprint, limit=limit, cursor=cursor)


@router.post("/alerts/{fingerprint}/acknowledge", responses=problem_responses(404, 409))
def acknowledge(owned: Owned, actor: Author, fingerprint: AlertPath, body: ReasonBody) -> Alert:
    """Notes that the caller looks after an alert: it is not repeated until it is resolved."""
    found = owned.alerts.commands.acknowledge(fingerprint, actor=actor.subject, reason=body.reason)
    return _shown(found, actor)


@router.post("/alerts/{fingerprint}/accept", responses=problem_responses(404, 409))
def accept(owned: Owned, actor: Approver, fingerprint: AlertPath, body: ReasonedBody) -> Alert:
    """Accepts what an alert is about as the new normal: it is resolved, and its value the new reference."""
    found = owned.alerts.commands.accept(fingerprint, actor=actor.subject, reason=body.reason)
    return _shown(found, actor)


@router.post("/alerts/{fingerprint}/mark", responses=problem_responses(404, 409))
def mark(owned: Owned, actor: Author, fingerprint: AlertPath, body: MarkBody) -> Alert:
    """Notes whether the latest firing of an alert was useful to the caller, or noise."""
    owned.alerts.commands.mark(fingerprint, useful=body.useful, actor=actor.subject)
    return _shown(one_alert(owned.alerts.database, fingerprint), actor)


def _shown(found: Alert, actor: Actor) -> Alert:
    """An alert without texts of users, for those who may not see them."""
    if actor.role.allows(Role.ADMIN):
        return found
    return replace(found, story=replace(found.story, excerpts=()))
