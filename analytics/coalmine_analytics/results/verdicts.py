"""The words that analyses use for what they found; each word has one meaning everywhere.

| word | meaning |
|---|---|
| `not enough data` | Too few units, requests or values to say anything yet. |
| `no difference shown` | There is enough data, and no difference beyond chance is shown so far. |
| `better`, `worse` | A difference is shown, and the metric says which way is better. |
| `higher`, `lower` | A difference is shown, and the metric does not say which way is better. |
| `not worse` | Worse by less than the margin, if at all: what must be proven is proven. |
| `not applicable` | Hardly any unit has a value, so nothing can be shown; it does not hold up a promotion. |
| `undecided` | Neither harm nor its absence (of a goal: no improvement) is shown yet. |
| `seems better`, `seems worse`, `seems higher`, `seems lower` | As without `seems`, without randomisation. |
| `moved` | The metric changed, between the two sides of an explanation, for the requests with this value. |
| `steady` | An unchanged version gives the values of its reference. |
| `drifted` | An unchanged version has shifted away from its reference, and still is. |
| `returned` | It drifted, and its last days are like the reference again. |
"""

from typing import Literal

Direction = Literal["higher", "lower", "same", "unknown"]
"""Which way is better. `same`: any change is bad. `unknown`: not declared, so it is never judged."""

Role = Literal["must_prove", "must_not_harm", "signal", "shown"]
"""What depends on a metric. `must_prove`: harm rolls back, and a promotion needs proof that there is none.
`must_not_harm`: harm rolls back. `signal`: harm holds. `shown`: nothing."""

ACTING: tuple[Role, ...] = ("must_prove", "must_not_harm")
"""Roles of metrics whose harm rolls back."""

Decision = Literal["rollback", "promote", "hold"]
"""`rollback` and `promote` stand once made; a rollback also overrules a promotion."""

Difference = Literal["better", "worse", "higher", "lower"]
"""A difference that is shown."""

Verdict = Literal[
    "not enough data",
    "not applicable",
    "worse",
    "not worse",
    "better",
    "undecided",
    "no difference shown",
    "higher",
    "lower",
]
"""About one metric of an arm. `undecided` is an answer: neither harm nor its absence is shown yet."""

SeemingVerdict = Literal[
    "not enough data", "seems better", "seems worse", "seems higher", "seems lower", "no difference shown"
]
"""About one metric of two versions. Never stronger than `seems`: nothing was randomised."""

MovedVerdict = Literal["moved", "no difference shown", "not enough data"]
"""About a metric for the requests with one value, on two sides of a change."""

DriftState = Literal["not enough data", "steady", "drifted", "returned"]
"""`returned`: it drifted, and the last days are as the reference was."""


def difference_word(direction: Direction, *, upward: bool) -> Difference:
    """The word for a difference that is shown."""
    if direction in ("higher", "lower"):
        return "better" if upward == (direction == "higher") else "worse"
    return "higher" if upward else "lower"
