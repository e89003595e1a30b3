"""Cases from production, with what the registry knows of the versions that were served."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache
from statistics import fmean
from uuid import UUID

from coalmine_evals.datasets.proposals import Wanted, propose, propose_request
from coalmine_evals.results.datasets import Proposal, Proposed
from coalmine_registry.errors import Conflict, NotFound
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts.content import PromptContent
from coalmine_server.services.owned_store import OwnedStore


def content_of(owned: OwnedStore, prompt: str | None, version: str | None) -> PromptContent | None:
    """Returns what a version is; None if no prompt is named.

    Raises:
        InvalidParameter: Only one of both is named.
        NotFound: There is no such version.
        Unavailable: This process has no registry.
    """
    if prompt is None and version is None:
        return None
    if prompt is None or version is None:
        raise InvalidParameter("prompt and version belong together: name both or none")
    return PromptContent.from_json(owned.known_registry.version(prompt, version).content)


def scores_of(owned: OwnedStore, run: str, dataset_digest: str) -> dict[str, dict[str, float]]:
    """Returns the scores of a run's candidate, means over repeats, by metric and case.

    Raises:
        NotFound: There is no such run.
        Conflict: It is of other cases.
    """
    runs = owned.evaluations.runs
    if (found := runs.run(run).dataset_digest) != dataset_digest:
        raise Conflict(f"run {run} is of the cases {found[:12]}: name these with `digest`")
    values: dict[str, dict[str, list[float]]] = {}
    for each in runs.kept(run):
        if each.side == "candidate":
            for metric, score in each.scores.items():
                if score.value is not None:
                    values.setdefault(metric, {}).setdefault(each.case, []).append(score.value)
    return {
        metric: {case: fmean(of_case) for case, of_case in of_metric.items()}
        for metric, of_metric in values.items()
    }


def propose_for(
    owned: OwnedStore,
    dataset: str,
    *,
    prompt: str,
    environment: str | None,
    since: datetime,
    limit: int,
    actor: str,
) -> Proposed:
    """Proposes requests with bad feedback for a dataset.

    Args:
        owned: The store.
        dataset: Name of the dataset.
        prompt: That was served.
        environment: Only requests of it; None: of all.
        since: Only feedback given since.
        limit: Requests to propose at most.
        actor: Who asked.

    Raises:
        InvalidPrompt: `dataset` is no name.
    """
    evaluations = owned.evaluations
    wanted = Wanted(
        prompt=prompt,
        environment=environment,
        since=since,
        until=evaluations.clock(),
        limit=limit,
        segments=_capabilities(owned),
    )
    reader, content = owned.store.reader(), _contents(owned)
    return propose(
        evaluations.database,
        reader,
        dataset,
        wanted,
        content_of=lambda version: content(prompt, version),
        actor=actor,
    )


def propose_one(owned: OwnedStore, dataset: str, request_id: UUID, *, actor: str) -> Proposal:
    """Proposes one request for a dataset; see `propose_request`."""
    evaluations = owned.evaluations
    return propose_request(
        evaluations.database,
        owned.store.reader(),
        dataset,
        request_id,
        content_of=_contents(owned),
        segments=_capabilities(owned),
        actor=actor,
        now=evaluations.clock(),
    )


def _capabilities(owned: OwnedStore) -> tuple[str, ...]:
    """Keys of segments that become capabilities of cases."""
    return tuple(dict.fromkeys((*owned.settings.readout.segments, "language")))


def _contents(owned: OwnedStore) -> Callable[[str, str], PromptContent | None]:
    """Returns what a version of a prompt is, as far as the registry knows; each is read once."""

    @cache
    def content(prompt: str, version: str) -> PromptContent | None:
        if owned.registry is not None:
            # Events name whatever services say.
            with suppress(NotFound, InvalidParameter):
                return PromptContent.from_json(owned.registry.version(prompt, version).content)
        return None

    return content
