"""Buttons that act, and what Slack tells when one was pressed. None of them changes what users are served."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

Act = Literal["acknowledge", "silence", "useful", "noise"]
SILENCE_S: Final = 4 * 3600
# A value has at most 2,000 characters, 17 for each fingerprint.
_MOST: Final = 100
_VALUE: Final = re.compile(
    r"(?P<act>[a-z]+):(?P<seconds>[0-9]{0,7}):(?P<fingerprints>[0-9a-f]{1,64}(?:,[0-9a-f]{1,64})*)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """What somebody asked for by a button."""

    act: Act
    fingerprints: tuple[str, ...]
    seconds: int | None = None
    """For how long, of a silence."""


def button_value(act: Act, fingerprints: Iterable[str], seconds: int | None = None) -> str:
    """Returns what a button holds."""
    return f"{act}:{'' if seconds is None else seconds}:{','.join([*fingerprints][:_MOST])}"


def pressed(action: Mapping[str, Any]) -> Pressed | None:
    """Reads one of the `actions` of a `block_actions` payload; None if it is no button of ours that acts."""
    found = _VALUE.fullmatch(str(action.get("value", "")))
    if found is None or found["act"] not in get_args(Act):
        return None
    seconds = int(found["seconds"]) if found["seconds"] else None
    act: Act = found["act"]  # type: ignore[assignment]
    if act == "silence" and not seconds:
        return None
    return Pressed(act=act, fingerprints=tuple(found["fingerprints"].split(",")), seconds=seconds)
