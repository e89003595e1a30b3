"""All that speaks for or against a version in one view: evidence, suite, rollouts, diff."""

from dataclasses import dataclass
from typing import Final

import streamlit as st

from coalmine_dashboards.api import NotFound, segment
from coalmine_dashboards.parts.affected import deployment_of, served
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import client, local, told
from coalmine_dashboards.views.diff import diff_html
from coalmine_dashboards.views.evaluations import gate_columns, run_columns
from coalmine_dashboards.views.markup import plain
from coalmine_dashboards.views.registry import (
    Shown,
    attached_columns,
    commit_of,
    evidence_columns,
    shown_columns,
)
from coalmine_evals.results.runs import EvalRun
from coalmine_registry.provenance import CheckedEvidence
from coalmine_registry.records import DeploymentRecord, Diff, Policy, Promotion, VersionRecord
from coalmine_rollouts.records import AsShipped, Rollout

_RUNS: Final = 5
_ROLLOUTS: Final = 100


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a version."""

    record: VersionRecord
    against: str | None
    """The version that it is compared with; None without any."""
    diff: Diff | None
    evidence: list[CheckedEvidence]
    runs: list[EvalRun]
    """Of suites, of this content, the newest first."""
    rollouts: list[Shown]
    promotion: Promotion | None
    """The request that it is looked at for."""
    policy: Policy | None
    """Of the environment of the request."""
    deployment: DeploymentRecord | None
    """What that environment serves now."""


def about(record: VersionRecord, against: str | None, promotion: Promotion | None = None) -> About:
    """Asks for all that is known of a version.

    Args:
        record: The version.
        against: Version to compare with; what the environment of the promotion serves if it is None.
        promotion: The request that it is looked at for.

    Raises:
        ApiError: The server does not say.
    """
    asked, prompt = client(), segment(record.name)
    policy = deployment = None
    if promotion is not None:
        path = f"/v1/environments/{segment(promotion.environment)}"
        policy = asked.read(f"{path}/policy", Policy)
        deployment = deployment_of(record.name, promotion.environment)
        against = None if deployment is None else deployment.version
        if against == record.version or against is None:
            against = None if record.classification is None else record.classification.previous
    diff = None
    if against is not None and against != record.version:
        try:
            diff = asked.read(f"/v1/prompts/{prompt}/diff", Diff, a=against, b=record.version)
        except NotFound:
            against = None
    shipped = {each.rollout: each for each in asked.read(f"/v1/prompts/{prompt}/as-shipped", list[AsShipped])}
    rollouts = asked.first("/v1/rollouts", Rollout, _ROLLOUTS, prompt=record.name)
    return About(
        record,
        against,
        diff,
        asked.first(f"/v1/prompts/{prompt}/evidence", CheckedEvidence, 50, version=record.version),
        asked.first("/v1/eval-runs", EvalRun, _RUNS, prompt=record.name, digest=record.digest),
        [Shown(each, shipped.get(each.id)) for each in rollouts if each.treatment == record.version],
        promotion,
        policy,
        deployment,
    )


def about_version(seen: About) -> None:
    """Draw all that speaks for or against a version."""
    _provenance(seen.record)
    _diff(seen)
    _evidence(seen)
    _suite(seen)
    _rollouts(seen)


def _provenance(record: VersionRecord) -> None:
    source = record.source
    by = "" if source is None or source.author is None else f", written by {plain(source.author)}"
    where = "" if source is None or source.repository is None else f" of {plain(source.repository)}"
    st.caption(
        f"Registered by {plain(record.author)} on {local(record.created_at)}; "
        f"commit {plain(commit_of(source))}{where}{by}."
    )


def _evidence(seen: About) -> None:
    st.subheader("Evidence", anchor=False)
    if seen.policy is not None and seen.promotion is not None:
        st.caption(_needs(seen.policy))
        if seen.promotion.evidence:
            table(seen.promotion.evidence, attached_columns(), "Evidence that came with the request")
    if seen.evidence:
        table(seen.evidence, evidence_columns(local), "What was found out about the version")
        downloads(seen.evidence, "evidence")
    else:
        st.caption("Nothing was recorded about this version: coalmine evals run records what a suite says.")


def _needs(policy: Policy) -> str:
    """What the environment requires, in a sentence."""
    needs = [f"evidence of kind {each}" for each in policy.required_evidence]
    needs += ["approval by somebody who did not write it"] if policy.needs_approval else []
    needs += ["a suite of evaluations"] if policy.requires_suite else []
    old = policy.evidence_max_age_days
    age = "" if old is None else f" Evidence counts for {old} days."
    return f"{policy.environment} needs {', '.join(needs) or 'nothing'}.{age}"


def _rollouts(seen: About) -> None:
    st.subheader("Rollouts", anchor=False)
    if seen.rollouts:
        table(seen.rollouts, shown_columns(local, told), "Rollouts of the version")
    else:
        st.caption("It was not rolled out: nobody has been compared with it.")


def _suite(seen: About) -> None:
    st.subheader("Suite", anchor=False)
    if not seen.runs:
        st.caption("No run of a suite has this content: coalmine evals run makes one.")
        return
    newest = next((run for run in seen.runs if run.gate is not None), None)
    if newest is not None and newest.gate is not None:
        st.markdown(f"**{plain(newest.gate.outcome)}**: {plain(newest.gate.sentence)}")
        for warning in newest.gate.warnings:
            st.markdown(f":material/warning: {plain(warning)}")
        for failed in newest.gate.must_pass_failures:
            st.markdown(f":material/close: must pass, and did not: {plain(failed.case)}")
        rows = [each for each in newest.gate.rows if each.capability is None]
        table(rows, gate_columns(), "What the gate says of each metric")
        downloads(newest.gate.rows, "gate")
    table(seen.runs, run_columns(local), "Runs of suites on this content")


def _diff(seen: About) -> None:
    st.subheader("Diff", anchor=False)
    if seen.deployment is not None:
        st.caption(f"{plain(served(seen.deployment))}.")
    if seen.diff is None:
        st.caption("There is no other version to compare it with.")
        return
    change = seen.diff.classification
    st.markdown(f"From {plain(seen.diff.a)} to {plain(seen.diff.b)}: **{plain(change.level)}**")
    for reason in change.reasons:
        st.markdown(f"- {plain(str(reason))}")
    if seen.diff.lines:
        st.html(diff_html(seen.diff))
        downloads(seen.diff.lines, "diff")
    else:
        st.caption("Both have the same content.")
