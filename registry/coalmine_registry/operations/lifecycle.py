"""The end of a version's life: retirement, the archive, and a list of versions that are not used."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import and_, select

from coalmine_registry.defaults import IDLE_DAYS, KEEP_NEWEST
from coalmine_registry.deployment_state import state_of
from coalmine_registry.errors import Conflict, Invalid
from coalmine_registry.operations import audit
from coalmine_registry.operations.inputs import reason_given
from coalmine_registry.operations.steering import LIVE
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import contents_with_includes, version_record
from coalmine_registry.records import (
    Hygiene,
    HygieneCandidate,
    VersionRecord,
    VersionStatus,
)
from coalmine_registry.roles import Actor, Role
from coalmine_registry.semantic_version import newest_first
from coalmine_registry.storage.rollout_tables import rollouts
from coalmine_registry.storage.tables import deployments, experiments, versions
from coalmine_schemas.prompts import PromptContent, reference_to

_LONGEST_DAYS: Final = 36_500


def retire(
    transaction: Transaction, actor: Actor, name: str, version: str, reason: str | None
) -> VersionRecord:
    """Retires a version for good: it cannot be served any more, and stays readable.

    Raises:
        Forbidden: The actor is not an approver.
        NotFound: The version does not exist.
        Conflict: It is served, will be when an experiment ends, or is part of a rollout that has not ended;
            says where. Or it is already retired.
        Invalid: The reason cannot be stored.
    """
    actor.require(Role.APPROVER, "retire versions")
    found = version_record(transaction, name, version)
    if found.status != "active":
        raise Conflict(f"{found.reference} is already {found.status}")
    where = places(transaction, [found.reference]).get(found.reference)
    if where:
        raise Conflict(
            f"{found.reference} is in use: {'; '.join(where)}. Serve another version there, then retire it"
        )
    return _set_status(transaction, actor, found, "retired", action="retire", reason=reason)


def archive(
    transaction: Transaction, actor: Actor, name: str, version: str, reason: str | None
) -> VersionRecord:
    """Archives a retired version; it stays readable.

    Raises:
        Forbidden: The actor is not an approver.
        NotFound: The version does not exist.
        Conflict: It is not retired.
        Invalid: The reason cannot be stored.
    """
    actor.require(Role.APPROVER, "archive versions")
    found = version_record(transaction, name, version)
    if found.status == "active":
        raise Conflict(f"{found.reference} is active: retire it first")
    if found.status == "archived":
        raise Conflict(f"{found.reference} is already archived")
    return _set_status(transaction, actor, found, "archived", action="archive", reason=reason)


def hygiene(
    transaction: Transaction,
    last_used: Mapping[tuple[str, str], datetime] | None,
    keep_newest: int = KEEP_NEWEST,
    idle_days: int = IDLE_DAYS,
) -> Hygiene:
    """Lists active versions that are not used, longest unused first.

    A version is left out if it is served anywhere or included in one that is, ranks among the newest of its
    prompt, or was used or registered within the last days.

    Args:
        transaction: Where to look.
        last_used: Time of the last call by name and version; None if the traffic is not known.
        keep_newest: Number of the highest active versions of each prompt to leave out.
        idle_days: Days without a call after which a version counts as unused.

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
            used = (last_used or {}).get((name, version))
            if max(used or known[version], known[version]) <= oldest_use:
                found.append(HygieneCandidate(name, version, known[version], used, newer))
    needed = places(transaction, [reference_to(each.name, each.version) for each in found])
    unknown = datetime.min.replace(tzinfo=UTC)
    idle = sorted(
        (each for each in found if reference_to(each.name, each.version) not in needed),
        key=lambda each: (each.last_used_at or unknown, each.created_at, each.name, each.version),
    )
    return Hygiene(last_used is not None, idle)


def places(transaction: Transaction, references: Iterable[str]) -> dict[str, list[str]]:
    """Returns where versions are served, by `name@version`, without versions that are not served.

    The version that a running experiment would return to counts as served, and so do included versions and
    those of rollouts that have not ended.
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
        where = f"in {row.environment}"
        ready += [(where, reference_to(row.prompt, version)) for version in sorted(standing)]
    live = select(rollouts).where(rollouts.c.state.in_(LIVE)).order_by(rollouts.c.id)
    for row in transaction.all(live):
        where = f"in rollout {row.id}"
        ready += [(where, reference_to(row.prompt, version)) for version in (row.treatment, row.control)]
    contents = contents_with_includes(transaction, {served for _, served in ready})
    found: dict[str, list[str]] = {}
    for where, served in ready:
        for each in sorted(_with_included(served, contents) & wanted):
            how = where + ("" if each == served else f" as a part of {served}")
            found.setdefault(each, []).append(how)
    return found


def _with_included(reference: str, contents: Mapping[str, PromptContent]) -> set[str]:
    """Returns a version and everything it includes."""
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
