"""Cases that versions are tried on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from coalmine_schemas.prompts.json_values import JsonValue
from coalmine_schemas.results import result

Split = Literal["dev", "test"]


@result
class Case:
    """One input, and what a right answer to it is."""

    id: str
    """Name of the case, unique in its dataset."""
    variables: Mapping[str, JsonValue]
    """What the prompt's templates are given."""
    expected: JsonValue
    """What a right answer is, in the form that the scorers read; null if none is known."""
    capabilities: tuple[str, ...]
    """What the case tries, e.g. `refunds` or `german`: results are shown by these, too."""
    cluster: str
    """Cases that share it are not independent: same document, say. The id if it stands alone."""
    split: Split
    """`test` decides in the gate; `dev` is for writing the prompt and never decides."""
    must_pass: bool
    """True if the case has to be right in all repeats."""
    source: str | None
    """Where it came from, e.g. `request:<request id>`; null if somebody wrote it."""


@result
class Dataset:
    """A list of cases that is never changed: another list is another dataset of the same name."""

    name: str
    """Name of the dataset."""
    digest: str
    """SHA-256 of its cases in their order, as 64 hexadecimal digits."""
    cases: int
    """Number of cases."""
    clusters: int
    """Number of clusters of cases that are not independent."""
    must_pass: int
    """Number of cases that have to be right in all repeats."""
    capabilities: Mapping[str, int]
    """Number of cases by capability."""
    imported_at: datetime
    """When it was imported."""
    imported_by: str
    """Subject of the token that imported it."""
    forgotten: int
    """Cases that are gone, because somebody had a request of theirs forgotten."""


@result
class ChangedCase:
    """A case that two datasets have, but not alike."""

    id: str
    """Name of the case."""
    fields: tuple[str, ...]
    """What differs, e.g. `expected`."""


@result
class DatasetDiff:
    """What differs between two lists of cases of one name."""

    name: str
    """Name of the dataset."""
    before: str
    """Digest of the one."""
    after: str
    """Digest of the other."""
    added: tuple[str, ...]
    """Ids of cases that only the other has, at most 1,000."""
    removed: tuple[str, ...]
    """Ids of cases that only the one has, at most 1,000."""
    changed: tuple[ChangedCase, ...]
    """Cases of the same id that differ, at most 1,000."""
    cases_added: int
    """Number of all that were added."""
    cases_removed: int
    """Number of all that were removed."""
    cases_changed: int
    """Number of all that were changed."""
    unchanged: int
    """Number of cases that are the same in both."""
