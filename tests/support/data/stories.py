"""Stories and notices of all kinds, friendly and hostile."""

import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from coalmine_alerts.messages.samples import samples
from coalmine_alerts.records import Notice
from coalmine_alerts.results.alerts import Alert, AlertState, Cause, CauseKind, Severity, TransitionKind
from coalmine_alerts.results.story import Excerpt, Story, StoryChart, StoryLink, StoryTable

NOW = datetime(2026, 11, 26, 12, 14, tzinfo=UTC)
HOSTILE = (
    "",
    " \n\t ",
    "<!channel> <!here> <@U0123> <#C0123|general> <https://evil.example|click>",
    "https://evil.example/?q=1 mailto:jo@example.com",
    "*bold* _italic_ ~gone~ `code` ```fence``` > quote",
    "&lt;!channel&gt; & < >",
    "\u202egnihton\u2066 \u200f\u061c\u2069",
    ":rotating_light: :smile:",
    "\x00\x02999999999999\x03\x02-1\x03\x02\x03\x0e\x0f\x0e\x0e\x1b[31m",
    "\ud800 lone \udfff",
    "👩‍👩‍👧‍👦🏳️‍🌈" * 2_000,
    "A" * 10_000,
    "word " * 2_500,
    "&<>" * 4_000,
    "line\n" * 5_000,
    "</script><script>alert(1)</script>\"'",
    "مرحبا بالعالم",
)

_ALPHABET = "<>&*`\n \u202e😀aé\x00\x02\x03"
_KINDS: tuple[CauseKind, ...] = ("rollout", "model", "prompt", "app", "budget", "ingest", "suite", "system")
_STATES: tuple[AlertState, ...] = ("ok", "pending", "firing", "resolved", "no_data")
_SEVERITIES: tuple[Severity, ...] = ("info", "warning", "page")
_CHANGES: tuple[TransitionKind, ...] = ("state", "notice", "severity", "update")
_NUMBERS = (None, math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300, 5e-324, 0.5)


class Stories:
    """Makes notices that no rule would, from a seed.

    Not by strategies: their texts are so long that Hypothesis takes minutes to print and shrink them.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def notice(self) -> Notice:
        """A group of alerts in any state, with any texts."""
        rng = self._rng
        count = rng.choice((0, 1, 1, 1, 2, 30))
        first = [self._alert() for _ in range(min(count, 2))]
        many = [replace(first[number % 2], fingerprint=f"{number:016x}") for number in range(count)]
        if count > 1 and rng.random() < 0.5:
            many[0] = replace(many[0], evaluated_at=NOW + timedelta(days=400))
        told = samples(NOW)["regression"].history[0]
        fingerprints = [one.fingerprint for one in many] or ["0"]
        return Notice(
            group=self._text(),
            cause=Cause(rng.choice(_KINDS), self._text()),
            environment=self._some(),
            alerts=tuple(many),
            history=tuple(
                replace(
                    told,
                    kind=rng.choice(_CHANGES),
                    fingerprint=rng.choice(fingerprints),
                    summary=self._text(),
                    reason=self._some(),
                )
                for _ in range(rng.randrange(3))
            ),
            limited={self._text(): rng.randrange(1, 10**6) for _ in range(rng.choice((0, 0, 1, 12)))},
            may_be_repeat=rng.random() < 0.3,
            test=rng.random() < 0.3,
        )

    def _alert(self) -> Alert:
        rng = self._rng
        return replace(
            samples(NOW)["regression"].alerts[0],
            rule=rng.choice(("quality_drift", self._text())),
            labels={
                name: self._text() for name in ("prompt", "version", "app", "lang") if rng.random() < 0.5
            },
            state=rng.choice(_STATES),
            severity=rng.choice(_SEVERITIES),
            story=self._story(),
            since=self._time(),
            began_at=self._maybe_time(),
            fired_at=self._maybe_time(),
            acknowledged_by=self._some(),
            acknowledged_at=self._maybe_time(),
            silenced_until=self._maybe_time(),
            flapping_since=self._maybe_time(),
            no_data_since=self._maybe_time(),
            accepted_by=self._some(),
            accepted_at=self._maybe_time(),
            last_notice=rng.choice((None, "once")),
        )

    def _story(self) -> Story:
        rng = self._rng
        paths = ("/alerts?a=b", "https://x.example/r", "javascript:alert(1)")
        return Story(
            title=self._text(),
            summary=self._text(),
            why=self._some(),
            table=StoryTable(self._few(25), tuple(self._few(25) for _ in range(rng.choice((0, 3, 130))))),
            chart=rng.choice((None, self._chart())),
            details=tuple((self._text(), self._text()) for _ in range(rng.randrange(15))),
            diff=self._some(),
            diff_title=self._some(),
            done=self._some(),
            could=self._few(15),
            sure=self._some(),
            links=tuple(
                StoryLink(self._text(), rng.choice((*paths, self._text()))) for _ in range(rng.randrange(9))
            ),
            excerpts=tuple(self._excerpt() for _ in range(rng.randrange(6))),
            icon=self._text(),
        )

    def _excerpt(self) -> Excerpt:
        some = self._some
        return Excerpt(self._text(), self._time(), some(), some(), some(), some(), self._few(9))

    def _chart(self) -> StoryChart:
        rng = self._rng
        labels = self._few(40)

        def line() -> tuple[float | None, ...]:
            count = rng.choice((len(labels), len(labels), 3))
            odd = rng.random() < 0.3
            return tuple(rng.choice(_NUMBERS) if odd else rng.gauss(0, 1) for _ in range(count))

        series = tuple((self._text(), line()) for _ in range(rng.randrange(15)))
        return StoryChart(self._text(), labels, series, self._text(), self._text())

    def _text(self) -> str:
        rng = self._rng
        drawn = "".join(rng.choice(_ALPHABET) for _ in range(rng.choice((0, 3, 40, 400))))
        return rng.choice((rng.choice(HOSTILE), drawn, "plain words", chr(rng.randrange(0x110000))))

    def _some(self) -> str | None:
        return self._rng.choice((None, self._text()))

    def _few(self, most: int) -> tuple[str, ...]:
        return tuple(self._text() for _ in range(self._rng.randrange(most)))

    def _time(self) -> datetime:
        return NOW + timedelta(seconds=self._rng.randrange(-(10**8), 10**8))

    def _maybe_time(self) -> datetime | None:
        return self._rng.choice((None, self._time()))
