"""Carries a plan out: step by step in its order, each with the revision that the plan has seen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from coalmine_registry.roles import Role
from coalmine_server.cli.configuration.history import waits_for
from coalmine_server.cli.configuration.plan import NEEDS, Deployment, Plan, Step
from coalmine_server.client import Client
from coalmine_server.errors import CheckFailed, ServerError

_REASONED: Final = ("version", "rules", "experiment", "rollout")
"""Kinds of steps whose requests take a reason for the audit log."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step."""

    step: Step
    result: str
    """What the registry made of it."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a plan."""

    done: Sequence[Outcome]
    """In their order; some are requests that wait for an approval, as their results say."""
    waiting: Sequence[Outcome]
    """Steps that were not asked for, because what they build on waits for an approval."""
    failed: Outcome | None
    """The step that was refused or not answered; nothing after it was tried."""
    not_tried: Sequence[Step]


def check_role(client: Client, plan: Plan) -> None:
    """Refuses a plan that the caller may not carry out whole, before any of it is.

    Raises:
        CheckFailed: Names the role that it takes, and the first step that takes it.
    """
    caller = client.get("/v1/whoami")
    for step in plan.steps:
        if not Role(caller["role"]).allows(NEEDS[step.kind]):
            raise CheckFailed(
                f"{step.kind} {step.name} takes the role {NEEDS[step.kind]}, and {caller['subject']} "
                f"has the role {caller['role']}: nothing was changed",
                "apply with another token",
            )


def carry_out(client: Client, plan: Plan, reason: str, tell: Callable[[Outcome], None]) -> Applied:
    """Makes the requests of a plan, until one fails.

    Args:
        client: Of the registry's server.
        plan: What to do.
        reason: For the audit log, where a file gives none.
        tell: Called after each step that was done.
    """
    revisions = dict(plan.revisions)
    blocked = dict(plan.blocked)
    done: list[Outcome] = []
    waiting: list[Outcome] = []
    for number, step in enumerate(plan.steps):
        if step.deployment is not None and step.deployment in blocked:
            waiting.append(Outcome(step, blocked[step.deployment]))
            continue
        try:
            answer = _ask(client, step, revisions, reason)
        except ServerError as error:
            failed = Outcome(step, error.message)
            return Applied(done, waiting, failed, plan.steps[number + 1 :])
        done.append(Outcome(step, _result(step, answer)))
        tell(done[-1])
        if step.deployment is not None:
            if step.kind == "version" and answer["status"] == "pending":
                blocked[step.deployment] = waits_for(answer)
            else:
                revisions[step.deployment] = _revision(step, answer, revisions[step.deployment])
    return Applied(done, waiting, None, ())


def remaining(applied: Applied) -> Iterator[tuple[Step, str]]:
    """What is left of a plan, and why."""
    for each in applied.waiting:
        yield each.step, each.result
    if applied.failed is not None:
        yield applied.failed.step, applied.failed.result
    for step in applied.not_tried:
        yield step, "not tried"


def _ask(client: Client, step: Step, revisions: dict[Deployment, int], reason: str) -> Any:  # noqa: ANN401 - JSON
    body = dict(step.body)
    if step.kind in _REASONED:
        body["reason"] = body.get("reason") or reason
    if step.deployment is not None:
        body["expected_revision"] = revisions[step.deployment]
    return client.put(step.path, body) if step.method == "PUT" else client.post(step.path, body)


def _revision(step: Step, answer: Any, before: int) -> int:  # noqa: ANN401 - JSON
    """Revision of the deployment after a step: the next step builds on it, and on nobody else's change."""
    match step.kind:
        case "rules" | "version" | "rollout":  # a rollout that has not begun has changed nothing
            return before if answer["revision"] is None else int(answer["revision"])
        case _:
            return before + 1


def _result(step: Step, answer: Any) -> str:  # noqa: ANN401, PLR0911 - JSON; one line for each kind
    match step.kind:
        case "prompt":
            return "registered"
        case "version" if answer["status"] == "pending":
            name = answer["id"]
            return f"asked for as promotion {name}, which waits for an approval: coalmine approve {name}"
        case "version":
            return "served"
        case "rules":
            return f"set (revision {answer['revision']})"
        case "experiment":
            return f"epoch {answer['allocation_epoch']}"
        case "rollout":
            why = f": {'; '.join(answer['reasons'])}" if answer["state"] == "pending" else ""
            return f"{answer['id']} is {answer['state']}{why}"
    return "set"
