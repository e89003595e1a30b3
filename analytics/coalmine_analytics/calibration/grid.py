"""The acceptance grid: cells in which the statistics must hold and the shortcuts must fail."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from coalmine_analytics.calibration.acceptance import Acceptance
from coalmine_analytics.calibration.decided import Contradiction, Explosion, FirstExposures
from coalmine_analytics.calibration.drift_days import drift_cells
from coalmine_analytics.calibration.false_alarms import FalseAlarms
from coalmine_analytics.calibration.families import Family, Relative
from coalmine_analytics.calibration.harm import FalseHarm, FoundHarm
from coalmine_analytics.calibration.methods import (
    ALPHA,
    IndependentEpochs,
    MakeShortcut,
    PeekingT,
    PlainAsymptotic,
    PooledRamp,
    PooledVariance,
    RequestLevel,
)
from coalmine_analytics.calibration.pairs import pairs_cells
from coalmine_analytics.calibration.populations import (
    Population,
    bernoulli,
    beta,
    capped_cost,
    lognormal,
    normal,
    shifted,
    zero_inflated,
)
from coalmine_analytics.calibration.sample_ratio import SampleRatio
from coalmine_analytics.calibration.stopping_time import Detection, Stopping
from coalmine_analytics.calibration.traffic import HeavyUnit, Ramp, Returning, Single, Stages
from coalmine_analytics.calibration.trial import Trial

SPLITS: Mapping[str, float] = {"50/50": 0.5, "5/95": 0.05, "1/99": 0.01}
"""Share of treatment."""


@dataclass(frozen=True, slots=True)
class Size:
    """Amount of simulation."""

    replications: int
    looks: int
    per_look: int
    """Requests between looks, of cells without an effect."""
    least_50_50: float
    """Least rate of false alarms in a 50/50 cell, as proof that it can fail."""
    everything: bool
    """Also the cells that differ little from others, and those beyond what is promised."""


FULL = Size(replications=4_000, looks=500, per_look=100, least_50_50=0.01, everything=True)
REDUCED = Size(replications=500, looks=100, per_look=100, least_50_50=0.002, everything=False)
"""Seconds rather than minutes: most cells, fewer looks, an eighth of the replications."""

# How large an effect each metric is sharpest at, in standard deviations: smaller where a change of 0.2 of
# them would be several times the mean.
_ALIKE: tuple[tuple[Population, float], ...] = (
    (bernoulli(0.005), 0.05),
    (bernoulli(0.03), 0.1),
    (bernoulli(0.3), 0.1),
    (beta(8, 2), 0.2),
    (lognormal(1.5), 0.05),
    (lognormal(2.0), 0.02),
    (zero_inflated(0.1, 1.0), 0.1),
    (capped_cost(1.5, 1.5), 0.1),
)
_COST = capped_cost(1.0, 1.0)
_UNEQUAL: tuple[tuple[Population, Population], ...] = (
    (normal(0, 1), normal(0, 3)),
    (normal(0, 3), normal(0, 1)),
    (beta(8, 2), beta(6, 1.5)),
    (beta(6, 1.5), beta(8, 2)),
    (beta(5, 5), beta(2, 2)),
    (_COST, capped_cost(1.25, 1.0, _COST.mean)),
)
_BEYOND: tuple[tuple[Population, Population], ...] = (
    (beta(8, 2), beta(2, 0.5)),
    (beta(8, 2), beta(0.8, 0.2)),
    (_COST, capped_cost(1.5, 1.0, _COST.mean)),
    (lognormal(0.5), lognormal(1.5)),
)

_PEEKING: dict[str, tuple[MakeShortcut, float]] = {"t-test at every look": (PeekingT, 0.25)}
_PLAIN: dict[str, tuple[MakeShortcut, float]] = {"plain asymptotic sequence": (PlainAsymptotic, 0.10)}
_REQUESTS: dict[str, tuple[MakeShortcut, float]] = {"variance over requests": (RequestLevel, 0.20)}
_POOLED: dict[str, tuple[MakeShortcut, float]] = {"pooled ramp": (PooledRamp, 0.90)}
_INDEPENDENT: dict[str, tuple[MakeShortcut, float]] = {"epochs as if independent": (IndependentEpochs, 0.06)}
_ONE_SHAPE: dict[str, tuple[MakeShortcut, float]] = {"pooled variance alone": (PooledVariance, 0.10)}


def grid(*, full: bool) -> list[Trial]:
    """Every cell, each with a name of its own.

    Args:
        full: 4,000 replications of 500 looks, as the statistics were accepted; else the reduced form.
    """
    size = FULL if full else REDUCED
    return [
        *_alike(size),
        *_unequal(size),
        *_clustered(size),
        *_ramps(size),
        *_coverage(size),
        *_acceptance(size),
        *_harm(size),
        *_effects(),
        *_sample_ratio(size),
        *_built_on_the_core(size),
        *_decided(),
        *drift_cells(everything=size.everything),
        *pairs_cells(everything=size.everything),
        *(_beyond(size) if size.everything else ()),
    ]


def size_of(*, full: bool) -> Size:
    """Amount of simulation in a form of the grid."""
    return FULL if full else REDUCED


def _alike(size: Size) -> Iterator[Trial]:
    for population, widths in _ALIKE:
        for split, share in SPLITS.items():
            controls = _PEEKING if split == "50/50" else {}
            if split == "5/95" and population.name.startswith("lognormal"):
                controls = _PLAIN
            even = split == "50/50"
            yield FalseAlarms(
                f"{population.name}, {split}",
                Single(population, population, share, size.per_look, size.looks),
                mde=widths * population.sd,
                controls=controls,
                at_least=size.least_50_50 if even else 0.0,
                limit=0.04 if even else ALPHA,
            )


def _unequal(size: Size) -> Iterator[Trial]:
    for control, treatment in _UNEQUAL:
        for split, share in SPLITS.items():
            if not size.everything and split == "1/99":
                continue
            one_shape = control.name == "normal" and control.sd < treatment.sd and split == "5/95"
            yield FalseAlarms(
                f"{_against(treatment, control)}, {split}",
                Single(control, treatment, share, size.per_look, size.looks),
                mde=0.2 * control.sd,
                controls=_ONE_SHAPE if one_shape else {},
            )


def _against(treatment: Population, control: Population) -> str:
    if control.name == "normal":
        return f"normal, sd {treatment.sd:g} against {control.sd:g}"
    return f"{treatment.name} against {control.name}"


def _clustered(size: Size) -> Iterator[Trial]:
    for kind, mde in (("rate", 0.05), ("quality", 0.02)):
        for split, share in SPLITS.items():
            if not size.everything and split != "5/95":
                continue
            returning = Returning(kind, (share,), size.per_look, size.looks)
            yield FalseAlarms(f"returning users, {kind}, {split}", returning, mde=mde)
            if split != "1/99":
                loyal = replace(returning, active=1_000, leaving=3)
                yield FalseAlarms(f"loyal users, {kind}, {split}", loyal, mde=mde, controls=_REQUESTS)


def _ramps(size: Size) -> Iterator[Trial]:
    stages: tuple[float, ...] = (0.05, 0.25, 0.5)
    drifting = Ramp(stages, 0.2, 0.5, size.per_look, size.looks)
    yield FalseAlarms("ramp 5-25-50 with drift", drifting, mde=0.05, controls=_POOLED)
    for kind, mde in (("rate", 0.05), ("quality", 0.02)):
        loyal = Returning(kind, stages, size.per_look, size.looks, drift=0.1, active=1_000, leaving=3)
        yield FalseAlarms(f"ramp 5-25-50 with drift, loyal users, {kind}", loyal, mde=mde)
    for name, stages in (
        ("ten steps of 5 %", tuple(0.05 * step for step in range(1, 11))),
        ("50 % published five times", (0.5,) * 5),
    ):
        loyal = Returning("quality", stages, size.per_look, size.looks, active=1_000, leaving=3)
        yield FalseAlarms(f"{name}, loyal users", loyal, mde=0.02, controls=_INDEPENDENT)


def _coverage(size: Size) -> Iterator[Trial]:
    for control, treatment, mde in (
        (bernoulli(0.03), bernoulli(0.05), 0.02),
        (bernoulli(0.3), bernoulli(0.4), 0.05),
        (beta(8, 2), shifted(beta(8, 2), -0.05), 0.024),
        (_COST, shifted(_COST, 0.3), 0.1),
    ):
        for split in SPLITS:
            if size.everything or split == "5/95":
                trial = _true_effect(control, treatment, split, size, mde)
                yield replace(trial, cell=f"coverage of {trial.cell}", sides=("two-sided",))
    # Falsely called acceptable, or falsely rolled back, exactly at the margin or the tolerance.
    for control, treatment, mde in (
        (bernoulli(0.03), bernoulli(0.04), 0.02),
        (beta(8, 2), shifted(beta(8, 2), -0.024), 0.024),
    ):
        trial = _true_effect(control, treatment, "5/95", size, mde)
        yield replace(trial, cell=f"at a margin of {trial.cell}", sides=("greater", "less"))


def _acceptance(size: Size) -> Iterator[Trial]:
    # Control's rate, share of treatment, requests of a unit, how often the shortcut must be seen to accept.
    for rate, share, per_unit, reaches in (
        (0.0005, 0.05, 1, 0.25),
        (0.002, 0.05, 1, 0.15),
        (0.01, 0.05, 1, None),
        (0.03, 0.05, 1, None),
        (0.001, 0.25, 1, 0.10),
        (0.0005, 0.5, 1, 0.06),
        (0.0005, 0.05, 5, 0.15),
    ):
        if size.everything or (share, per_unit) != (0.05, 1) or reaches:
            traffic = Single(
                bernoulli(rate), bernoulli(rate + 0.01), share, size.per_look, size.looks, per_unit
            )
            once = "" if per_unit == 1 else f", {per_unit} requests a unit"
            cell = f"worse by a margin of 0.01: rate {rate:g}, {share:.0%}{once}"
            yield Acceptance(cell, traffic, mde=0.02, better=-1.0, margin=0.01, seen_reaches=reaches)
    passing = Single(bernoulli(0.995), bernoulli(0.965), 0.05, size.per_look, size.looks)
    cell = "worse by a margin of 0.03: 99.5 % pass, 5%"
    yield Acceptance(cell, passing, mde=0.03, better=1.0, margin=0.03, seen_reaches=0.15)
    half = Single(bernoulli(0.01), bernoulli(0.015), 0.5, size.per_look, size.looks)
    cell = "worse by a margin of half of the rate 0.01, 50%"
    yield Acceptance(cell, half, mde=0.005, better=-1.0, margin=0.5, first_reaches=0.15)


def _harm(size: Size) -> Iterator[Trial]:
    for split, share, reaches in (("25/75", 0.25, 0.05), ("5/95", 0.05, None)):
        if size.everything or reaches:
            heavy = HeavyUnit(share, 0.3, size.per_look, size.looks)
            cell = f"one unit makes 30 % of the requests, {split}"
            yield FalseHarm(cell, heavy, mde=0.02, one_process_reaches=reaches)
    for borders in (1, 5, 30):
        if size.everything or borders == 5:
            looks = min(size.looks, 4 * borders) if borders > 5 else size.looks
            loyal = Returning("quality", (0.5,) * borders, size.per_look, looks, active=1_000, leaving=3)
            yield FalseHarm(f"harm looked for from {borders} borders on, loyal users", loyal, mde=0.02)
    same, worse = normal(0, 1), normal(-0.2, 1)
    # The price of looking for late harm and of not trusting one unit, and what it buys.
    at_once = Stages(same, (worse,), 0.5, 8, 300)
    yield FoundHarm("harm of 0.2 sd from the start", at_once, mde=0.2, begins=0, limit=1.6)
    late = Stages(same, (same,) * 5 + (worse,) * 5, 0.5, 100, 100)
    yield FoundHarm("harm of 0.2 sd after five good stages", late, mde=0.2, begins=50, limit=0.7)


def _true_effect(
    control: Population, treatment: Population, split: str, size: Size, mde: float
) -> FalseAlarms:
    effect = treatment.mean - control.mean
    traffic = Single(control, treatment, SPLITS[split], size.per_look, size.looks)
    return FalseAlarms(f"{effect:+.3g}, {control.name}, {split}", traffic, mde=mde, effect=effect)


def _effects() -> Iterator[Trial]:
    # The looks are a hundredth of the fixed number apart, whatever the size of the grid.
    yield Stopping(
        "effect of 0.2 sd, 50/50", Single(normal(0, 1), normal(0.2, 1), 0.5, 8, 400), 0.2, limit=1.15
    )
    yield Stopping(
        "effect of 0.2 sd, 5/95", Single(normal(0, 1), normal(0.2, 1), 0.05, 41, 400), 0.2, limit=1.25
    )
    returning = Returning(
        "quality", (0.05,), 120, 400, effect=0.02, active=300, leaving=90, activity_sigma=0.8
    )
    # Users of unequal activity are fewer than they look: some 3.5 % still wait at three times n.
    yield Stopping(
        "effect of 0.2 sd, returning users, 5/95", returning, 0.02, limit=1.30, missed_at_three_times=0.05
    )
    for rate, most in ((0.09, 300.0), (0.2, 100.0)):
        yield Detection(
            f"errors 3 % to {round(100 * rate)} %",
            Single(bernoulli(0.03), bernoulli(rate), 0.05, 20, 1_200),
            mde=0.02,
            limit=most,
        )


def _sample_ratio(size: Size) -> Iterator[Trial]:
    for split, share in SPLITS.items():
        yield SampleRatio(f"sample ratio {split}", share, share, size.per_look, size.looks)
    yield SampleRatio("sample ratio 4.5 % for 5 %", 0.05, 0.045, 400, 500, limit=1.2)


def _built_on_the_core(size: Size) -> Iterator[Trial]:
    six = (bernoulli(0.03), bernoulli(0.3), beta(8, 2), normal(0, 1), _COST, zero_inflated(0.1, 1.0))
    yield Family("six metrics", six, 0.5, size.per_look, 100, uncorrected_reaches=0.08)
    quadruple = Single(bernoulli(0.03), bernoulli(0.12), 0.5, 50, 60)
    yield Relative("four times a rate of 0.03", quadruple, mde=0.02, delta_method_reaches=0.08)


def _decided() -> Iterator[Trial]:
    # Half a per cent of a quality of .8 with a standard deviation of .12; margins of 3 %.
    yield Contradiction("within the margin", -0.033, 0.2, 250, 120, contradiction_reaches=0.5)
    yield FirstExposures(
        "canary users return half as often", 5_000, 2, (0.35, 0.7), counted_again_reaches=0.9
    )
    yield FirstExposures("ten epochs of loyal users", 5_000, 10, (0.9, 0.9), 0.05)
    yield Explosion("1 % of requests at 100 times the cost", 1.0, 1_000, 100, capped_reaches=0.5)


def _beyond(size: Size) -> Iterator[Trial]:
    for control, treatment in _BEYOND:
        for split, share in SPLITS.items():
            if split != "1/99":
                yield FalseAlarms(
                    f"{_against(treatment, control)}, {split}",
                    Single(control, treatment, share, size.per_look, size.looks),
                    mde=0.2 * control.sd,
                    role="beyond",
                )
    for control, treatment in ((bernoulli(0.03), bernoulli(0.06)), (bernoulli(0.03), bernoulli(0.09))):
        trial = _true_effect(control, treatment, "5/95", size, 0.02)
        yield replace(trial, cell=f"coverage of {trial.cell}", role="beyond")
