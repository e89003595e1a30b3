"""PagerDuty: an incident for each firing of a page, once by its key, and changes beside incidents."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from coalmine_alerts.delivery.channels import CHANGE_RULES, PagerDutySettings, SentMessage, Telling
from coalmine_alerts.delivery.posting import Poster, Rejected
from coalmine_alerts.errors import Unusable
from coalmine_alerts.messages.pagerduty import Action, pagerduty_change_event, pagerduty_event
from coalmine_alerts.results.alerts import Alert, Transition
from coalmine_alerts.results.story import readable

_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "coalmine"}
_Event = tuple[str, dict[str, Any]]


class PagerDuty:
    """A service of PagerDuty.

    An event of an incident has a key, so that a second one changes nothing: it is sent again after an attempt
    that may have been taken. A change event has none: it may be there twice, and pages nobody.
    """

    edits: Final = True
    one_by_one: Final = False
    at_once: Final = True

    def __init__(self, settings: PagerDutySettings, routing_key: str, *, dashboard_url: str | None) -> None:
        """Prepares; nothing is connected to."""
        self.name: Final = settings.name
        self._settings, self._key, self._dashboard_url = settings, routing_key, dashboard_url
        self._poster = Poster(secrets=(routing_key,))

    def send(self, telling: Telling) -> SentMessage | None:
        """Sends the events of a group; see `Channel`."""
        events = [*self._incidents(telling), *self._changes(telling)]
        for path, event in events:
            body = json.dumps({**event, "routing_key": self._key}).encode()
            try:
                self._poster.post(f"{self._settings.url}{path}", body, _HEADERS)
            except Rejected as error:
                if "routing" in error.body.lower():  # PagerDuty answers 400 to a wrong key, too
                    raise Unusable(str(error)) from error
                raise
        if not events:
            return None
        summaries = [each["payload"]["summary"] for _, each in events if "payload" in each]
        shown = [{**event, "routing_key": "***"} for _, event in events]
        return SentMessage(
            external_id=None,
            text=summaries[0] if summaries else readable(telling.notice.alerts[0].story.summary),
            body={"events": shown},
        )

    def _incidents(self, telling: Telling) -> Iterator[_Event]:
        """One event for each firing, in the order in which they were told: where it stands now."""
        if not telling.notice.alerts:
            yield from self._rest(telling)
        for fingerprint, firing in dict.fromkeys((each.fingerprint, each.firing) for each in telling.told):
            told = [each for each in telling.told if (each.fingerprint, each.firing) == (fingerprint, firing)]
            alert = telling.alert(told[-1]) if telling.notice.alerts else None
            if alert is None or not self._is_incident(alert, told, telling):
                continue
            yield (
                "/v2/enqueue",
                pagerduty_event(
                    telling.notice,
                    replace(alert, firing=firing),
                    action=self._action(alert, firing),
                    routing_key=self._key,
                    dashboard_url=self._dashboard_url,
                ),
            )

    def _changes(self, telling: Telling) -> Iterator[_Event]:
        for each in telling.told:
            alert = telling.alert(each) if telling.notice.alerts else None
            if alert is None or alert.rule not in CHANGE_RULES:
                continue
            if each.kind == "notice" or (each.kind == "state" and each.to_state == "firing"):
                # As it was then: of several that are told together each has its own words.
                story = replace(alert.story, summary=each.summary)
                then = replace(alert, story=story, began_at=each.at, evaluated_at=each.at)
                event = pagerduty_change_event(
                    telling.notice, then, routing_key=self._key, dashboard_url=self._dashboard_url
                )
                yield "/v2/change/enqueue", event

    def _is_incident(self, alert: Alert, told: Sequence[Transition], telling: Telling) -> bool:
        if self._wants(alert) or "page" in {each.severity for each in told}:
            return True
        # It may have been one before: what PagerDuty does not know it drops.
        return telling.message is not None or telling.uncertain_since is not None

    def _wants(self, alert: Alert) -> bool:
        if alert.severity == "page":
            return True
        return self._settings.incidents == "all" and alert.rule not in CHANGE_RULES

    def _action(self, alert: Alert, firing: int) -> Action:
        over = alert.firing != firing or alert.state in ("ok", "resolved")
        if over or not self._wants(alert):
            return "resolve"
        return "acknowledge" if alert.acknowledged_by else "trigger"

    def _rest(self, telling: Telling) -> Iterator[_Event]:
        """The incident of the pages that are only counted."""
        pages = {each.fingerprint for each in telling.told if each.severity == "page"}
        if pages:
            summary = f"{len(pages):,} more pages than are told one by one"
            # A new incident each hour: one that nobody closed would keep later ones from paging.
            hour = f"{telling.told[0].at:%Y-%m-%dT%H}"
            yield (
                "/v2/enqueue",
                {
                    "event_action": "trigger",
                    "dedup_key": f"coalmine/{self.name}/more/{hour}",
                    "payload": {
                        "summary": summary,
                        "source": "coalmine",
                        "severity": "critical",
                        "custom_details": dict(telling.notice.limited),
                    },
                },
            )
