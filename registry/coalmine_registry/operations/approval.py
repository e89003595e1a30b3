"""Approval by a second person: authors cannot decide alone that their own versions are served.

A version is approved for an environment once a person other than its author has decided that it is served
there: by a promotion, a rule or an experiment. Included versions are approved with it, because they are
served with it. The person who decides must have written neither the version nor any part of it that nobody
else has approved there. A copy of a content counts as written by the original author, too.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from coalmine_registry.errors import EvidenceMissing, Forbidden
from coalmine_registry.operations.deployments import has_served
from coalmine_registry.operations.policies import policy
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import check_servable, contents_with_includes
from coalmine_registry.records import Evidence
from coalmine_registry.roles import Actor
from coalmine_registry.storage.tables import approvals, versions
from coalmine_schemas.prompts import parse_reference, reference_to

_SERVED_IN = "served_in:"


def authors(transaction: Transaction, environment: str, prompt: str, version: str) -> frozenset[str]:
    """Returns the subjects who may not decide alone that the environment serves the version."""
    found = set(_writers(transaction, prompt, version))
    own = reference_to(prompt, version)
    for reference in contents_with_includes(transaction, [own]):
        name, included = parse_reference(reference)
        if reference != own and not is_approved(transaction, environment, name, included):
            found.update(_writers(transaction, name, included))
    return frozenset(found)


def is_approved(transaction: Transaction, environment: str, prompt: str, version: str) -> bool:
    """Returns True if a person other than its author has decided that the environment serves it."""
    table = approvals
    return (
        transaction.one(
            select(table.c.version).where(
                table.c.environment == environment, table.c.prompt == prompt, table.c.version == version
            )
        )
        is not None
    )


def check_not_author(
    transaction: Transaction, actor: Actor, environment: str, prompt: str, version: str
) -> None:
    """Checks that the actor did not write the version, where the environment needs approval.

    Raises:
        Forbidden: The actor wrote it.
    """
    if not policy(transaction, environment).needs_approval:
        return
    if actor.is_any_of(authors(transaction, environment, prompt, version)):
        raise Forbidden(
            f"{actor.subject} wrote {prompt}@{version} or a part of it that nobody else has approved in "
            f"{environment}: another person has to approve it there"
        )


def approve(transaction: Transaction, actor: Actor, environment: str, prompt: str, version: str) -> None:
    """Records the approval of a version and of what it includes."""
    for reference in contents_with_includes(transaction, [reference_to(prompt, version)]):
        name, each = parse_reference(reference)
        if not is_approved(transaction, environment, name, each):
            transaction.insert(
                approvals,
                {
                    "environment": environment,
                    "prompt": name,
                    "version": each,
                    "approved_by": actor.subject,
                    "approved_at": transaction.now,
                },
            )


def approve_where_needed(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    prompt: str,
    *,
    served: Iterable[str],
    evidence: Sequence[Evidence],
) -> None:
    """Checks versions that a rule or an experiment would serve, and approves those that are not yet.

    Raises:
        NotFound: A version does not exist.
        Conflict: One is retired.
        Forbidden: The actor wrote one that nobody else has approved.
        EvidenceMissing: One that is not approved lacks evidence the environment requires.
    """
    for version in dict.fromkeys(served):
        check_servable(transaction, prompt, version)
        if is_approved(transaction, environment, prompt, version):
            continue
        check_not_author(transaction, actor, environment, prompt, version)
        check_evidence(transaction, environment, prompt, version, evidence)
        approve(transaction, actor, environment, prompt, version)


def check_evidence(
    transaction: Transaction, environment: str, prompt: str, version: str, evidence: Sequence[Evidence]
) -> None:
    """Checks that all evidence that the environment requires is there.

    Raises:
        EvidenceMissing: Names what is missing.
    """
    given = {each.kind for each in evidence}
    missing = [
        kind
        for kind in policy(transaction, environment).required_evidence
        if not (
            has_served(transaction, kind.removeprefix(_SERVED_IN), prompt, version)
            if kind.startswith(_SERVED_IN)
            else kind in given
        )
    ]
    if missing:
        raise EvidenceMissing(environment, missing)


def _writers(transaction: Transaction, prompt: str, version: str) -> list[str]:
    """Returns who registered it, and who registered the same content before."""
    own = transaction.one(
        select(versions.c.id, versions.c.digest).where(
            versions.c.prompt == prompt, versions.c.version == version
        )
    )
    if own is None:
        return []
    same = select(versions.c.author).where(
        versions.c.prompt == prompt, versions.c.digest == own.digest, versions.c.id <= own.id
    )
    return [row.author for row in transaction.all(same)]
