"""What people may ask of a rollout, in its state."""

import time
from collections.abc import Mapping
from typing import Any, Final, Literal

import streamlit as st

from coalmine_dashboards.api import Refused, segment
from coalmine_dashboards.parts.actions import action
from coalmine_dashboards.parts.affected import everywhere, here
from coalmine_dashboards.parts.viewer import client
from coalmine_registry.freeze_records import FreezeRecord, Panic
from coalmine_registry.roles import Role
from coalmine_rollouts.records import SERVING, Rollout, RolloutCommand
from coalmine_schemas.prompts import percent

_Command = Literal["pause", "resume", "approve", "rebase", "promote", "abort"]
_DONE: Final[Mapping[_Command, str]] = {
    "pause": "It is paused.",
    "resume": "It goes on.",
    "approve": "It is approved.",
    "rebase": "It starts from what its place serves now.",
    "promote": "Everybody gets it.",
    "abort": "It is taken back.",
}
_PATIENCE_S: Final = 4.0
"""A command is carried out by the next tick of the controller, which it wakes."""


def rollout_actions(rollout: Rollout, weight: float) -> None:
    """Draw the buttons for what may be asked of a rollout now.

    Args:
        rollout: As the viewer sees it: what changes its course is refused once it is no longer so.
        weight: Share that the treatment has now, 0 to 1.
    """
    name = f"{rollout.prompt} {rollout.treatment}"
    seen = f"You act on row version {rollout.row_version}; it is refused if something changed since."
    with st.container(horizontal=True, key="rollout-actions"):
        if rollout.is_terminal:
            if rollout.state != "completed":
                _retry(rollout)
        else:
            if rollout.state == "paused":
                _ask(
                    rollout, "resume", "Resume", f"{name} goes on; the clock of its stage begins again.", seen
                )
            elif rollout.state in SERVING:
                _ask(
                    rollout,
                    "pause",
                    "Pause",
                    f"{name} stays at {percent(weight)}. Harm is still watched, and takes it back.",
                    seen,
                )
            if rollout.state == "pending" or rollout.plan.needs_approval(rollout.stage + 1):
                what = "its start" if rollout.state == "pending" else "its next step"
                _ask(rollout, "approve", "Approve", f"You approve {what}: {name}.", seen)
            if any(reason.startswith("changed") for reason in rollout.reasons):
                _ask(rollout, "rebase", "Rebase", f"{name} starts from what its place serves now.", seen)
            if rollout.state in SERVING:
                _ask(
                    rollout,
                    "promote",
                    "Promote without proof",
                    f"Everybody gets {name} now, without proof that it is not worse. "
                    "Its record says so for ever.",
                    seen,
                )
            back = (
                "It is cancelled; nobody has seen it."
                if rollout.state == "pending"
                else (f"Everybody gets {rollout.control} again, at once.")
            )
            _ask(rollout, "abort", "Abort", back, "Nothing stands before it.", role=Role.AUTHOR)
        _freeze(rollout)
        _panic(rollout)


def _ask(
    rollout: Rollout,
    command: _Command,
    label: str,
    question: str,
    revision: str,
    *,
    role: Role = Role.APPROVER,
) -> None:
    seen = None if command == "abort" else rollout.row_version

    def do(why: str) -> str:
        path = f"/v1/rollouts/{segment(rollout.id)}"
        body: Mapping[str, Any] = {"reason": why}
        made = client().send("POST", f"{path}/{command}", RolloutCommand, body, revision=seen)
        return _answer(path, made, _DONE[command])

    action(
        label,
        do,
        str,
        key=f"rollout-{command}",
        role=role,
        question=question,
        affected=lambda: f"{here(rollout.prompt, rollout.environment)} {revision}",
        primary=command in ("approve", "resume"),
    )


def _answer(path: str, made: RolloutCommand, done: str) -> str:
    """What came of a command, once the controller has carried it out; raises `Refused` with its words."""
    until = time.monotonic() + _PATIENCE_S
    while made.done_at is None and time.monotonic() < until:
        time.sleep(0.1)
        made = client().read(f"{path}/commands/{made.id}", RolloutCommand)
    if made.done_at is None:
        return "Asked; the next tick of the controller does it."
    if made.answer not in (None, "done"):
        raise Refused(client().url, str(made.answer))
    return done


def _retry(rollout: Rollout) -> None:
    def do(why: str) -> str:
        made = client().send("POST", f"/v1/rollouts/{segment(rollout.id)}/retry", Rollout, {"reason": why})
        st.query_params["rollout"] = made.id
        return f"{made.id} is {made.state}."

    action(
        "Try again",
        do,
        str,
        key="rollout-retry",
        role=Role.AUTHOR,
        question=f"A new rollout of {rollout.prompt} {rollout.treatment} begins, with the same plan and "
        "other users.",
        affected=lambda: here(rollout.prompt, rollout.environment),
    )


def _freeze(rollout: Rollout) -> None:
    body = {"environment": rollout.environment, "prompt": rollout.prompt}
    action(
        "Freeze",
        lambda why: client().send("POST", "/v1/freezes", FreezeRecord, {**body, "reason": why}),
        f"{rollout.prompt} is frozen in {rollout.environment}. The page Registry ends it.",
        key="rollout-freeze",
        role=Role.APPROVER,
        question=f"Nothing new of {rollout.prompt} is shown to anybody in {rollout.environment} until "
        "somebody ends the freeze. Going back remains possible.",
        affected=lambda: here(rollout.prompt, rollout.environment),
    )


def _panic(rollout: Rollout) -> None:
    path = f"/v1/prompts/{segment(rollout.prompt)}/panic"
    action(
        "Panic",
        lambda why: client().send("POST", path, Panic, {"reason": why}),
        said_of_panic,
        key="rollout-panic",
        role=Role.AUTHOR,
        question=f"{rollout.prompt} goes back to what served before in every environment, now: experiments "
        "and rollouts end, and the prompt is frozen. No gate, lock or freeze stands before it.",
        affected=lambda: everywhere(rollout.prompt),
    )


def said_of_panic(done: Panic) -> str:
    """What a panic did, in one line."""
    each = [
        f"{one.environment} serves {one.version}" + ("" if one.changed else " as before")
        for one in done.environments
    ]
    return f"{'; '.join(each) or 'nothing serves it'}. Freeze {done.freeze.id} keeps it so."
