"""Evidence that an environment requires before it shows a version, and that is true.

A `readout` or an `experiment` is the name of an experiment, which has shown the version and says to promote
it. A `note` is free text for people, which proves nothing. Everything else, an `eval_run` say, was recorded
about the same content and has passed.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import select

from coalmine_registry.errors import EvidenceMissing, EvidenceRefused
from coalmine_registry.operations.checked_evidence import why_none, why_not_counted
from coalmine_registry.operations.deployments import has_served
from coalmine_registry.operations.inputs import NOTE, OF_EXPERIMENTS
from coalmine_registry.operations.policies import check_suite, policy
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import check_servable
from coalmine_registry.records import Evidence
from coalmine_registry.storage.tables import experiment_epochs, experiments

_SERVED_IN: Final = "served_in:"


def check_new(
    transaction: Transaction,
    environment: str,
    prompt: str,
    *,
    served: Iterable[str],
    known: Iterable[str],
    evidence: Sequence[Evidence],
) -> None:
    """Checks versions that a rule or an experiment would show and that the environment has not served yet.

    Raises:
        NotFound: A version does not exist.
        Conflict: One is retired.
        EvidenceRefused: Some evidence is about none of the versions, or not true.
        EvidenceMissing: One that never served there lacks evidence that the environment requires.
        SuiteMissing: The environment requires a suite.
    """
    versions = list(dict.fromkeys(served))
    for version in versions:
        check_servable(transaction, prompt, version)
    check_true(transaction, prompt, versions, evidence)
    for version in versions:
        if version not in known and not has_served(transaction, environment, prompt, version):
            check_evidence(transaction, environment, prompt, version, evidence)


def check_true(
    transaction: Transaction, prompt: str, versions: Sequence[str], evidence: Sequence[Evidence]
) -> None:
    """Checks that evidence exists and speaks for one of the versions that are to be shown.

    Raises:
        EvidenceRefused: Names what does not, and why.
    """
    for each in evidence if versions else ():
        reasons = [_refusal(transaction, prompt, version, each) for version in versions]
        if each.kind != NOTE and None not in reasons:
            raise EvidenceRefused(
                f"{each.kind}={each.reference:.100} is no evidence: {reasons[0]}. Text for people is a "
                f"{NOTE}, which counts for no policy"
            )


def check_evidence(
    transaction: Transaction, environment: str, prompt: str, version: str, evidence: Sequence[Evidence]
) -> None:
    """Checks that all evidence that the environment requires is there.

    Raises:
        EvidenceMissing: Names what is missing.
        SuiteMissing: The environment requires a suite.
    """
    check_suite(transaction, environment, prompt)
    kinds = policy(transaction, environment).required_evidence
    check_kinds(transaction, environment, prompt, version, evidence, required=kinds, by=environment)


def check_kinds(
    transaction: Transaction,
    environment: str,
    prompt: str,
    version: str,
    evidence: Sequence[Evidence],
    *,
    required: Sequence[str],
    by: str,
) -> None:
    """Checks that there is evidence of each kind.

    Args:
        transaction: Where to look.
        environment: Where it is to be shown.
        prompt: The prompt.
        version: The version that it must speak for.
        evidence: What was given.
        required: The kinds.
        by: Who requires them, for the error.

    Raises:
        EvidenceMissing: Names what is missing.
    """
    found = policy(transaction, environment)
    given: set[str] = set()
    doubts: dict[str, str] = {}
    for each in evidence:
        if _refusal(transaction, prompt, version, each) is None:
            doubt = None if each.kind in OF_EXPERIMENTS else why_not_counted(transaction, each, found)
            if doubt is None:
                given.add(each.kind)
            else:
                doubts[each.kind] = doubt
    missing = [
        kind
        for kind in required
        if not (
            has_served(transaction, kind.removeprefix(_SERVED_IN), prompt, version)
            if kind.startswith(_SERVED_IN)
            else kind in given
        )
    ]
    if missing:
        raise EvidenceMissing(by, missing, [doubts[kind] for kind in missing if kind in doubts])


def _refusal(transaction: Transaction, prompt: str, version: str, evidence: Evidence) -> str | None:
    """Returns why it does not speak for a version; None if it does."""
    if evidence.kind == NOTE:
        return "it is a note"
    if evidence.kind not in OF_EXPERIMENTS:
        return why_none(transaction, prompt, version, evidence)
    table = experiment_epochs
    query = select(table.c.arms).join(experiments, experiments.c.name == table.c.experiment)
    rows = transaction.all(
        query.where(experiments.c.name == evidence.reference, experiments.c.prompt == prompt)
    )
    shown = {
        arm["variant"] for row in rows for arm in row.arms if arm["version"] == version and arm["weight"] > 0
    }
    if not shown:
        return f"no experiment of that name has shown {prompt}@{version}"
    promoted = transaction.arms_to_promote(evidence.reference)
    if promoted is not None and shown.isdisjoint(promoted):
        return f"its readout does not say to promote {prompt}@{version}"
    return None
