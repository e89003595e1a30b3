"""Durations and shares as people write them: `1h30m`, `5%`."""

import math
import re
from functools import lru_cache
from typing import Any, Final

from coalmine_schemas.prompts.errors import InvalidPrompt

_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION: Final = re.compile(r"(?=[0-9])" + "".join(rf"(?:([0-9]{{1,8}}){unit})?" for unit in _SECONDS))
_LONGEST_S: Final = 366 * 86_400


@lru_cache(maxsize=1_000)
def seconds(duration: str) -> float:
    """Returns the seconds of a duration that `read_duration` has accepted."""
    found = _DURATION.fullmatch(duration)
    assert found is not None
    return float(
        sum(int(count or 0) * each for count, each in zip(found.groups(), _SECONDS.values(), strict=True))
    )


def in_words(of_s: float) -> str:
    """Returns a duration in its two largest units: `1 d 4 h`, `40 min`."""
    left, parts = round(of_s), []
    for unit, name in (("d", "d"), ("h", "h"), ("m", "min"), ("s", "s")):
        count, left = divmod(left, _SECONDS[unit])
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def read_duration(value: Any, field: str) -> str:  # noqa: ANN401 - from YAML
    """Checks a duration.

    Raises:
        InvalidPrompt: It is none.
    """
    text = str(value).replace(" ", "") if isinstance(value, str) else ""
    if value == 0 and not isinstance(value, bool):
        return "0s"
    if not _DURATION.fullmatch(text):
        raise InvalidPrompt(field, value, "write a duration such as 90s, 30m, 1h, 1h30m, 2d or 1w")
    if seconds(text) > _LONGEST_S:
        raise InvalidPrompt(field, value, f"give at most {_LONGEST_S // _SECONDS['d']}d")
    return text


def read_share(value: Any, field: str) -> float:  # noqa: ANN401 - from YAML
    """Reads a share: 0.05 or `5%`.

    Raises:
        InvalidPrompt: It is none.
    """
    text = str(value).strip()
    try:
        number = float(text.removesuffix("%").strip())
    except ValueError:
        number = math.nan
    share = number / 100 if text.endswith("%") else number
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not 0 <= share <= 1:
        raise InvalidPrompt(field, value, "write a share such as 5% or 0.05")
    return share
