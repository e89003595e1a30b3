"""The cases of a suite: from the file beside it, or from the database."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from coalmine_evals.datasets.jsonl import digest_of, read_cases
from coalmine_evals.results.datasets import Case
from coalmine_evals.suites.suite import Suite
from coalmine_schemas.mistakes import InvalidFile

if TYPE_CHECKING:
    from coalmine_registry.storage.database import Database


@dataclass(frozen=True, slots=True)
class SuiteCases:
    """What a suite is run on."""

    suite: Suite
    """With the digest of its cases, which it may have left open."""
    every: Sequence[Case]
    """All cases, those of the other split too: what leaks from one into the other is seen here."""

    @property
    def chosen(self) -> Sequence[Case]:
        """The cases that the suite counts."""
        return [each for each in self.every if self.suite.split in ("all", each.split)]


def cases_beside(suite: Suite, path: Path) -> SuiteCases:
    """Reads the cases of a suite from the file that it names.

    Args:
        suite: That names a file.
        path: Of the suite.

    Raises:
        InvalidFile: The file has mistakes, or other cases than the suite says.
    """
    assert suite.file is not None
    found = read_cases(path.parent / suite.file)
    digest = digest_of(found)
    if suite.dataset_digest not in (None, digest):
        raise InvalidFile(
            [
                f"{path.name}: dataset_digest is {suite.dataset_digest}, but {suite.file} has {digest}: "
                "look at what changed, then `coalmine suite check --fix` writes it"
            ]
        )
    return checked(suite, digest, found)


def cases_kept(suite: Suite, database: "Database") -> SuiteCases:
    """Returns the cases of a suite from the database.

    Raises:
        NotFound: They are not kept there.
    """
    # Not above: what compares recorded answers needs nothing of the server.
    from coalmine_evals.datasets.storage import cases_of, find_dataset  # noqa: PLC0415

    dataset = find_dataset(database, suite.dataset, suite.dataset_digest)
    return checked(suite, dataset.digest, cases_of(database, dataset.digest))


def checked(suite: Suite, digest: str, every: Sequence[Case]) -> SuiteCases:
    """Returns the cases of a suite, if it can be run on them.

    Args:
        suite: What is run.
        digest: Of the cases.
        every: All of the dataset.

    Raises:
        InvalidFile: None of them counts, or the suite names a capability that none of them tries.
    """
    found = SuiteCases(replace(suite, dataset_digest=digest), every)
    mistakes = []
    if not found.chosen:
        mistakes.append(f"{suite.name}: split is {suite.split!r}, of which the dataset has no case")
    known = {capability for each in every for capability in each.capabilities}
    for each in suite.capabilities:
        if each not in known:
            has = ", ".join(sorted(known)[:20]) or "none"
            mistakes.append(f"{suite.name}: capabilities has {each!r}, which no case names: they name {has}")
    if mistakes:
        raise InvalidFile(mistakes)
    return found
