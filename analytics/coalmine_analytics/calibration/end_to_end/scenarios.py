"""The scenarios of whole rollouts: services as they are, and versions that are equal, worse or bad."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from coalmine_analytics.calibration.end_to_end.service import Change, Service, dearer, slower
from coalmine_analytics.calibration.end_to_end.trials import AtMargin, Equal, Found, Old, WithinMargin
from coalmine_analytics.calibration.trial import Trial
from coalmine_analytics.metrics import MetricOverride, Size
from coalmine_analytics.readout import Plan

REPLICATIONS: Mapping[bool, int] = {True: 200, False: 2}
"""Of the full form, and of the reduced one."""

_MIXED = Service()
_LOYAL = Service(loyal=1.0, loyal_users=1_000)
_STEPS = Service(season=0.05, hours=11.0, stages=tuple((0.05 * step, 1.0) for step in range(1, 11)))
_BUSY = Service(per_s=10.0, hours=3.0, loyal_users=100_000)
_LATE = replace(_BUSY, hours=4.0, delays_min=(60.0, 10.0))

SERVICES: Mapping[str, Service] = {
    "mixed users": _MIXED,
    "loyal users": _LOYAL,
    "seasons": Service(season=0.05),
    "incidents in both arms": Service(incidents=4),
    "three days of seasons and incidents": Service(hours=72.0, season=0.05, incidents=12),
    "ten steps of 5 %, loyal users": replace(_LOYAL, hours=11.0, stages=_STEPS.stages),
    "feedback after 60 min, in the canary after 30": Service(delays_min=(60.0, 30.0)),
    "one user with 30 % of the traffic": Service(heavy=0.3),
    "twenty bots with 1 % of the traffic each": Service(bots=20),
    "errors of 0.1 %": Service(errors=0.001),
    "90 % pass": Service(passing=0.9),
    "99.5 % pass": Service(passing=0.995),
}
"""All at 1 request a second."""

# Each with the behaviour that was replaced.
_EQUAL: tuple[tuple[str, Service, Old], ...] = (
    ("ten steps of 5 %, seasons", _STEPS, Old("epochs pooled", replace(_STEPS, pooled=True), 0.5)),
    (
        "10 requests a second, feedback after 60 min, in the canary after 10",
        _LATE,
        Old("feedback as it comes", replace(_LATE, waits=False), 0.5),
    ),
)
_NO_TOLERANCE = Old(
    "tolerance 0", _BUSY, 0.5, Plan(overrides={"quality": MetricOverride(tolerance=Size(0.0))})
)
_WORSE_QUALITY = Change(quality=0.97)

# The least share to be accepted, within so many hours; nothing is promised for little traffic.
_PACES: tuple[tuple[float, float, tuple[float, float] | None], ...] = (
    (0.1, 24.0, None),
    (0.3, 24.0, (24.0, 0.8)),
    (10.0, 3.0, (3.0, 0.95)),
    (100.0, 1.0, (1.0, 0.95)),
)
_BAD: tuple[tuple[str, Service, Change, float], ...] = (
    ("quality -3 %", _MIXED, _WORSE_QUALITY, 8.0),
    ("quality -5 %", _MIXED, Change(quality=0.95), 3.0),
    ("quality -10 %", _MIXED, Change(quality=0.90), 1.0),
    ("cost +20 %", _MIXED, Change(cost=1.2), 12.0),
    ("latency +30 %", _MIXED, Change(latency=1.3), 4.0),
    ("errors 0.1 to 1 %", SERVICES["errors of 0.1 %"], Change(errors=0.009), 12.0),
    ("errors 1 to 3 %", _MIXED, Change(errors=0.02), 8.0),
)
_REDUCED = (
    "equal version: 10 requests a second, feedback after 60 min, in the canary after 10",
    "equal version at 10 requests a second",
    "worse by the margin of quality: mixed users",
    "worse by the margin of errors: errors of 0.1 %",
    "within the margin: quality -0.9 %, 10 requests a second",
    "bad version: quality -10 %",
    "bad version: latency +30 %",
)


def scenarios(*, full: bool) -> list[Trial]:
    """Every cell, each with a name of its own.

    Args:
        full: All; else those that take seconds.
    """
    return [trial for trial in _scenarios() if full or trial.cell in _REDUCED]


def _scenarios() -> Iterator[Trial]:
    for name, service in SERVICES.items():
        accepted = (6.0, 0.95) if service is _MIXED else None
        yield Equal(cell=f"equal version: {name}", service=service, accepted=accepted)
    for name, service, old in _EQUAL:
        yield Equal(cell=f"equal version: {name}", service=service, old=old)
    for per_s, hours, accepted in _PACES:
        paced = Service(per_s=per_s, hours=hours, loyal_users=int(10_000 * per_s))
        yield Equal(cell=f"equal version at {per_s:g} requests a second", service=paced, accepted=accepted)
    for name, service in SERVICES.items():
        yield AtMargin(cell=f"worse by the margin of quality: {name}", service=service, change=_WORSE_QUALITY)
    for metric, change, names in (
        ("errors", Change(errors=0.01), ("mixed users", "errors of 0.1 %", "incidents in both arms")),
        ("refusals", Change(refusals=0.01), ("mixed users",)),
        ("cost", dearer(1.1), ("mixed users", "loyal users")),
        ("latency", slower(1.1), ("mixed users", "seasons")),
    ):
        for name in names:
            yield AtMargin(
                cell=f"worse by the margin of {metric}: {name}", service=SERVICES[name], change=change
            )
    within = "within the margin: quality -0.9 %, 10 requests a second"
    yield WithinMargin(cell=within, service=_BUSY, change=Change(quality=0.991), old=_NO_TOLERANCE)
    for name, service, change, within_h in _BAD:
        yield Found(cell=f"bad version: {name}", service=service, change=change, within_h=within_h)
