"""Tells the digest of a week as one message, in every channel."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from coalmine_alerts.messages.texts import duration
from coalmine_alerts.records import Finding, Notice
from coalmine_alerts.results.alerts import Cause
from coalmine_alerts.results.digest import Digest, Shipped
from coalmine_alerts.results.story import Story, StoryLink, StoryTable
from coalmine_alerts.rules.words import percent
from coalmine_alerts.standing import first_standing

RULE: Final = "weekly_digest"
_MOST_ROWS: Final = 12
_MOST_DUTIES: Final = 5


def digest_story(digest: Digest) -> Story:
    """Tells a week: what shipped and what it did, what needs a person, what could be tidied."""
    rows = tuple(
        (each.prompt, f"{each.before} → {each.version}", ", ".join(each.changes) or "-", each.outcome)
        for each in digest.shipped[-_MOST_ROWS:][::-1]
    )
    where = f" · {digest.environment}" if digest.environment else ""
    details = [
        ("Needs a person", _listed(tuple(duty.text for duty in digest.duties[:_MOST_DUTIES]))),
        ("Could be tidied", _listed(tuple(duty.text for duty in digest.tidying[:_MOST_DUTIES]))),
        ("Alerts", _alerts(digest)),
    ]
    return Story(
        icon="🗓️",
        title=f"Week {int(digest.week[-2:])} · prompts{where}",
        summary=_summary(digest),
        why=_speed(digest),
        table=StoryTable(("Prompt", "Change", "What it did", "Outcome"), rows) if rows else None,
        details=tuple((name, text) for name, text in details if text),
        sure=(
            f"{digest.since:%d %b} to {digest.until:%d %b}, UTC · better and worse as the rollouts' tests "
            "showed them · nothing here pages anybody"
        ),
        links=(StoryLink("Open the wins", "/wins"),),
    )


def digest_finding(digest: Digest) -> Finding:
    """Returns a digest as something that happened once: the engine tells it once, on its rule's channels."""
    labels = {"environment": digest.environment} if digest.environment else {}
    return Finding(
        rule=RULE,
        labels=labels,
        condition=True,
        severity="info",
        cause=Cause("system", RULE),
        story=digest_story(digest),
        since=digest.until,
        notice=digest.week,
    )


def digest_notice(digest: Digest, now: datetime) -> Notice:
    """Returns a digest as a notice, to be drawn by hand: `coalmine digest`."""
    finding = digest_finding(digest)
    alert = replace(
        first_standing(finding, now).alert,
        began_at=digest.until,
        fired_at=now,
        firing=1,
        last_notice=digest.week,
    )
    group = f"{digest.environment or ''}|system|{RULE}"
    return Notice(group=group, cause=finding.cause, environment=digest.environment, alerts=(alert,))


def _summary(digest: Digest) -> str:
    if not digest.shipped:
        said = "No version shipped."
    else:
        counted = {each.outcome: 0 for each in digest.shipped}
        for each in digest.shipped:
            counted[each.outcome] += 1
        done = sum(each.lead_time_s is not None for each in digest.shipped)
        kinds = ", ".join(f"{number} {outcome}" for outcome, number in counted.items())
        ended = _some(len(digest.shipped), "rollout")
        said = f"{ended} ended ({kinds}), {_some(done, 'version')} reached everybody."
    waiting = (
        f" {_some(len(digest.duties), 'thing')} {'needs' if len(digest.duties) == 1 else 'need'} a person."
    )
    return said + (waiting if digest.duties else " Nothing needs a person.")


def _speed(digest: Digest) -> str | None:
    said = []
    if digest.median_lead_time_s is not None:
        said.append(f"Median {duration(digest.median_lead_time_s)} from registration to everybody.")
    said += [_harm(each) for each in digest.shipped if each.outcome == "rolled back"][:3]
    if digest.changed_by_hand:
        said.append(f"{_some(digest.changed_by_hand, 'change')} by hand, which nothing compared.")
    return " ".join(said) or None


def _harm(each: Shipped) -> str:
    met = f" met {percent(each.exposed_share)} of users" if each.exposed_share is not None else " was out"
    length = f" for {duration(each.out_s)}" if each.out_s is not None else ""
    return f"{each.prompt} {each.version}{met}{length} before it was taken back."


def _alerts(digest: Digest) -> str:
    parts = [
        f"{digest.alerts_told} told",
        f"{digest.alerts_held_back} held back",
        f"{digest.alerts_open} open now",
    ]
    if digest.useful or digest.noise:
        parts.append(f"{digest.useful} called useful, {sum(digest.noise.values())} called noise")
    return " · ".join(parts)


def _listed(texts: tuple[str, ...]) -> str:
    return "".join(f"\n• {text}" for text in texts)


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
