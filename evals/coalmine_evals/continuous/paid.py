"""What a score has cost, whatever becomes of it: a judge that is too slow was asked all the same."""

from dataclasses import dataclass, field

from coalmine_evals.providers.provider import Models, Provider, Request
from coalmine_evals.records import Output
from coalmine_evals.runs.paid_once import most_nano_usd
from coalmine_schemas.prices import PriceTable


@dataclass(slots=True)
class Paid:
    """Models of one score; see `Models`."""

    models: Models
    nano_usd: int = field(default=0, init=False)
    """What their answers have cost so far."""

    def of(self, model: str, provider: str | None = None, base_url: str | None = None) -> "_Counted":
        """Returns who answers; see `Models`."""
        return _Counted(self.models.of(model, provider, base_url), self)


@dataclass(frozen=True, slots=True)
class _Counted:
    inner: Provider
    paid: Paid

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def address(self) -> str:
        return self.inner.address

    async def answer(self, request: Request, *, repeat: int = 0) -> Output:
        output = await self.inner.answer(request, repeat=repeat)
        if not output.cached:
            self.paid.nano_usd += output.cost_nano_usd or 0
        return output


@dataclass(frozen=True, slots=True)
class Priced:
    """Models whose prices are known, as a budget needs; see `Models`."""

    models: Models
    prices: PriceTable

    def of(self, model: str, provider: str | None = None, base_url: str | None = None) -> Provider:
        """Returns who answers; see `Models`."""
        most_nano_usd(Request(model, ()), self.prices)
        return self.models.of(model, provider, base_url)
