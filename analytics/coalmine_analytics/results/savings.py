"""What a change of version or model would have saved."""

from datetime import datetime
from typing import Literal

from coalmine_schemas.results import result


@result
class Saving:
    """One change, against what one version of a prompt cost in the period."""

    prompt: str
    """Name of the prompt."""
    version: str
    """Version that was asked."""
    change: Literal["version", "model"]
    """What would be another."""
    to: str
    """The other version or model."""
    basis: Literal["measured", "price_list", "own_prices"]
    """`measured`: the other version's own calls. Otherwise prices, for the tokens that this version used."""
    requests: int
    """Calls of this version whose cost is known."""
    to_requests: int | None
    """Calls of the other version whose cost is known; null for prices."""
    cost_usd: float
    """US dollars that these calls cost."""
    cost_usd_per_request: float
    """US dollars; a mean over these calls."""
    to_cost_usd_per_request: float
    """US dollars; a mean of the other version, or the price of a mean call."""
    saved_usd: float
    """US dollars that the change would have saved in the period; negative: it costs more."""
    saved_lower_usd: float | None
    """Lower end of its 95 % interval, as if calls were independent; null for prices, which do not vary."""
    saved_upper_usd: float | None
    """Upper end of it."""


@result
class Savings:
    """Changes, those that save most first."""

    since: datetime | None
    """Calls from then on count; null: all."""
    until: datetime | None
    """Calls before then count; null: all."""
    items: list[Saving]
    """Changes of the versions that cost most."""
    unpriced: list[str]
    """Models asked for of which no price is known."""
