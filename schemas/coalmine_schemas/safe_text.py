"""Text of strangers, made safe to show: without credentials, and without what a terminal would obey.

All of it is linear in the length of the text: whoever names something must not choose what it costs us.
"""

import re
from typing import Any, Final, TextIO

MASK: Final = "********"

_TOKEN: Final = re.compile(r"(?i)\b(?:bearer|basic)\s++[A-Za-z0-9._~+/=-]{8,}+|\bcm_[A-Za-z0-9_-]{16,}+")
# Begins at "://" and ends before the next one, so that no character is looked at from many starts. A password
# may hold what a URL may not, "/" or "@"; `host:8321/` is a port.
_USERINFO: Final = re.compile(
    r"""://(?:[^\s/@:"'<>]*+:(?!\d{1,5}/)(?:(?!://)[^\s"'<>])*|[^\s/@"'<>]*+)@""",
)
# C0 and C1 without tab and line end, line separators, what overrides the direction of writing, surrogates.
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LINE: Final = re.compile("[\t\n]")
# Colours and weights, which our own tables have; not 8, which hides.
_COLOUR: Final = re.compile("(\x1b\\[(?:[0-79]|[1-9][0-9]{1,2})?(?:;(?:[0-79]|[1-9][0-9]{1,2})){0,8}m)")


def masked(text: str) -> str:
    """Replaces bearer tokens, and user and password of URLs, by a mask."""
    return _USERINFO.sub(f"://{MASK}@", _TOKEN.sub(MASK, text))


def printable(text: str, *, lines: bool = True) -> str:
    """Writes control characters as escapes of JSON, so that no name can move a cursor or forge a line.

    Args:
        text: Any text; a JSON document stays one with the same content.
        lines: False to write tabs and line ends as escapes, too.
    """
    text = _UNPRINTABLE.sub(_escape, text)
    return text if lines else _LINE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


class PrintableStream:
    """A text stream in front of a terminal: colours are kept, the rest is `printable`."""

    def __init__(self, stream: TextIO) -> None:
        self.raw = stream
        """The stream itself, for what draws, such as progress bars, and names nothing of strangers."""

    def write(self, text: str) -> int:
        """Writes text. Returns the number of characters given."""
        pieces = _COLOUR.split(text)  # text and colours by turns
        pieces[::2] = map(printable, pieces[::2])
        self.raw.write("".join(pieces))
        return len(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self.raw, name)
