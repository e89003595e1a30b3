"""What is known of versions and models, and runs that find it out."""

from datetime import datetime
from typing import Literal

from coalmine_evals.results.gate import Outcome
from coalmine_schemas.results import result

Flag = Literal["safe", "unsafe", "unknown"]
"""`unknown`: it was never run, or nothing could be shown."""
Cause = Literal["registered", "model_seen", "scheduled", "deprecated", "asked"]
"""Why the server runs something."""
JobState = Literal["waiting", "running", "done", "failed"]


@result
class ModelFlag:
    """Whether a version is safe with a model."""

    prompt: str
    """Name of the prompt."""
    version: str
    """Version that was run; it holds for every version with its content."""
    digest: str
    """Digest of the content."""
    model: str
    """Model as it was asked for, or as answers name it."""
    flag: Flag
    """`safe`: the gate passed. `unsafe`: harm was shown."""
    run: str
    """Run that says so."""
    at: datetime
    """When that ended."""


@result
class RerunCell:
    """A version with a model: one cell of the matrix of prompts and models."""

    id: int
    """Number of the job."""
    batch: str
    """Jobs that were asked for together share it."""
    cause: Cause
    """Why it is run."""
    prompt: str
    """Name of the prompt."""
    version: str
    """Version of it."""
    digest: str
    """Digest of its content."""
    suite: str
    """Suite that it is run on."""
    model: str | None
    """Model in place of the version's own; null: its own."""
    seen: str | None
    """Model that answered in production and had it run; null if none did."""
    state: JobState
    """How far it is."""
    outcome: Outcome | None
    """What the gate says; null while it is not done, and without anything to compare with."""
    said: str | None
    """The gate's sentence, or why it failed."""
    run: str | None
    """Id of the run; null before it begins."""
    cost_nano_usd_per_case: int | None
    """What an answer costs with this model; null if it is not known."""
    baseline_cost_nano_usd_per_case: int | None
    """What one costs with what it is compared with."""
    latency_ms_p50: float | None
    """Median latency with this model."""
    baseline_latency_ms_p50: float | None
    """Median latency of what it is compared with."""
    asked_by: str
    """Who asked for it."""
    asked_at: datetime
    """When it was asked for."""
    ended_at: datetime | None
    """When it ended; null while it has not."""


@result
class Rerun:
    """Jobs that were asked for together."""

    batch: str
    """Id of the batch."""
    cells: tuple[RerunCell, ...]
    """Each version with each model."""
    without_suite: tuple[str, ...]
    """Prompts that are served and have no suite: nothing is known of them."""
