"""What a provider's reply says about a call, whatever shape the reply had."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from coalmine.error_names import status_name


class ReplyFacts(NamedTuple):
    """Facts read out of one reply, or out of one piece of a stream; None where it does not say.

    A named tuple, because requests wait for it: a frozen dataclass of ten fields takes 2 us to make. Counts
    are kept as the provider sent them and read in the background (`usage.py`).
    """

    response_model: str | None = None
    """Model that says it answered."""
    finish_reason: str | None = None
    """Why the model stopped, in the provider's words; `refusal` where it says that it refused."""
    text: str | None = None
    """The answer, or this piece of it."""
    service_tier: str | None = None
    """Tier of service that answered, where it is said outside the usage."""
    usages: tuple[object, ...] = ()
    """Objects or mappings with the provider's counts. Of a stream the first and the last: they are running
    totals, and some providers say the input's at the beginning and the output's at the end."""
    stated_cost: object = None
    """US dollars, where a gateway says them outside the usage."""
    error_type: str | None = None
    """The provider's word for what failed, where it says so in a reply or a stream that had begun."""
    is_piece: bool = False
    """Whether this is a piece of a stream: its text is appended, its counts are running totals."""


def get(reply: object, name: str) -> Any:  # noqa: ANN401 - a reply is anything until it is looked at
    """A field of a reply given as an object or as a mapping; None when it has none."""
    if reply is None:
        return None
    if isinstance(reply, dict):
        return reply.get(name)
    value = getattr(reply, name, None)
    # Last, since this check costs more than all others together.
    if value is None and isinstance(reply, Mapping):
        return reply.get(name)
    return value


def usages_of(reply: object) -> tuple[object, ...]:
    """The reply's usage, as `ReplyFacts` keeps it."""
    usage = get(reply, "usage")
    return () if usage is None else (usage,)


def text_of(value: object) -> str | None:
    """The value if it is non-empty text."""
    return value if isinstance(value, str) and value else None


def count_of(value: object) -> int | None:
    """The value if it is a count; a mock, a bool or a negative number is not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def items_of(value: object) -> list[Any]:
    """The value if it is a list or tuple, else an empty list."""
    return list(value) if isinstance(value, list | tuple) else []


def error_of(reply: object) -> str | None:
    """What a reply's `error` is called, by its code or type; None where it has none."""
    error = get(reply, "error")
    kind, code = get(error, "type"), get(error, "code")
    found = (kind, status_name(code), code, error)
    return next((text for each in found if (text := text_of(each))), "error" if error else None)


def first_of(value: object) -> Any:  # noqa: ANN401
    """The first item of a list or tuple; None if it is empty."""
    return value[0] if isinstance(value, list | tuple) and value else None
