"""What two versions would have answered to requests of the past."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from coalmine_schemas.results import result

BacktestOutcome = Literal["better", "worse", "undecided", "invalid"]


@result
class ProductionInput:
    """What a stored request asked."""

    request_id: str
    """Id of the request."""
    version: str
    """Version of the prompt that it was made with."""
    input_text: str
    """What was sent, or its messages as JSON."""
    cluster: str
    """Hash of the user, session or request: requests that share it are not independent."""


@result
class ProductionInputs:
    """A sample of stored requests, by a hash of their ids: the same one whenever it is asked."""

    requests: int
    """Requests of the prompt in the period that ended well."""
    with_texts: int
    """Those whose input is stored."""
    sample: tuple[ProductionInput, ...]
    """As many of these as were wanted."""


@result
class BacktestRow:
    """One metric of both versions, on the same inputs."""

    metric: str
    """`preferred` for a judge of pairs; else the name of the scorer."""
    outcome: BacktestOutcome
    """What follows from it."""
    sentence: str
    """The same in words."""
    cases: int
    """Inputs with a score on both sides."""
    clusters: int
    """Users, sessions or requests that these came from."""
    unscored: int
    """Inputs without: a version gave no answer, or it could not be scored."""
    candidate: float | None
    """Mean of the candidate; of pairs the share in which it was preferred, in both orders."""
    baseline: float | None
    """The same of the baseline."""
    ties: float | None
    """Share of pairs without a preference, or with one that changed with the order; null if no pairs."""
    position_consistency: float | None
    """Share of pairs whose verdict survives a swap of the order; null for other metrics."""
    difference: float | None
    """Candidate minus baseline."""
    lower: float | None
    """Lower end of the two-sided 90 % interval: each end is a one-sided bound at 5 %."""
    upper: float | None
    """Upper end of the same."""
    smallest: float | None
    """Smallest difference that these cases show with a power of 80 %."""


@result
class BacktestReport:
    """Whether a candidate would have been better than a baseline on requests of the past."""

    prompt: str
    """Name of the prompt."""
    candidate: str
    """Version that was tried."""
    baseline: str
    """Version that it was compared with."""
    environment: str
    """Where the requests were made."""
    since: datetime
    """When they began, at the earliest."""
    until: datetime
    """Before then."""
    outcome: BacktestOutcome
    """That of the first metric."""
    requests: int
    """Requests of that time that ended well."""
    sampled: int
    """Inputs that were taken."""
    skipped: Mapping[str, int]
    """Inputs that could not be used, by reason."""
    rows: tuple[BacktestRow, ...]
    """Each metric."""
    spent_nano_usd: int | None
    """What it cost; null if a price is not known."""
