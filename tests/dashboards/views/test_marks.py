"""Marks of deployments on charts."""

from datetime import UTC, datetime, timedelta

from coalmine_consumers.results import DeploymentMark, MarkExperiment
from coalmine_dashboards.views.charts import draw
from coalmine_dashboards.views.marks import mark_points
from coalmine_dashboards.views.panels import PANELS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def mark(minute: int, *experiments: tuple[str, str | None]) -> DeploymentMark:
    return DeploymentMark(
        event_time=NOON + timedelta(minutes=minute),
        environment="prod",
        prompt="greet",
        revision=minute + 1,
        version=f"1.{minute}.0",
        experiments=[MarkExperiment(name, rule, 1, []) for name, rule in experiments],
        action="promote",
        changed_by="bob",
        reason=None,
        rollout=None,
        rollout_decision=None,
    )


def test_a_mark_says_what_is_served_from_then_on() -> None:
    (version, experiment) = mark_points([mark(1), mark(2, ("tone", None))], None, with_prompt=False)
    assert (version["label"], experiment["label"]) == ("1.1.0", "tone")
    assert version["time"] == (NOON + timedelta(minutes=1)).timestamp() * 1000
    assert (version["what"], version["who"]) == ("prod: promote greet 1.1.0", "bob")
    (both, of_rule) = mark_points(
        [mark(1, ("tone", None), ("warm", "german")), mark(2, ("warm", "german"))], None, with_prompt=False
    )
    assert (both["what"], of_rule["what"]) == (
        "prod: promote greet tone, warm (german)",
        "prod: promote greet 1.2.0, warm (german)",
    )
    (named,) = mark_points([mark(1)], None, with_prompt=True)
    assert named["label"] == "greet 1.1.0"


def test_marks_outside_the_axis_do_not_stretch_it() -> None:
    ends = (NOON + timedelta(minutes=2), NOON + timedelta(minutes=3))
    found = mark_points([mark(minute) for minute in range(6)], ends, with_prompt=False)
    assert [point["what"] for point in found] == ["prod: promote greet 1.2.0", "prod: promote greet 1.3.0"]


def test_labels_neither_overprint_one_another_nor_the_edge() -> None:
    ends = (NOON, NOON + timedelta(minutes=100))
    found = mark_points([mark(minute) for minute in (0, 5, 11, 30, 98)], ends, with_prompt=False)
    assert [point["label"] for point in found] == ["1.0.0", "", "", "1.30.0", ""]


def test_charts_draw_a_rule_for_each_and_new_ones_leave_the_specification_as_it_is() -> None:
    for panel in PANELS:
        none, one, two = (
            draw(
                panel,
                [],
                {},
                step="minute",
                mode="light",
                with_prompt=False,
                marks=mark_points(map(mark, range(number)), None, with_prompt=False),
            )
            for number in range(3)
        )
        assert [len(chart.data["marks"]) for chart in (one, two)] == [1, 2]
        assert one.spec is two.spec  # made once
        assert "'type': 'rule'" in str(one.spec)
        assert "marks" not in none.data
        assert "'type': 'rule'" not in str(none.spec)


def test_labels_stand_above_the_curves() -> None:
    marks = mark_points([mark(1)], None, with_prompt=False)
    for panel in PANELS:
        chart = draw(panel, [], {}, step="minute", mode="light", with_prompt=False, marks=marks)
        (text,) = [layer for layer in chart.spec["layer"] if layer["mark"]["type"] == "text"]
        assert text["mark"]["baseline"] == "bottom"
        assert text["encoding"]["y"]["value"] < 0
