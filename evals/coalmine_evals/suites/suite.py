"""What a version is tried on, and what good means."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from coalmine_schemas.prompts.json_values import JsonObject, canonical_json
from coalmine_schemas.results import descriptions, result

Role = Literal["must", "advisory"]
SuiteSplit = Literal["test", "dev", "all"]


@result
class SuiteMetric:
    """One thing that answers are measured by."""

    name: str
    """Name of the metric."""
    description: str | None
    """What it means, for people."""
    scorer: str
    """Name of the scorer, e.g. `numeric_answer` or `autoevals:Factuality`."""
    settings: Mapping[str, Any]
    """Settings of the scorer."""
    margin: float
    """How much worse a candidate may be, 0 to 1."""
    role: Role
    """`advisory`: it is shown and does not decide."""
    right_from: float
    """Score from which an answer is right, for cases that must pass."""


@result
class Suite:
    """What a version is tried on, and what good means."""

    name: str
    """Name of the suite: that of its file."""
    description: str | None
    """What it is for, for people."""
    prompt: str
    """Name of the prompt."""
    dataset: str
    """Name of the dataset."""
    dataset_digest: str | None
    """SHA-256 of its cases as 64 hexadecimal digits; null: the newest dataset of that name."""
    file: str | None
    """File of cases, seen from the suite's own file; null: the dataset is kept in the database."""
    split: SuiteSplit
    """Which cases count."""
    repeats: int
    """Answers per case and side."""
    metrics: tuple[SuiteMetric, ...]
    """Those that decide, and those that are shown."""
    capabilities: tuple[str, ...]
    """Capabilities that are shown by themselves; empty: all that cases name."""
    unscored_limit: float
    """A larger share of answers without a score makes a run invalid."""
    provider: str | None
    """Who answers, e.g. `openai`; null: as the model of the version says."""
    base_url: str | None
    """Where; null: the provider's own."""
    model: str | None
    """Model in place of the version's own."""

    def to_json(self) -> JsonObject:
        """The suite as JSON, as `suites.read.suite_of` reads it, without what says nothing."""
        value: dict[str, Any] = {
            name: found
            for name in descriptions(Suite)
            if name not in ("name", "metrics") and (found := getattr(self, name)) not in (None, ())
        }
        value["metrics"] = {each.name: _metric_json(each) for each in self.metrics}
        if self.capabilities:
            value["capabilities"] = list(self.capabilities)
        return value

    def digest(self) -> str:
        """SHA-256 as 64 hexadecimal digits: the same for the same suite everywhere."""
        return hashlib.sha256(canonical_json({"name": self.name, **self.to_json()})).hexdigest()


@result
class PushedSuite:
    """A suite as the server keeps it."""

    suite: Suite
    """The suite as its file has it."""
    digest: str
    """SHA-256 of it as 64 hexadecimal digits."""
    pushed_at: datetime
    """When it was pushed."""
    pushed_by: str
    """Subject of the token that pushed it."""


def _metric_json(metric: SuiteMetric) -> dict[str, Any]:
    value: dict[str, Any] = {
        "scorer": metric.scorer,
        "margin": metric.margin,
        "role": metric.role,
        "right_from": metric.right_from,
    }
    if metric.description is not None:
        value["description"] = metric.description
    if metric.settings:
        value["settings"] = dict(metric.settings)
    return value
