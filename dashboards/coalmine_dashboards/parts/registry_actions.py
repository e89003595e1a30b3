"""What people may change in the registry: decide, go back, retire, freeze."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from coalmine_dashboards.api import NotFound, Refused, segment
from coalmine_dashboards.parts.actions import action
from coalmine_dashboards.parts.affected import deployment_of, here, served
from coalmine_dashboards.parts.filters import ALL
from coalmine_dashboards.parts.viewer import caller, client, local, may
from coalmine_dashboards.views.markup import plain, shown
from coalmine_dashboards.views.registry import freeze_of
from coalmine_registry.freeze_records import FreezeRecord
from coalmine_registry.records import (
    ENVIRONMENTS,
    DeploymentRecord,
    HygieneCandidate,
    Promotion,
    PromptSummary,
    ServedVersion,
    VersionRecord,
)
from coalmine_registry.roles import Role, is_same_person

_LENGTHS: Final[dict[str, timedelta | None]] = {
    "somebody ends it": None,
    "in 1 hour": timedelta(hours=1),
    "in 8 hours": timedelta(hours=8),
    "in 1 day": timedelta(days=1),
    "in 7 days": timedelta(days=7),
}


def decide(promotion: Promotion, record: VersionRecord) -> None:
    """Draw a promotion's head, and the buttons that decide it."""
    name = f"{promotion.prompt} {promotion.version}"
    st.subheader(
        f"{plain(name)} :gray[:small[for {plain(promotion.environment)}: {promotion.status}]]", anchor=False
    )
    decided = ""
    if promotion.decided_by is not None and promotion.decided_at is not None:
        why = f": {plain(promotion.decision_reason)}" if promotion.decision_reason else ""
        decided = f" Decided by {plain(promotion.decided_by)}, {local(promotion.decided_at)}{why}."
    st.markdown(
        f"Asked for by {plain(promotion.requested_by)}, {local(promotion.requested_at)}"
        f"{': ' + plain(promotion.reason) if promotion.reason else ''}.{decided}"
    )
    if promotion.status != "pending" or not may(Role.APPROVER):
        return
    own = is_same_person(caller().subject, record.author)
    path = f"/v1/promotions/{segment(promotion.id)}"
    with st.container(horizontal=True):
        action(
            "Approve",
            lambda _why: client().send("POST", f"{path}/approve", Promotion, {}),
            lambda came: f"{name} is {came.status} in {came.environment}.",
            key="promotion-approve",
            role=Role.APPROVER,
            question=f"{promotion.environment} serves {name} by default, at once.",
            affected=lambda: _now(promotion.prompt, promotion.environment),
            needs_reason=False,
            primary=True,
            disabled="You wrote this version: another approver has to decide." if own else None,
        )
        action(
            "Reject",
            lambda why: client().send("POST", f"{path}/reject", Promotion, {"reason": why}),
            f"{name} is rejected.",
            key="promotion-reject",
            role=Role.APPROVER,
            question=f"{name} is not served; {promotion.requested_by} may ask again.",
        )


def _now(prompt: str, environment: str) -> str:
    """What is served there now, and how much asks for it."""
    deployment = deployment_of(prompt, environment)
    before = f"{environment} serves nothing of it" if deployment is None else served(deployment)
    return f"{before}. {here(prompt, environment)}"


def roll_back(summary: PromptSummary, known: Mapping[str, Sequence[ServedVersion]]) -> None:
    """Draw what takes an environment back to what it served before."""
    if not summary.serving or not may(Role.AUTHOR):
        return
    with st.expander("Roll back"):
        environment = st.selectbox("Environment", list(summary.serving), key="back-in", width=220)
        versions = [each.version for each in known.get(environment, ()) if not each.serving]
        if not versions:
            st.caption(f"{environment} has served nothing else, to which it could go back.")
            return
        version = st.selectbox("Version", versions, key="back-to", width=220)
        deployment = deployment_of(summary.name, environment)
        if deployment is None:
            return
        path = f"/v1/environments/{segment(environment)}/prompts/{segment(summary.name)}/rollback"
        action(
            f"Roll {environment} back",
            lambda why: client().send(
                "POST",
                path,
                DeploymentRecord,
                {"to_version": version, "reason": why},
                revision=deployment.revision,
            ),
            lambda came: f"{served(came)}.",
            key="roll-back",
            role=Role.AUTHOR,
            question=f"{environment} serves {summary.name} {version} again, at once. Its experiments and "
            "rollouts there end.",
            affected=lambda: f"You act on revision {deployment.revision}. {_now(summary.name, environment)}",
        )


def set_status(record: VersionRecord) -> None:
    """Draw the button that retires an active version, or archives a retired one."""
    if record.status == "archived":
        return
    verb = "retire" if record.status == "active" else "archive"
    path = f"/v1/prompts/{segment(record.name)}/versions/{segment(record.version)}/{verb}"
    action(
        verb.capitalize(),
        lambda why: client().send("POST", path, VersionRecord, {"reason": why}),
        lambda came: f"{came.reference} is {came.status}.",
        key="version-status",
        role=Role.APPROVER,
        question=f"{record.reference} cannot be served any more; it stays readable."
        if verb == "retire"
        else f"{record.reference} leaves the lists; it stays readable.",
        affected="It is refused while an environment serves it.",
    )


def retire_unused(candidates: Sequence[HygieneCandidate]) -> None:
    """Draw what retires several unused versions at once."""
    if not may(Role.APPROVER):
        return
    by_name = {f"{each.name}@{each.version}": each for each in candidates}
    chosen = st.multiselect("Versions to retire", list(by_name), key="unused", format_func=shown)

    def do(why: str) -> str:
        refused = []
        for name in chosen:
            each = by_name[name]
            path = f"/v1/prompts/{segment(each.name)}/versions/{segment(each.version)}/retire"
            try:
                client().send("POST", path, VersionRecord, {"reason": why})
            except (NotFound, Refused) as error:
                refused.append(f"{name}: {error.detail}")
        if refused:
            done = len(chosen) - len(refused)
            raise Refused(client().url, f"{done} retired; not {'; '.join(refused)}")
        return f"{len(chosen)} retired."

    action(
        "Retire those",
        do,
        str,
        key="retire-unused",
        role=Role.APPROVER,
        question=f"They cannot be served any more: {', '.join(chosen)}. They stay readable.",
        disabled=None if chosen else "Choose versions first.",
    )


def freeze_something(prompts: Sequence[str]) -> None:
    """Draw what freezes a prompt, an environment, or everything."""
    if not may(Role.APPROVER):
        return
    with st.expander("Freeze something"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            prompt = st.selectbox(
                "Prompt",
                [ALL, *prompts],
                format_func=lambda name: "Every prompt" if name == ALL else shown(name),
                key="freeze-prompt",
                width=220,
            )
            environment = st.selectbox(
                "Environment",
                [ALL, *ENVIRONMENTS],
                format_func=lambda name: "Every environment" if name == ALL else name,
                key="freeze-environment",
                width=220,
            )
            ends = st.selectbox("Ends", list(_LENGTHS), key="freeze-ends", width=180)
        body = {
            "prompt": None if prompt == ALL else prompt,
            "environment": None if environment == ALL else environment,
        }

        def do(why: str) -> FreezeRecord:
            length = _LENGTHS[ends]
            until = None if length is None else datetime.now(UTC) + length
            return client().send("POST", "/v1/freezes", FreezeRecord, {**body, "until": until, "reason": why})

        what = f"{body['prompt'] or 'every prompt'} in {body['environment'] or 'every environment'}"
        action(
            "Freeze it",
            do,
            lambda came: f"Freeze {came.id} holds: {freeze_of(came)}.",
            key="freeze",
            role=Role.APPROVER,
            question=f"Nothing new is shown to anybody of {what}: no promotion, no next stage. Going back "
            "remains possible.",
            affected="Everybody who would promote or roll out there is refused, and told your reason.",
        )


def end_freezes(freezes: Sequence[FreezeRecord]) -> None:
    """Draw what ends a freeze."""
    if not freezes or not may(Role.APPROVER):
        return
    by_id = {each.id: each for each in freezes}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Freeze",
            list(by_id),
            format_func=lambda number: f"{number}: {shown(freeze_of(by_id[number]))}",
            key="freeze-chosen",
            width=320,
        )
        action(
            "End it",
            lambda why: client().send("POST", f"/v1/freezes/{chosen}/end", FreezeRecord, {"reason": why}),
            lambda came: f"Freeze {came.id} has ended.",
            key="freeze-end",
            role=Role.APPROVER,
            question=f"What waited goes on: {freeze_of(by_id[chosen])}.",
            affected=f"{by_id[chosen].frozen_by} froze it: {by_id[chosen].reason}",
        )
