"""What the database of evaluations says: versions that were rejected, flags of models, judges that moved."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from coalmine_alerts.facts import Evaluation, Rejected, Served, VersionPlace
from coalmine_evals.judges.storage import canary_statuses
from coalmine_evals.reruns.flags import flags_of
from coalmine_evals.reruns.jobs import Jobs
from coalmine_evals.results.judges import CanaryStatus
from coalmine_evals.results.models import ModelFlag
from coalmine_registry.storage.database import Database

LOOK_BACK: Final = timedelta(days=1)


class FromEvals:
    """Reads the database of evaluations.

    Args:
        database: Opens it.
        author: Returns who registered a version; None if that is not known.
    """

    def __init__(self, database: Callable[[], Database], author: Callable[[str, str], str | None]) -> None:
        self._database, self._author = database, author

    def rejected(self, now: datetime) -> list[Rejected]:
        """Returns new versions that were run within a day and did not pass, oldest first."""
        found = Jobs(self._database()).ended_since(now - LOOK_BACK, "registered")
        return [
            Rejected(
                prompt=each.prompt,
                version=each.version,
                author=self._author(each.prompt, each.version),
                suite=each.suite,
                harm=each.outcome == "fail",
                said=each.said,
                run=each.run,
                job=each.id,
                at=each.ended_at,
            )
            for each in found
            if each.ended_at is not None
            and each.ended_at <= now
            and (each.state == "failed" or each.outcome in ("fail", "invalid"))
        ]

    def judges(self) -> Sequence[CanaryStatus]:
        """Returns how judges do on the answers that they score every day."""
        return canary_statuses(self._database())

    def flagged(self, served: Iterable[Served], known: Sequence[Evaluation]) -> list[Evaluation]:
        """Adds what runs have shown of models to what evidence says of versions."""
        keys = {each.key for each in served}
        found = {each.key: each for each in known}
        flags = flags_of(self._database(), {each.prompt for each in keys})
        for key in sorted(keys):
            own = [each for each in flags if (each.prompt, each.version) == (key.prompt, key.version)]
            if own:
                found[key] = _with(found.get(key), key, own)
        return list(found.values())


def _with(known: Evaluation | None, key: VersionPlace, flags: Sequence[ModelFlag]) -> Evaluation:
    before = known or Evaluation(key=key, runs=0, models=frozenset())
    safe, unsafe = (
        frozenset(each.model for each in flags if each.flag == flag) for flag in ("safe", "unsafe")
    )
    return replace(before, models=(before.models | safe) - unsafe, unsafe=unsafe)
