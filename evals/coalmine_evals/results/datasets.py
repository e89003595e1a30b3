"""Cases that versions are tried on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from coalmine_schemas.results import result

Split = Literal["dev", "test"]


@result
class Case:
    """One input, and what a right answer to it is."""

    id: str
    """Name of the case, unique in its dataset."""
    variables: Mapping[str, Any]
    """What the prompt's templates are given."""
    expected: Any
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


@result
class LeakedCase:
    """A case that the prompt shows itself."""

    case: str
    """Id of the case."""
    field: str
    """Where the prompt shows it, e.g. `messages[1].template`."""
    variable: str
    """Variable whose text stands there, e.g. `question`; `expected` for the right answer."""


@result
class NearDuplicate:
    """Two cases that say nearly the same."""

    one: str
    """Id of the one case."""
    other: str
    """Id of the other."""
    similarity: float
    """Share of their runs of three words that both have, 0 to 1."""


@result
class Leakage:
    """Cases of which a good result says nothing, since the prompt may have been written with them."""

    shown: tuple[LeakedCase, ...]
    """Cases whose text stands in the prompt, at most 100."""
    shared: tuple[NearDuplicate, ...]
    """Cases of `test` that nearly are in `dev`, at most 100."""
    alike: tuple[NearDuplicate, ...]
    """Cases of `test` that nearly are each other and are in different clusters, at most 100: they count as
    independent and are not."""
    cases_shown: int
    """Number of all cases whose text stands in the prompt."""
    cases_shared: int
    """Number of cases of `test` that nearly are in `dev`."""
    cases_alike: int
    """Number of cases of `test` that nearly are in another cluster of `test`, too."""
    warnings: tuple[str, ...]
    """The same in sentences, for reports; empty if nothing leaks."""


@result
class SegmentShare:
    """One value of a segment, in production and among cases."""

    value: str
    """Value of the segment; `(other)` for all that are rare."""
    production: float
    """Share of production requests in this segment's key that have it."""
    cases: float | None
    """Share of cases whose value is known that have it; null if none is known."""
    count: int
    """Number of these cases."""


@result
class SegmentComparison:
    """One key of segments, in production and among cases."""

    key: str
    """Key of the segment, e.g. `language`, or `input_length`, which every request has."""
    distance: float | None
    """Total variation distance between both: 0 if they are alike, 1 if nothing is common; null if unknown."""
    unknown: int
    """Cases that do not say which value they have."""
    shares: tuple[SegmentShare, ...]
    """The most frequent values in production first."""


@result
class Weighting:
    """Weights that make the cases look like production."""

    keys: tuple[str, ...]
    """Keys of segments whose shares are met."""
    effective_cases: float
    """So many cases of equal weight would say as much."""
    largest: float
    """Largest weight of a case, where 1 is the mean."""
    unmet: float
    """Share of production that no case stands for."""


@result
class Estimate:
    """A mean over cases, and what it would be in production."""

    metric: str
    """Name of the metric."""
    unweighted: float
    """Mean over cases."""
    weighted: float
    """Mean over cases, weighted to the shares of production."""
    standard_error: float | None
    """Of the weighted mean, over clusters; null if there is but one."""
    cases: int
    """Cases with a score."""


@result
class Representativeness:
    """How much the cases of a dataset are like what production asks."""

    dataset: str
    """Name of the dataset."""
    digest: str
    """SHA-256 of its cases."""
    prompt: str
    """Prompt whose requests were counted."""
    environment: str | None
    """Environment of these requests; null: all."""
    since: datetime
    """Requests from then on were counted."""
    until: datetime
    """Requests before then were counted."""
    requests: int
    """Number of these requests."""
    cases: int
    """Number of cases that were compared: those of `test`."""
    segments: tuple[SegmentComparison, ...]
    """Each key that requests have, those that differ most first."""
    lacking: tuple[str, ...]
    """What production has and the cases lack, in sentences; what cannot be compared, and how it could."""
    weighting: Weighting | None
    """Weights that make up for it; null if there is nothing to weight by."""
    estimates: tuple[Estimate, ...]
    """Means of a run as they are, and as they would be in production; empty if no run is named."""


ProposalState = Literal["waiting", "confirmed", "rejected", "forgotten"]


@result
class ProposedCase:
    """What a request suggests for a case, redacted."""

    variables: Mapping[str, Any]
    """What the prompt was given."""
    recovered: bool
    """True if the variables were found by the prompt's own template; false: `input` is all that was sent."""
    answer: str | None
    """What was answered."""
    comment: str | None
    """What the user said about it."""
    correction: str | None
    """What the user said is right."""
    capabilities: tuple[str, ...]
    """Segments of the request, e.g. `language=de`."""
    cluster: str | None
    """The same for all requests of one session; null if it is not known."""


@result
class Proposal:
    """A request with bad feedback that could be a case, until a person says what is right."""

    id: int
    """Id of the proposal."""
    dataset: str
    """Name of the dataset it is proposed for."""
    request_id: str
    """Request it came from."""
    state: ProposalState
    """`forgotten`: somebody had the request forgotten."""
    prompt: str
    """Prompt that was served."""
    version: str
    """Version that was served."""
    environment: str
    """Environment that it was served in."""
    given_at: datetime
    """When the feedback was given."""
    case: ProposedCase | None
    """What the case would be; null once it is decided."""
    proposed_at: datetime
    """When it was proposed."""
    proposed_by: str
    """Subject of the token that had it proposed."""
    decided_at: datetime | None
    """When it was confirmed or rejected."""
    decided_by: str | None
    """Subject of the token that decided."""
    reason: str | None
    """Why it was rejected."""


@result
class Proposed:
    """What production suggested."""

    proposed: int
    """Number of proposals that are new."""
    known: int
    """Requests with bad feedback that were proposed before."""
    without_text: int
    """Requests with bad feedback whose text is not stored."""
    advice: str | None
    """What to switch on to get more; null if there is nothing."""
