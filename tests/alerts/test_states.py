"""What an alert becomes, and what people are told of it, one finding after the other."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from coalmine_alerts.records import Finding
from coalmine_alerts.results.alerts import Alert, Cause, Transition
from coalmine_alerts.results.story import Story
from coalmine_alerts.standing import Heard, Standing, Surroundings, first_standing
from coalmine_alerts.states import step
from coalmine_alerts.timing import Timing
from tests.support.data.alert_case import MINUTE, START, finding, told

HOUR = timedelta(hours=1)


class One:
    """One alert, and what was said about it."""

    def __init__(self, **timing: Any) -> None:
        self.timing, self.now = Timing(**timing), START
        self.standing: Standing = first_standing(finding(), START)
        self.silenced_until: datetime | None = None
        self.inhibited_by: str | None = None
        self.digest_at: datetime | None = None

    @property
    def alert(self) -> Alert:
        return self.standing.alert

    def say(self, said: Finding | None, after: timedelta = MINUTE) -> list[Transition]:
        self.now += after
        around = Surroundings(
            now=self.now,
            silenced_until=self.silenced_until,
            inhibited_by=self.inhibited_by,
            digest_at=self.digest_at,
        )
        made = step(self.standing, said, self.timing, around)
        heard = Heard.from_json(made.standing.heard.to_json())
        assert heard == made.standing.heard
        self.standing = made.standing
        return list(made.transitions)

    def states(self, *conditions: bool | None, after: timedelta = MINUTE) -> list[str]:
        found: list[str] = []
        for condition in conditions:
            self.say(None if condition is None else finding(condition), after)
            found.append(self.alert.state)
        return found


def test_it_waits_before_it_fires() -> None:
    one = One(for_=2 * MINUTE)
    assert one.states(True, True, True) == ["pending", "pending", "firing"]
    assert one.alert.true_since == START + MINUTE
    assert one.alert.fired_at == START + 3 * MINUTE


def test_what_is_not_so_once_waits_again() -> None:
    one = One(for_=2 * MINUTE)
    assert one.states(True, True, False, True, True, True) == [
        *("pending", "pending", "ok"),
        *("pending", "pending", "firing"),
    ]
    assert one.standing.heard.what == "firing"


def test_nobody_hears_of_what_only_waited() -> None:
    one = One(for_=2 * MINUTE)
    assert told([*one.say(finding()), *one.say(finding(False))]) == []


def test_it_is_over_after_a_while_and_two_evaluations() -> None:
    one = One()
    one.say(finding())
    assert one.states(False, after=HOUR) == ["firing"]
    assert one.states(False, after=9 * MINUTE) == ["firing"]
    assert one.states(False, after=MINUTE) == ["resolved"]
    assert one.states(False, False) == ["resolved", "resolved"]
    assert one.states(True) == ["firing"]
    assert one.alert.firing == 2


def test_what_is_so_again_before_the_while_is_over_fires_on() -> None:
    one = One()
    one.say(finding())
    assert told([*one.say(finding(False)), *one.say(finding(), 9 * MINUTE)]) == []
    assert one.states(False, False, after=6 * MINUTE) == ["firing", "firing"]


def test_a_silent_hour_does_not_heal() -> None:
    one = One()
    one.say(finding())
    for _ in range(3):
        one.say(finding(False, recovered=False), 10 * MINUTE)
        assert one.alert.state == "firing"
    one.say(finding(False, recovered=True))
    assert one.alert.state == "resolved"


@pytest.mark.parametrize(("recovered", "state"), [(None, "firing"), (False, "firing"), (True, "resolved")])
def test_what_latches_is_over_only_by_evidence(recovered: bool | None, state: str) -> None:
    one = One(latch=True)
    one.say(finding())
    for _ in range(3):
        one.say(finding(False, recovered=recovered), 10 * MINUTE)
    assert one.alert.state == state


def test_what_has_gone_is_over_at_once() -> None:
    one = One(latch=True)
    one.say(finding())
    assert told(one.say(finding(False, ended=True))) == [("state", "resolved")]
    assert one.states(None, None, after=HOUR) == ["resolved", "resolved"]


def test_the_story_of_what_happened_is_kept_when_it_is_over() -> None:
    one = One()
    one.say(finding())
    story = one.alert.story
    well = finding(False, story=Story(title="Quality is back", summary="Quality is back at 0.82."))
    one.say(well)
    (over,) = one.say(well, 10 * MINUTE)
    assert (one.alert.story, over.summary) == (story, "Quality is back at 0.82.")


def test_it_stays_in_its_group_while_it_fires() -> None:
    one = One()
    one.inhibited_by = "ro-1"
    one.say(finding())
    model, other = Cause("model", "openai/b"), Cause("app", "shop")
    one.say(finding(cause=model))
    assert one.alert.cause == model
    one.inhibited_by = None
    one.say(finding(cause=model))
    one.say(finding(cause=other))
    assert one.alert.cause == model
    one.say(finding(False, ended=True, cause=other))
    assert one.alert.cause == model
    one.say(finding(cause=other))
    assert one.alert.cause == other


def test_without_data_it_fires_on_and_says_so_once() -> None:
    one = One()
    one.say(finding())
    made = [one.say(None, 10 * MINUTE) for _ in range(10)]
    assert [told(each) for each in made] == [[], [], [], [("no_data", "firing")], *6 * [[]]]
    assert (one.alert.state, one.alert.no_data_since) == ("firing", START + 11 * MINUTE)
    assert one.say(finding()) == []
    assert one.alert.no_data_since is None
    made = [one.say(finding(None), 10 * MINUTE) for _ in range(5)]
    assert [told(each) for each in made] == [[], [], [], [("no_data", "firing")], []]


def test_without_data_what_was_over_stays_over() -> None:
    one = One()
    assert one.states(None, False, None, after=HOUR) == ["ok", "ok", "ok"]


def test_without_data_what_waited_waits_no_more() -> None:
    one = One(for_=5 * MINUTE)
    assert one.states(True, None, after=20 * MINUTE) == ["pending", "pending"]
    assert one.states(None, after=30 * MINUTE) == ["no_data"]
    assert one.states(True, True) == ["pending", "pending"]
    assert one.states(None, None, after=30 * MINUTE)[-1] == "no_data"
    assert one.states(False) == ["ok"]


def test_without_data_it_may_be_an_alert() -> None:
    one = One(on_no_data="alert")
    assert told(one.say(finding(False))) == []
    assert told([*one.say(None), *one.say(None, 30 * MINUTE)]) == [("state", "no_data")]
    assert told(one.say(None)) == []
    assert told(one.say(finding(False))) == [("state", "ok")]
    one.say(finding(False, ended=True))
    assert one.states(None, None, None, after=HOUR) == ["ok", "ok", "ok"]


def test_without_data_it_may_be_over() -> None:
    one = One(on_no_data="ok")
    one.say(finding())
    assert one.say(None) == []
    (over,) = one.say(None, 30 * MINUTE)
    assert (over.to_state, over.told, over.summary) == ("resolved", True, "no data for 30 min: taken as over")


def test_a_page_is_repeated_until_somebody_acknowledges_it() -> None:
    one = One()
    one.say(finding(severity="page"))
    made = [one.say(finding(severity="page"), 20 * MINUTE) for _ in range(6)]
    assert [told(each) for each in made] == 2 * [[], [], [("repeat", "firing")]]
    standing = one.standing
    one.standing = Standing(_acknowledged(standing.alert), standing.heard)
    assert [told(one.say(finding(severity="page"), HOUR)) for _ in range(3)] == [[], [], []]
    for _ in range(2):
        one.say(finding(False, severity="page"), 10 * MINUTE)
    assert one.alert.acknowledged_by is None


def test_a_warning_is_not_repeated_but_in_the_daily_digest() -> None:
    one = One()
    one.say(finding())
    assert [told(one.say(finding(), HOUR)) for _ in range(5)] == 5 * [[]]
    one.digest_at = one.now
    assert [told(one.say(finding(), HOUR)) for _ in range(5)] == [[("repeat", "firing")], *4 * [[]]]


def test_it_rises_at_once_and_falls_after_a_while() -> None:
    one = One()
    one.say(finding())
    assert told(one.say(finding(severity="page"))) == [("severity", "firing")]
    for _ in range(5):
        assert told([*one.say(finding()), *one.say(finding(severity="page"))]) == []
    assert told(one.say(finding())) == []
    assert told(one.say(finding(), 10 * MINUTE)) == [("severity", "firing")]
    assert one.alert.severity == "warning"


def test_flapping_is_one_message_then_one_in_an_hour() -> None:
    one = One(keep_firing_for=timedelta(0))
    spoken = [told(one.say(finding(number % 2 == 0), 5 * MINUTE)) for number in range(40)]
    assert spoken[:4] == [
        [("state", "firing")],
        [("state", "resolved")],
        [("state", "firing")],
        [("flapping", "resolved")],
    ]
    assert [index for index, each in enumerate(spoken) if each][3:] == [3, 15, 27, 39]
    assert one.alert.flapping_since == START + 20 * MINUTE
    made = [told(one.say(finding(False), 5 * MINUTE)) for _ in range(20)]
    assert [each for each in made if each] == [[("flapping", "resolved")]]
    assert one.alert.flapping_since is None
    assert told(one.say(finding())) == [("state", "firing")]


def test_a_page_that_fires_again_while_it_flaps_is_told_to_who_thinks_that_it_is_over() -> None:
    one = One(keep_firing_for=timedelta(0))
    spoken = [told(one.say(finding(number % 2 == 0, severity="page"), 5 * MINUTE)) for number in range(4)]
    assert spoken[-1] == [("flapping", "resolved")]
    assert told(one.say(finding(severity="page"), 5 * MINUTE)) == [("flapping", "firing")]
    spoken = [told(one.say(finding(number % 2 == 1, severity="page"), 5 * MINUTE)) for number in range(11)]
    assert [each for each in spoken if each] == []  # they know, and an hour is not over


def test_what_a_silence_held_back_is_told_when_it_ends_if_it_is_still_so() -> None:
    one = One()
    one.silenced_until = START + HOUR
    assert [(each.kind, each.told) for each in one.say(finding())] == [("state", False)]
    assert told(one.say(finding(severity="page"))) == []
    one.silenced_until = None
    assert told(one.say(finding(severity="page"))) == [("update", "firing")]


def test_nobody_hears_the_end_of_what_nobody_heard_of() -> None:
    one = One(keep_firing_for=timedelta(0))
    one.inhibited_by = "ro-1"
    made = [*one.say(finding()), *one.say(finding(False))]
    one.inhibited_by = None
    assert told([*made, *one.say(finding(False))]) == []


def test_whoever_heard_of_it_hears_its_end_in_spite_of_a_silence() -> None:
    one = One(keep_firing_for=timedelta(0))
    one.say(finding())
    one.silenced_until = START + HOUR
    assert told(one.say(finding(severity="page"))) == []
    assert told(one.say(finding(False))) == [("state", "resolved")]


def test_silence_and_inhibition_of_what_fires_are_on_record() -> None:
    one = One()
    one.say(finding())
    one.silenced_until, one.inhibited_by = START + HOUR, "ro-1"
    assert [each.kind for each in one.say(finding())] == ["silence", "inhibit"]
    one.silenced_until = START + 2 * HOUR
    assert one.say(finding()) == []
    one.silenced_until, one.inhibited_by = None, None
    assert [each.summary for each in one.say(finding())] == [
        "not silenced any more",
        "not held back any more",
    ]


def test_a_message_may_be_brought_up_to_date() -> None:
    one = One(update_every=HOUR)
    one.say(finding())
    made = [told(one.say(finding(), 30 * MINUTE)) for _ in range(4)]
    assert made == [[], [("update", "firing")], [], [("update", "firing")]]


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    one = One(for_=2 * MINUTE)
    one.say(finding())
    one.now -= 10 * HOUR
    assert one.states(True, True, True) == ["pending", "pending", "firing"]
    one.now -= 10 * HOUR
    one.say(finding(False))
    assert told(one.say(finding(False), 10 * MINUTE)) == [("state", "resolved")]
    assert one.states(True, True, True)[-1] == "firing"
    one.say(None)
    one.now -= 10 * HOUR
    assert told([*one.say(None), *one.say(None, 30 * MINUTE)]) == [("no_data", "firing")]


def test_a_pause_of_evaluations_is_not_time_in_which_it_was_so() -> None:
    one = One(for_=10 * MINUTE)
    one.say(finding())
    assert one.states(True, after=HOUR) == ["pending"]
    assert one.states(True, after=10 * MINUTE) == ["firing"]


def _acknowledged(alert: Alert) -> Alert:
    return replace(alert, acknowledged_by="ann", acknowledged_at=START)
