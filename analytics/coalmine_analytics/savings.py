"""What a change would have saved: another version by what it cost itself, another model by its prices.

Looks back rather than forward: the calls of the period, had they cost what the other costs. It takes for
granted that the other version would have been asked the same, and that the other model would have used the
same tokens; an experiment or an evaluation tells whether it does, and what it does to quality.
"""

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Final, Literal

from coalmine_analytics.results.savings import Saving
from coalmine_consumers.results import CostRow
from coalmine_schemas.prices import Cost, PriceTable

LEAST_REQUESTS: Final = 100
"""Fewer calls say little of what a version costs."""
MOST_VERSIONS: Final = 20
"""Versions whose changes are looked at: those that cost most."""
_Z95: Final = 1.959963984540054


def savings_of(versions: Sequence[CostRow], models: Sequence[str], prices: PriceTable) -> list[Saving]:
    """Returns changes of the costliest versions, those that save most first.

    Args:
        versions: What each version cost, the costliest first.
        models: To price; a name that has no price is left out.
        prices: What they cost.
    """
    costly = [each for each in versions if each.priced_requests >= LEAST_REQUESTS]
    found = []
    for each in costly[:MOST_VERSIONS]:
        found += [_to_version(each, to) for to in costly if to.prompt == each.prompt and to.name != each.name]
        found += [
            _to_model(each, model, cost)
            for model in dict.fromkeys(models)
            if model not in each.models and (cost := price_of(each, model, prices)) is not None
        ]
    return sorted(found, key=lambda each: (-each.saved_usd, each.prompt, each.version, each.to))


def price_of(version: CostRow, model: str, prices: PriceTable) -> Cost | None:
    """Returns what a mean call of a version would cost with a model; None where that is not known."""
    input_tokens, output_tokens = version.input_tokens_per_request, version.output_tokens_per_request
    if input_tokens is None or output_tokens is None:
        return None
    cached = version.cached_input_tokens_per_request or 0.0
    usage = {"input_tokens": input_tokens, "output_tokens": output_tokens, "cache_read_tokens": cached}
    return prices.cost(usage, models=(model,))


def unpriced(models: Iterable[str], prices: PriceTable) -> list[str]:
    """Returns those models of which no price is known."""
    return [model for model in dict.fromkeys(models) if prices.find(None, (model,), None) is None]


def _to_version(version: CostRow, to: CostRow) -> Saving:
    sds = version.cost_usd_per_request_sd, to.cost_usd_per_request_sd
    halfwidth = None
    if sds[0] is not None and sds[1] is not None:
        per_call = sqrt(sds[0] ** 2 / version.priced_requests + sds[1] ** 2 / to.priced_requests)
        halfwidth = _Z95 * per_call * version.priced_requests
    return _saving(version, "version", to.name or "", "measured", _mean(to), halfwidth, to.priced_requests)


def _to_model(version: CostRow, model: str, cost: Cost) -> Saving:
    return _saving(version, "model", model, cost.source, cost.nano_usd / 1e9, None, None)


def _saving(  # noqa: PLR0917 - what changes to what, then the figures
    version: CostRow,
    change: Literal["version", "model"],
    to: str,
    basis: Literal["measured", "price_list", "own_prices"],
    to_usd: float,
    halfwidth: float | None,
    to_requests: int | None,
) -> Saving:
    saved = (_mean(version) - to_usd) * version.priced_requests
    return Saving(
        prompt=version.prompt or "",
        version=version.name or "",
        change=change,
        to=to,
        basis=basis,
        requests=version.priced_requests,
        to_requests=to_requests,
        cost_usd=version.cost_usd or 0.0,
        cost_usd_per_request=_mean(version),
        to_cost_usd_per_request=to_usd,
        saved_usd=saved,
        saved_lower_usd=None if halfwidth is None else saved - halfwidth,
        saved_upper_usd=None if halfwidth is None else saved + halfwidth,
    )


def _mean(version: CostRow) -> float:
    return version.cost_usd_per_request or 0.0
