"""Experiments drawn from a seed: sums of unit groups as the store would hold them, look after look."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from coalmine_consumers.experiments import UNIT_GROUPS, ExperimentSums

ARMS = ("canary", "control")
METRICS = ("cost_uncached_nano_usd.capped", "errors", "latency_ms.capped", "quality", "requests")


@dataclass(frozen=True, slots=True)
class Service:
    """How a simulated service behaves; effects are those of the canary."""

    canary_share: float = 0.05
    units_per_look: int = 400
    looks: int = 25
    quality: float = 0.8
    quality_effect: float = 0.0
    """Relative."""
    error_rate: float = 0.03
    error_effect: float = 0.0
    """Absolute."""
    drift: float = 0.0
    """Quality gained from the first to the last look, in both arms."""
    ramp_to: float | None = None
    """The canary's share in a second epoch that begins half-way."""


def looks(service: Service, seed: int) -> Iterator[ExperimentSums]:
    """Cumulative sums at each look."""
    random = np.random.default_rng(seed)
    epochs = (1,) if service.ramp_to is None else (1, 2)
    shape = (len(epochs), len(ARMS), UNIT_GROUPS)
    x = np.zeros((len(METRICS), *shape))
    y = np.zeros((len(METRICS), *shape))
    units = np.zeros(shape, np.int64)
    for number in range(service.looks):
        late = service.ramp_to is not None and number >= service.looks // 2
        share = service.ramp_to if late and service.ramp_to is not None else service.canary_share
        count = service.units_per_look
        arm = (random.random(count) >= share).astype(int)
        group = random.integers(0, UNIT_GROUPS, count)
        requests = 1 + random.poisson(1.5, count)
        values = _unit_sums(random, service, arm, requests, number / service.looks)
        at = (np.full(count, int(late)), arm, group)
        np.add.at(units, at, 1)
        for row, name in enumerate(METRICS):
            np.add.at(x[row], at, requests)
            np.add.at(y[row], at, values[name])
        first = units.sum(axis=-1)
        yield ExperimentSums(
            "simulated", METRICS, epochs, ARMS, x.copy(), y.copy(), units.copy(), number + 1, first
        )


def _unit_sums(
    random: np.random.Generator,
    service: Service,
    arm: npt.NDArray[np.int64],
    requests: npt.NDArray[np.int64],
    time: float,
) -> Mapping[str, npt.NDArray[np.float64]]:
    """Sums over the requests of each unit: its requests share a level of quality and of latency."""
    canary = arm == 0
    base = service.quality + service.drift * time
    mean = np.where(canary, base * (1 + service.quality_effect), base)
    level = np.clip(random.normal(mean, 0.08), 0, 1)
    rate = np.where(canary, service.error_rate + service.error_effect, service.error_rate)
    return {
        "requests": requests.astype(np.float64),
        "errors": random.binomial(requests, rate).astype(np.float64),
        "quality": requests * level + random.normal(0, 0.1 * np.sqrt(requests)),
        "latency_ms.capped": requests * random.lognormal(6, 0.5, len(arm)),
        "cost_uncached_nano_usd.capped": requests * random.lognormal(13, 0.7, len(arm)),
    }


def shuffled(sums: ExperimentSums, seed: int) -> ExperimentSums:
    """The same data with unit groups in another order."""
    order = np.random.default_rng(seed).permutation(UNIT_GROUPS)
    return replace(sums, x=sums.x[..., order], y=sums.y[..., order], units=sums.units[..., order])
