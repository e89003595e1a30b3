"""How well versions answer in production, as scorers and people say."""

from datetime import datetime

from coalmine_schemas.results import result


@result
class ProductionScoring:
    """How the scoring of one metric goes, for one prompt in one environment."""

    environment: str
    """Where its requests are scored."""
    prompt: str
    """Name of the prompt."""
    metric: str
    """Name of the scores."""
    scorer: str
    """Name of the scorer."""
    rate: float
    """Share of the requests that was scored last, of every version and arm alike."""
    raised_for: str | None
    """Rollout that needs more scores, so that the rate is larger than usual; null if none does."""
    scored_at: datetime | None
    """When the latest score was made; null before the first."""
    missed: int
    """Requests that were to be scored since then, and could not be."""
    cause: str | None
    """Why not, and what to do about it; null if none was missed."""
    down: bool
    """True if scores fail to come: rollouts that are judged by them hold."""


@result
class ProductionQuality:
    """Mean of a metric over production requests of one version, from the requests that were scored."""

    prompt: str
    """Name of the prompt."""
    version: str
    """Version of the prompt."""
    metric: str
    """Name of the scores."""
    stratum: str | None
    """`segment=value` of which more was scored; null for all requests."""
    scored: int
    """Number of requests with a score."""
    unscored: int
    """Number of requests that were taken and could not be scored: they are in no mean."""
    units: int
    """Number of users, sessions or requests that they came from."""
    mean: float | None
    """Estimate of the mean over all requests: scores are weighted by the inverse of the probability that
    their request was taken."""
    lower: float | None
    """Lower end of its 95 % interval, which counts users and not requests; null with fewer than 2."""
    upper: float | None
    """Upper end of the same."""
    unweighted: float | None
    """Plain mean of the scores that versions and rollouts are shown with."""


@result
class ProductionReport:
    """How scoring in production goes, and what it says."""

    texts_missing: str | None
    """What to switch on, if requests come without texts; null if they have them."""
    budget_usd: float | None
    """What the scores of a day (UTC) may cost; null: any amount."""
    spent_usd: float
    """What those of today have cost."""
    scoring: tuple[ProductionScoring, ...]
    """How each metric is doing."""
    quality: tuple[ProductionQuality, ...]
    """By version and metric: of all requests first, then by stratum."""
