"""Evidence that an environment requires before it shows a version."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import select

from coalmine_registry.errors import EvidenceMissing
from coalmine_registry.operations.deployments import has_served
from coalmine_registry.operations.policies import policy
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import check_servable
from coalmine_registry.records import Evidence
from coalmine_registry.storage.tables import experiment_epochs, experiments

_SERVED_IN: Final = "served_in:"
_OF_EXPERIMENTS: Final = ("experiment", "readout")
"""Kinds whose reference is the name of an experiment, which the registry knows."""
_REFERENCE: Final = re.compile(r"[!-~]{1,500}")


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
        EvidenceMissing: One that never served there lacks evidence that the environment requires.
    """
    for version in dict.fromkeys(served):
        check_servable(transaction, prompt, version)
        if version not in known and not has_served(transaction, environment, prompt, version):
            check_evidence(transaction, environment, prompt, version, evidence)


def check_evidence(
    transaction: Transaction, environment: str, prompt: str, version: str, evidence: Sequence[Evidence]
) -> None:
    """Checks that all evidence that the environment requires is there.

    Raises:
        EvidenceMissing: Names what is missing.
    """
    given = {each.kind for each in evidence if _counts(transaction, prompt, version, each)}
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


def _counts(transaction: Transaction, prompt: str, version: str, evidence: Evidence) -> bool:
    """Returns True if it names an id or a URL, or an experiment that showed the version."""
    if evidence.kind not in _OF_EXPERIMENTS:
        return _REFERENCE.fullmatch(evidence.reference) is not None
    table = experiment_epochs
    query = select(table.c.arms).join(experiments, experiments.c.name == table.c.experiment)
    rows = transaction.all(
        query.where(experiments.c.name == evidence.reference, experiments.c.prompt == prompt)
    )
    return any(arm["version"] == version and arm["weight"] > 0 for row in rows for arm in row.arms)
