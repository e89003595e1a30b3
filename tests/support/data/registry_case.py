"""People and contents that tests of the registry share."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from coalmine_registry.records import Evidence, VersionRecord
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.tables import deployment_revisions
from coalmine_schemas.events import Deployment
from coalmine_schemas.prompts import Arm
from tests.support.data.prompt_examples import content

READER = Actor("rita", Role.READER, "token-rita")
ANN = Actor("ann", Role.AUTHOR, "token-ann")
"""Writes prompts."""
BOB = Actor("bob", Role.APPROVER, "token-bob")
"""Approves them, and writes some."""
CLEO = Actor("cleo", Role.APPROVER, "token-cleo")
ADMIN = Actor("root", Role.ADMIN, "token-root")

PROMPT = "support-refund"


def push(
    registry: Registry, *versions: str, author: Actor = ANN, prompt: str = PROMPT, **arguments: Any
) -> list[VersionRecord]:
    """Registers versions that differ in wording, which any step of a version allows."""
    for version in versions:
        text = f"v{version} {{{{ question }}}}"
        registry.register(author, prompt, version, content(text, **arguments))
    return [registry.version(prompt, version) for version in versions]


def serve(registry: Registry, *versions: str, environment: str = "prod", prompt: str = PROMPT) -> None:
    """Registers versions by Ann and has Bob promote them, one after the other."""
    push(registry, *versions, prompt=prompt)
    for version in versions:
        registry.promote(BOB, prompt, version, environment)


def passed(
    registry: Registry, version: str, kind: str = "eval_run", *, prompt: str = PROMPT, passed: bool = True
) -> Evidence:
    """Ann records evidence about a version."""
    made = registry.record_evidence(ANN, kind, prompt, version, passed=passed, summary="98 of 100")
    return Evidence(kind, made.id, "")


def arms(treatment: str, control: str, weight: float = 0.1) -> list[Arm]:
    """Two arms."""
    return [Arm("treatment", treatment, weight), Arm("control", control, 1 - weight)]


def deployment_events(registry: Registry) -> list[Deployment]:
    """The events of deployments that wait to be sent, oldest first."""
    return [each.event for each in registry.outbox_pending(1000) if isinstance(each.event, Deployment)]


@dataclass(frozen=True, slots=True)
class Revision:
    """One row of the history of a deployment."""

    revision: int
    action: str
    version: str
    reason: str | None
    served: Any


def history(registry: Registry, environment: str = "prod", prompt: str = PROMPT) -> list[Revision]:
    """Every change of a deployment, newest first, as the database has it."""
    table = deployment_revisions
    query = select(table).where(table.c.environment == environment, table.c.prompt == prompt)
    return [
        Revision(row.revision, row.action, row.version, row.reason, row.served)
        for row in registry.read(lambda tx: tx.all(query.order_by(table.c.revision.desc())))
    ]
