"""Spending and savings, from the store, the prices and the budgets of this process."""

from collections.abc import Sequence
from typing import Final

from coalmine_alerts.results.spending import Spending
from coalmine_analytics.results.savings import Savings
from coalmine_analytics.savings import savings_of, unpriced
from coalmine_consumers import queries
from coalmine_consumers.queries import Filters
from coalmine_registry.roles import Actor
from coalmine_server.services.owned_store import OwnedStore

_MOST_VERSIONS: Final = 500
_MOST_MODELS: Final = 20


def savings(owned: OwnedStore, chosen: Filters, to_models: Sequence[str]) -> Savings:
    """Returns what a change of version or model would have saved.

    Args:
        owned: The store.
        chosen: Which calls.
        to_models: Models to price, beside those that answered.
    """
    from coalmine_server.services.wiring import price_table  # noqa: PLC0415 - loads prices

    reader, prices = owned.store.reader(), price_table(owned.settings)
    versions = queries.costs(reader, chosen, "version", limit=_MOST_VERSIONS, over_time=False).items
    models = [*to_models, *queries.costliest_models(reader, chosen, _MOST_MODELS)]
    found = savings_of(versions, models, prices)
    return Savings(chosen.since, chosen.until, found, unpriced(models, prices))


def spending(
    owned: OwnedStore,
    actor: Actor,
    *,
    environment: str | None = None,
    prompt: str | None = None,
    app: str | None = None,
) -> Spending:
    """Returns where spending stands.

    Args:
        owned: The store.
        actor: Who asks: only prompts of their token count, and budgets of those are listed.
        environment: Only this one counts into what is no budget's.
        prompt: Likewise.
        app: Likewise.
    """
    from coalmine_alerts.reading.sums import read_days  # noqa: PLC0415 - imports SQLAlchemy
    from coalmine_alerts.spending import spending_of  # noqa: PLC0415

    now = owned.clock()
    with owned.store.reader().snapshot() as snapshot:
        days = read_days(snapshot, now)
    budgets = owned.alerts.configuration.budgets
    if actor.prompts is not None:
        days = [each for each in days if actor.sees(each.prompt)]
        budgets = tuple(each for each in budgets if each.prompt is not None and actor.sees(each.prompt))
    return spending_of(days, budgets, now, environment=environment, prompt=prompt, app=app)
