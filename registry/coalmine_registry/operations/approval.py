"""Approval by a second person: authors cannot decide alone how many people see what they wrote.

What is approved is a content, of a prompt in an environment, for a share of an audience: whoever shows it to
more decides that, and must have written neither it nor a copy of it, under whatever name. What a version
includes is shown with it, and so needs approval for itself. Coalmine itself decides nothing: it may only do
what a person has approved. Every change of a deployment passes `check_shown`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import and_, select

from coalmine_registry.deployment_state import DeploymentState
from coalmine_registry.errors import Forbidden
from coalmine_registry.exposure import Audience, Exposure, exposures
from coalmine_registry.operations.policies import policy
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import contents_with_includes
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.tables import approved_shares, versions
from coalmine_schemas.prompts import parse_reference, percent, reference_to


class Shown(NamedTuple):
    """A content that a deployment shows, and to whom."""

    version: str
    """Version of the deployed prompt that shows it."""
    reference: str
    """The content: that version itself, or what it includes."""
    digest: str
    exposure: Exposure


def check_shown(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    prompt: str,
    *,
    before: DeploymentState | None,
    after: DeploymentState,
) -> None:
    """Checks that the actor may show what a change shows, and records what that approves.

    Raises:
        Forbidden: Something would be shown to more people than approved, and the actor wrote it, is Coalmine
            itself, or is no approver.
    """
    for each in unapproved(transaction, environment, prompt, before, after):
        _check_may_approve(transaction, actor, environment, prompt, each)
        transaction.insert(
            approved_shares,
            {
                "environment": environment,
                "prompt": prompt,
                "digest": each.digest,
                "share": each.exposure.share,
                "audience": each.exposure.audience.to_json(),
                "approved_by": actor.subject,
                "approved_at": transaction.now,
            },
        )


def may_show(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    prompt: str,
    *,
    before: DeploymentState | None,
    after: DeploymentState,
) -> bool:
    """Returns True if `check_shown` would let the actor make a change."""
    try:
        for each in unapproved(transaction, environment, prompt, before, after):
            _check_may_approve(transaction, actor, environment, prompt, each)
    except Forbidden:
        return False
    return True


def unapproved(
    transaction: Transaction,
    environment: str,
    prompt: str,
    before: DeploymentState | None,
    after: DeploymentState,
) -> list[Shown]:
    """Returns what a change would show to more people than was approved, or than see it now."""
    if not policy(transaction, environment).needs_approval:
        return []
    allowed: dict[str, list[Exposure]] = {}
    table = approved_shares
    query = select(table).where(table.c.environment == environment, table.c.prompt == prompt)
    for row in transaction.all(query):
        allowed.setdefault(row.digest, []).append(Exposure(Audience.from_json(row.audience), row.share))
    for each in _shown(transaction, prompt, before):
        allowed.setdefault(each.digest, []).append(each.exposure)
    return [
        each
        for each in _shown(transaction, prompt, after)
        if not each.exposure.is_within(allowed.get(each.digest, ()))
    ]


def withdraw(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    prompt: str,
    *,
    shown_less: Sequence[str],
    after: DeploymentState,
) -> None:
    """Takes approvals back, as somebody else than the author has decided to show a content to fewer people.

    What is still shown counts as approved as far as it is.
    """
    dropped = set(shown_less) - set(after.defaults)
    for reference, digest in _digests(transaction, prompt, dropped):
        if actor.is_any_of(_writers(transaction, reference)):
            continue
        table = approved_shares
        where = and_(table.c.environment == environment, table.c.prompt == prompt, table.c.digest == digest)
        transaction.connection.execute(table.delete().where(where))


def is_author(transaction: Transaction, actor: Actor, prompt: str, version: str) -> bool:
    """Returns True if the actor registered the version, or the same content before."""
    return actor.is_any_of(_writers(transaction, reference_to(prompt, version)))


def _check_may_approve(
    transaction: Transaction, actor: Actor, environment: str, prompt: str, shown: Shown
) -> None:
    served = reference_to(prompt, shown.version)
    more = f"show {served} to {percent(shown.exposure.share)} in {environment}"
    if actor.is_any_of(_writers(transaction, shown.reference)):
        part = "" if shown.reference == served else f" ({shown.reference})"
        raise Forbidden(
            f"{actor.subject} wrote {served} or a part of it{part} that nobody else has approved for so "
            f"many: another person has to {more}"
        )
    if actor.is_system or actor.rollout is not None:
        raise Forbidden(f"Coalmine itself approves nothing: a person other than the author has to {more}")
    actor.require(Role.APPROVER, f"{more}, which is more than was approved")


def _shown(transaction: Transaction, prompt: str, state: DeploymentState | None) -> list[Shown]:
    """Returns every content that a state shows, the shares of equal ones in one audience added up."""
    found = list(exposures(state))
    parts: dict[str, list[tuple[str, str]]] = {}
    for version in {version for version, _ in found}:
        closure = contents_with_includes(transaction, [reference_to(prompt, version)])
        each_once = {
            content.digest(): reference for reference, content in sorted(closure.items(), reverse=True)
        }
        parts[version] = [(reference, digest) for digest, reference in each_once.items()]
    summed: dict[tuple[str, int], Shown] = {}
    for version, exposure in found:
        for reference, digest in parts[version]:
            key = (digest, id(exposure.audience))  # one object for each place
            known = summed.get(key, Shown(version, reference, digest, Exposure(exposure.audience, 0.0)))
            share = min(1.0, known.exposure.share + exposure.share)
            summed[key] = known._replace(exposure=Exposure(exposure.audience, share))
    return list(summed.values())


def _digests(transaction: Transaction, prompt: str, wanted: set[str]) -> list[tuple[str, str]]:
    query = select(versions.c.version, versions.c.digest).where(
        versions.c.prompt == prompt, versions.c.version.in_(sorted(wanted))
    )
    return [(reference_to(prompt, row.version), row.digest) for row in transaction.all(query)]


def _writers(transaction: Transaction, reference: str) -> frozenset[str]:
    """Returns who registered a version, and who registered the same content before, under any name."""
    prompt, version = parse_reference(reference)
    own = transaction.one(
        select(versions.c.id, versions.c.digest).where(
            versions.c.prompt == prompt, versions.c.version == version
        )
    )
    if own is None:
        return frozenset()
    same = select(versions.c.author).where(versions.c.digest == own.digest, versions.c.id <= own.id)
    return frozenset(row.author for row in transaction.all(same))
