"""What a collector says about itself."""

from coalmine_consumers.collector.health import HealthRecord, Meter
from coalmine_consumers.sources.base import SourceLag

LAG = SourceLag(0)


def test_the_meter_averages_over_its_window() -> None:
    now = [0.0]
    meter = Meter(clock=lambda: now[0], window_s=10.0)
    assert meter.per_s() == 0.0
    now[0] = 2.0
    meter.add(100)
    assert meter.per_s() == 50.0
    now[0] = 10.0
    meter.add(100)
    assert meter.per_s() == 20.0
    now[0] = 12.5
    assert meter.per_s() == 10.0
    now[0] = 30.0
    assert meter.per_s() == 0.0


def test_a_trouble_of_one_activity_is_not_ended_by_another_that_works() -> None:
    record = HealthRecord()
    assert record.snapshot(LAG, catching_up=False).state == "starting"
    record.works("reading")
    record.fails("committing", "disk full")
    record.works("reading")
    health = record.snapshot(LAG, catching_up=False)
    assert (health.state, health.reason) == ("waiting", "committing: disk full")
    record.works("committing")
    health = record.snapshot(LAG, catching_up=False)
    assert (health.state, health.reason) == ("running", None)


def test_nothing_leads_out_of_failure() -> None:
    record = HealthRecord()
    record.set_state("failed", "broken")
    record.set_state("stopped")
    record.works("reading")
    health = record.snapshot(LAG, catching_up=False)
    assert (health.state, health.reason) == ("failed", "broken")


def test_a_source_that_lacks_a_part_of_the_events_is_not_well() -> None:
    record = HealthRecord()
    record.works("reading")
    lacking = SourceLag(0, {}, None, "the group has other members")
    health = record.snapshot(lacking, catching_up=False)
    assert (health.state, health.reason) == ("waiting", "the group has other members")
    assert record.snapshot(LAG, catching_up=False).state == "running"
