"""What requests will cost: a guess before they are sent, and the most that they can cost."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coalmine_evals.providers.provider import Request
from coalmine_schemas.prices import PriceTable

_CHARS_PER_TOKEN: Final = 4.0
"""Of English prose; other languages and code have fewer."""
_FEWEST_CHARS_PER_TOKEN: Final = 2.5
_PER_MESSAGE: Final = 8
_USUAL_OUTPUT: Final = 300
USUAL_ANSWER: Final = "x" * int(_USUAL_OUTPUT * _CHARS_PER_TOKEN)
"""As long as an answer usually is: what judges will be asked about."""
_LARGEST_OUTPUT: Final = 2_000
"""Where nothing limits it. Models may write more, which is counted when it has been paid."""
_LIMITS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will cost."""

    asked: int
    """Answers that have to be paid for."""
    known: int
    """Answers that are there already."""
    nano_usd: int | None
    """About what it costs; None if the price of a model is not known."""
    unpriced: tuple[str, ...]
    """Models whose price is not known."""
    judged: int = 0
    """Questions to judges among what it costs: at most so many, as some may have been paid for."""

    def with_judges(self, one: "Estimate", times: int) -> "Estimate":
        """Returns this with what judges are asked: what `one` costs, so many times."""
        both = None if self.nano_usd is None or one.nano_usd is None else self.nano_usd + one.nano_usd * times
        unpriced = tuple(dict.fromkeys((*self.unpriced, *one.unpriced)))
        return Estimate(self.asked, self.known, both, unpriced, self.judged + one.asked * times)


def estimate(requests: Iterable[Request], known: int, prices: PriceTable) -> Estimate:
    """Adds up what requests will cost.

    Args:
        requests: Those that have to be paid for.
        known: Answers that are there already.
        prices: Prices.
    """
    asked, total = 0, 0
    unpriced: dict[str, None] = {}
    for request in requests:
        asked += 1
        output = min(_output_limit(request) or _USUAL_OUTPUT, _USUAL_OUTPUT)
        cost = _cost(request, prices, _CHARS_PER_TOKEN, output)
        if cost is None:
            unpriced[request.model] = None
        total += cost or 0
    return Estimate(asked, known, None if unpriced else total, tuple(unpriced))


def largest_nano_usd(request: Request, prices: PriceTable) -> int | None:
    """Returns about the most that an answer can cost; None if the price of the model is not known."""
    output = _output_limit(request) or _LARGEST_OUTPUT
    found = _cost(request, prices, _FEWEST_CHARS_PER_TOKEN, output)
    # Models of embeddings write nothing, and have no price for it.
    return _cost(request, prices, _FEWEST_CHARS_PER_TOKEN, 0) if found is None else found


def _cost(request: Request, prices: PriceTable, chars_per_token: float, output: int) -> int | None:
    chars = sum(len(each.content) for each in request.messages)
    tokens = math.ceil(chars / chars_per_token) + _PER_MESSAGE * len(request.messages)
    found = prices.cost({"input_tokens": tokens, "output_tokens": output}, models=(request.model,))
    return None if found is None else found.nano_usd


def _output_limit(request: Request) -> int | None:
    for name in _LIMITS:
        value = request.parameters.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None
