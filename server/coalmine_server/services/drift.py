"""Drift of the versions asked for, from the store of this process."""

from collections.abc import Iterable, Sequence

from coalmine_analytics.drift import Drifts
from coalmine_consumers.drift import ServedVersion, VersionKey, prompts, served_versions
from coalmine_consumers.store import Reader
from coalmine_server.services.http_client import NothingThere
from coalmine_server.services.models import Drift, VersionDrift
from coalmine_server.services.questions import Drifting


def drift_of(drifts: Drifts, reader: Reader, question: Drifting) -> Drift:
    """The version asked for, or of each environment the one that serves most now.

    Raises:
        NothingThere: No request of that prompt, environment or version has come, or no such metric is judged.
    """
    served = served_versions(reader, question.prompt)
    if not served:
        raise _nothing(f"a prompt {question.prompt}", prompts(reader))
    items = [
        VersionDrift.model_validate(drifts.current(VersionKey(question.prompt, row.version, row.environment)))
        for row in _chosen(served, question)
    ]
    if question.metric is not None:
        items = [_only(item, question.metric) for item in items]
    return Drift(prompt=question.prompt, items=items)


def _chosen(served: Sequence[ServedVersion], question: Drifting) -> list[ServedVersion]:
    """Rows come with the version that serves most first in each environment."""
    rows = list(served)
    if question.environment is not None:
        rows = [row for row in rows if row.environment == question.environment]
        if not rows:
            what = f"{question.prompt} in an environment {question.environment}"
            raise _nothing(what, {row.environment for row in served})
    if question.version is not None:
        found = [row for row in rows if row.version == question.version]
        if not found:
            where = f" in {question.environment}" if question.environment is not None else ""
            raise _nothing(
                f"version {question.version} of {question.prompt}{where}", {row.version for row in rows}
            )
        return found
    first: dict[str, ServedVersion] = {}
    for row in rows:
        first.setdefault(row.environment, row)
    return list(first.values())


def _only(item: VersionDrift, metric: str) -> VersionDrift:
    """With one metric; evidence and threshold are those beside all the others, which were looked at, too."""
    metrics = [row for row in item.metrics if row.metric == metric]
    if item.metrics and not metrics:
        raise _nothing(f"a metric {metric} of {item.prompt}", (row.metric for row in item.metrics))
    return item.model_copy(update={"metrics": metrics})


def _nothing(what: str, known: Iterable[str]) -> NothingThere:
    names = ", ".join(sorted(known))
    return NothingThere(
        f"no request of {what} has come", f"there are: {names}" if names else "there are none yet"
    )
