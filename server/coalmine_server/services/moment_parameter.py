"""Moments as query parameters. Apart from `coalmine_server.moment`, because `--help` needs no pydantic."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator

from coalmine_schemas.errors import InvalidParameter
from coalmine_server.moment import parse_moment


def _read(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return parse_moment(text, datetime.now(UTC))
    except InvalidParameter as error:
        raise ValueError(str(error)) from None


Moment = Annotated[datetime, BeforeValidator(_read, json_schema_input_type=str)]
"""ISO 8601, or how long ago."""


def check_period(since: datetime | None, until: datetime | None) -> None:
    """Refuses a period that is empty.

    Raises:
        InvalidParameter: It ends before it starts.
    """
    if since is not None and until is not None and since >= until:
        raise InvalidParameter("since must be before until")
