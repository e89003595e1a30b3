"""Retiring versions that should not be served any more, archiving them, finding those that nobody needs."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import and_, select

from coalmine_registry.deployment_state import state_of
from coalmine_registry.errors import Conflict, Invalid
from coalmine_registry.operations import audit
from coalmine_registry.operations.inputs import reason_given
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import contents_with_includes, version_record
from coalmine_registry.records import HygieneCandidate, VersionRecord, VersionStatus
from coalmine_registry.roles import Actor, Role
from coalmine_registry.semantic_version import newest_first
from coalmine_registry.storage.tables import deployments, experiments, versions
from coalmine_schemas.prompts import PromptContent, reference_to

_LONGEST_DAYS: Final = 36_500


def retire(
    transaction: Transaction, actor: Actor, name: str, version: str, reason: str | None
) -> VersionRecord:
    """Takes a version out of service for good; it stays readable.

    Raises:
        Forbidden: The actor is no approver.
        NotFound: There is no such version.
        Conflict: It is served, or will be when an experiment ends; says where. Or it is retired already.
        Invalid: The reason cannot be kept.
    """
    actor.require(Role.APPROVER, "retire versions")
    found = version_record(transaction, name, version)
    if found.status != "active":
        raise Conflict(f"{found.reference} is {found.status} already")
    where = places(transaction, [found.reference]).get(found.reference)
    if where:
        raise Conflict(
            f"{found.reference} is served: {'; '.join(where)}. Serve another version there, then retire it"
        )
    return _set_status(transaction, actor, found, "retired", action="retire", reason=reason)


def archive(
    transaction: Transaction, actor: Actor, name: str, version: str, reason: str | None
) -> VersionRecord:
    """Puts a retired version out of sight; it stays readable.

    Raises:
        Forbidden: The actor is no approver.
        NotFound: There is no such version.
        Conflict: It is not retired.
        Invalid: The reason cannot be kept.
    """
    actor.require(Role.APPROVER, "archive versions")
    found = version_record(transaction, name, version)
    if found.status == "active":
        raise Conflict(f"{found.reference} is active: retire it first")
    if found.status == "archived":
        raise Conflict(f"{found.reference} is archived already")
    return _set_status(transaction, actor, found, "archived", action="archive", reason=reason)


def hygiene(
    transaction: Transaction,
    last_used: Mapping[tuple[str, str], datetime],
    keep_newest: int,
    idle_days: int,
) -> list[HygieneCandidate]:
    """Active versions that nobody needs, longest unused first.

    A version is kept if it is served anywhere or included in what is, ranks among the newest of its prompt,
    or was used or registered lately.

    Args:
        transaction: Where it is looked for.
        last_used: By name and version, when it last had traffic, as far as is known.
        keep_newest: How many of the highest active versions of each prompt to keep.
        idle_days: How long a version may rest.

    Raises:
        Invalid: A number is negative or too large.
    """
    for field, value, most in (("keep_newest", keep_newest, 10**9), ("idle_days", idle_days, _LONGEST_DAYS)):
        if not 0 <= value <= most:
            raise Invalid(field, value, f"give 0 to {most}")
    oldest_use = transaction.now - timedelta(days=idle_days)
    columns = (versions.c.prompt, versions.c.version, versions.c.created_at)
    rows = transaction.all(select(*columns).where(versions.c.status == "active"))
    by_prompt: dict[str, dict[str, datetime]] = {}
    for row in rows:
        by_prompt.setdefault(row.prompt, {})[row.version] = row.created_at
    found = []
    for name, known in by_prompt.items():
        for newer, version in list(enumerate(newest_first(known)))[keep_newest:]:
            used = last_used.get((name, version))
            if max(used or known[version], known[version]) <= oldest_use:
                found.append(HygieneCandidate(name, version, known[version], used, newer))
    needed = places(transaction, [reference_to(each.name, each.version) for each in found])
    unknown = datetime.min.replace(tzinfo=UTC)
    return sorted(
        (each for each in found if reference_to(each.name, each.version) not in needed),
        key=lambda each: (each.last_used_at or unknown, each.created_at, each.name, each.version),
    )


def places(transaction: Transaction, references: Iterable[str]) -> dict[str, list[str]]:
    """Where versions are served, by `name@version`; those that are not served are left out.

    What an ending experiment would return to counts as served, and so does what is included.
    """
    wanted = set(references)
    replaced: dict[tuple[str, str], set[str]] = {}
    running = select(experiments.c.environment, experiments.c.prompt, experiments.c.replaced)
    for row in transaction.all(running.where(experiments.c.status == "running")):
        replaced.setdefault((row.environment, row.prompt), set()).add(row.replaced)
    ready: list[tuple[str, str]] = []
    for row in transaction.all(select(deployments).order_by(deployments.c.environment, deployments.c.prompt)):
        state = state_of(row.served, row.defaults)
        standing = state.versions() | replaced.get((row.environment, row.prompt), set())
        ready += [(row.environment, reference_to(row.prompt, version)) for version in sorted(standing)]
    contents = contents_with_includes(transaction, {served for _, served in ready})
    found: dict[str, list[str]] = {}
    for environment, served in ready:
        for each in sorted(_with_included(served, contents) & wanted):
            how = f"in {environment}" + ("" if each == served else f" as a part of {served}")
            found.setdefault(each, []).append(how)
    return found


def _with_included(reference: str, contents: Mapping[str, PromptContent]) -> set[str]:
    """A version and all that it includes."""
    found: set[str] = set()
    wanted = {reference}
    while wanted:
        found |= wanted
        wanted = {each for one in wanted for each in contents[one].includes()} - found
    return found


def _set_status(
    transaction: Transaction,
    actor: Actor,
    found: VersionRecord,
    status: VersionStatus,
    *,
    action: str,
    reason: str | None,
) -> VersionRecord:
    given = reason_given(reason)
    where = and_(versions.c.prompt == found.name, versions.c.version == found.version)
    transaction.update(versions, where, {"status": status})
    audit.record(
        transaction,
        actor,
        action,
        prompt=found.name,
        version=found.version,
        before={"status": found.status},
        after={"status": status},
        reason=given,
    )
    return version_record(transaction, found.name, found.version)
