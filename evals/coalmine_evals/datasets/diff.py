"""What differs between two lists of cases of one name."""

from collections.abc import Sequence
from dataclasses import fields
from itertools import islice
from typing import Final

from coalmine_evals.results.datasets import Case, ChangedCase, DatasetDiff

_MOST: Final = 1_000


def diff_of(name: str, before: tuple[str, Sequence[Case]], after: tuple[str, Sequence[Case]]) -> DatasetDiff:
    """Compares by id.

    Args:
        name: Of the dataset.
        before: Digest and cases.
        after: Digest and cases of what it is compared with.
    """
    old = {each.id: each for each in before[1]}
    new = {each.id: each for each in after[1]}
    added = [id_ for id_ in new if id_ not in old]
    removed = [id_ for id_ in old if id_ not in new]
    changed = [id_ for id_ in new if id_ in old and new[id_] != old[id_]]
    return DatasetDiff(
        name=name,
        before=before[0],
        after=after[0],
        added=tuple(added[:_MOST]),
        removed=tuple(removed[:_MOST]),
        changed=tuple(ChangedCase(id_, _differing(old[id_], new[id_])) for id_ in islice(changed, _MOST)),
        cases_added=len(added),
        cases_removed=len(removed),
        cases_changed=len(changed),
        unchanged=len(new) - len(added) - len(changed),
    )


def _differing(one: Case, other: Case) -> tuple[str, ...]:
    return tuple(each.name for each in fields(one) if getattr(one, each.name) != getattr(other, each.name))
