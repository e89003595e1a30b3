"""The people behind the calls: a few use a service all day, most hardly ever."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from coalmine_simulator.errors import InvalidConfig

if TYPE_CHECKING:
    import random

__all__ = ["Country", "Population", "Tier", "User", "Users"]

_MOST_ACTIVE = 100.0
"""Bound on activity before the tier's factor: without it one user can be a tenth of all traffic, and
no experiment can balance that."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A plan that users are on."""

    name: str
    share: float
    activity_factor: float = 1.0
    """How much more often these users come than others."""


@dataclass(frozen=True, slots=True)
class Country:
    """Where users are, and what they speak."""

    code: str
    language: str
    share: float


@dataclass(frozen=True, slots=True)
class Population:
    """How many users there are and how they differ."""

    users: int = 2000
    activity_exponent: float = 1.4
    """Tail of the Pareto distribution of activity: the smaller, the more a few users dominate."""
    taste_spread: float = 0.03
    """Standard deviation between users of how well answers suit them (added to quality)."""
    tiers: tuple[Tier, ...] = (
        Tier("free", 0.70),
        Tier("pro", 0.24, 2.0),
        Tier("enterprise", 0.06, 4.0),
    )
    countries: tuple[Country, ...] = (
        Country("US", "en", 0.38),
        Country("GB", "en", 0.14),
        Country("DE", "de", 0.16),
        Country("FR", "fr", 0.12),
        Country("BR", "pt", 0.11),
        Country("JP", "ja", 0.09),
    )

    def __post_init__(self) -> None:
        if self.users < 1:
            raise InvalidConfig("users", self.users, "at least 1")
        if not self.activity_exponent > 0:
            raise InvalidConfig("activity_exponent", self.activity_exponent, "a number above 0")
        if not 0 <= self.taste_spread < 0.3:
            raise InvalidConfig("taste_spread", self.taste_spread, "a number from 0 up to 0.3")
        if not self.tiers or not self.countries:
            raise InvalidConfig("tiers", self.tiers, "at least one tier and one country")


@dataclass(frozen=True, slots=True)
class User:
    """One user; the unit that experiments assign."""

    unit_id: str
    activity: float
    """How often they come, relative to the others."""
    taste: float
    """Added to the quality of everything they get."""
    segments: tuple[tuple[str, str], ...]
    """Sorted pairs of segment name and value."""


class Users:
    """All users of a simulation, drawn once; `pick` draws one in proportion to activity."""

    def __init__(self, population: Population, rng: random.Random) -> None:
        tiers = population.tiers
        countries = population.countries
        tier_shares = [tier.share for tier in tiers]
        country_shares = [country.share for country in countries]
        self.everyone: tuple[User, ...] = tuple(
            _user(
                number,
                rng.choices(tiers, tier_shares)[0],
                rng.choices(countries, country_shares)[0],
                activity=min(rng.paretovariate(population.activity_exponent), _MOST_ACTIVE),
                taste=rng.gauss(0.0, population.taste_spread),
            )
            for number in range(population.users)
        )
        self._ends = list(accumulate(user.activity for user in self.everyone))

    def pick(self, rng: random.Random) -> User:
        """One user, the active ones more often."""
        place = bisect_right(self._ends, rng.random() * self._ends[-1])
        return self.everyone[min(place, len(self.everyone) - 1)]


def _user(number: int, tier: Tier, country: Country, *, activity: float, taste: float) -> User:
    return User(
        unit_id=f"user-{number:05d}",
        activity=activity * tier.activity_factor,
        taste=taste,
        segments=(("country", country.code), ("language", country.language), ("tier", tier.name)),
    )
