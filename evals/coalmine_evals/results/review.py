"""What people are asked about production requests, and how they answer."""

from collections.abc import Mapping
from datetime import datetime

from coalmine_schemas.results import result


@result
class ReviewQuestion:
    """One question of a queue."""

    name: str
    """Name of the scores that the answers become; those about flagged requests end in `_flagged`."""
    ask: str
    """Text of the question."""
    answers: Mapping[str, float]
    """Score by answer, 0 to 1."""


@result
class ReviewQueue:
    """A queue of requests to answer questions about."""

    name: str
    """Name of the queue."""
    questions: tuple[ReviewQuestion, ...]
    """What is asked about each request."""
    random: float
    """Share of the requests that are asked about whatever they are like."""
    double: float
    """Share of the items that two people answer for."""
    flags: tuple[str, ...]
    """What else puts a request into the queue."""
    waiting: int
    """Items that lack an answer."""
    answered: int
    """Items that have all of theirs."""


@result
class ReviewItem:
    """A request to answer questions about."""

    id: int
    """Number of the item."""
    queue: str
    """Queue that it is in."""
    request_id: str
    """The request: `GET /v1/requests/{request_id}` has all of it."""
    environment: str
    """Where it was made."""
    prompt: str
    """Name of its prompt."""
    version: str
    """Version of the prompt."""
    why: str
    """`random`, or the flag that put it into the queue."""
    wanted: int
    """People that are to answer."""
    answered: int
    """People that have."""
    queued_at: datetime
    """When it came into the queue."""


@result
class ReviewTask:
    """An item for one person, with what was asked and answered."""

    item: int
    """Number of the item; answers name it."""
    queue: str
    """Queue that it is in."""
    prompt: str
    """Name of the prompt. Nobody should answer by its version, or by why it is in the queue: not shown."""
    input_text: str | None
    """What was asked; null if that was not captured."""
    output_text: str
    """What was answered."""
    questions: tuple[ReviewQuestion, ...]
    """What to answer."""
    until: datetime
    """Nobody else is given the item before then."""
    waiting: int
    """Items that wait for this person, with this one."""


@result
class ReviewAnswer:
    """One person's answer to one question about one request."""

    item: int
    """Number of the item."""
    request_id: str
    """Id of the request."""
    reviewer: str
    """Subject of the token."""
    question: str
    """Name of the question."""
    answer: str
    """What was answered."""
    value: float
    """Score of the answer."""
    counts: bool
    """True if it became a score: the first person's answer does, others show how far people agree."""
    at: datetime
    """When it was given."""


@result
class ReviewAgreement:
    """How far two people agree on a question."""

    queue: str
    """Name of the queue."""
    question: str
    """Name of the question."""
    items: int
    """Items that two people answered for."""
    agreement: float | None
    """Mean closeness of their answers: 1 the same, 0 as far apart as answers go; null without any."""
    kappa: float | None
    """Cohen's kappa, with linear weights: agreement beyond chance; null if chance alone explains it."""
    lower: float | None
    """Lower end of its 95 % interval."""
    upper: float | None
    """Upper end of the same."""
    random_mean: float | None
    """Mean score of the random part, which stands for all requests; null without any answer."""
    random_items: int
    """Items of the random part with an answer."""
