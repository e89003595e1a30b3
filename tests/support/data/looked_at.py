"""What readouts under test are made with: a clock that moves when told, and plans that count looks."""

from datetime import UTC, datetime, timedelta

from coalmine_analytics.readout import Plan


class SetClock:
    """A clock that moves only when told.

    Args:
        now: Its time.
    """

    def __init__(self, now: datetime = datetime(2026, 3, 11, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        """Let time pass: arguments of `timedelta`."""
        self.now += timedelta(**by)


class CountedPlans:
    """One plan for all; knows how often it was asked, which is once a look."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.looks = 0

    def plan_of(self, experiment: str) -> Plan:
        """See `ExperimentPlans.plan_of`."""
        self.looks += 1
        return self.plan
