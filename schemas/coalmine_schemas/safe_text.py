"""Text of strangers, made safe to show: without credentials, terminal controls and what nobody sees.

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
# C0 and C1 without tab and line end, surrogates, and what is not seen: formats and directions of writing,
# unusual blanks, fillers, tags. With them different names look alike, and a text tells a model what no reader
# sees. Joiners and variants stay after the letters and signs that are written with them.
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680"
    "\u17b4\u17b5\u180b-\u180f\u2000-\u200b\u200e\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164"
    "\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|(?<![\u0620-\u1fff\u2190-\u2bff\u3000-\ud7ff\ufe0f\U0001f000-\U0001faff])[\u200c\u200d\ufe00-\ufe0f]"
)
_LINE: Final = re.compile("[\t\n]")
# Colours and weights, which our own tables have; not 8, which hides.
_COLOUR: Final = re.compile("(\x1b\\[(?:[0-79]|[1-9][0-9]{1,2})?(?:;(?:[0-79]|[1-9][0-9]{1,2})){0,8}m)")


def masked(text: str) -> str:
    """Replaces bearer tokens, and user and password of URLs, by a mask."""
    return _USERINFO.sub(f"://{MASK}@", _TOKEN.sub(MASK, text))


def printable(text: str, *, lines: bool = True) -> str:
    """Writes control and invisible characters as escapes of JSON.

    So no name can move a cursor, forge a line or look like another one.

    Args:
        text: Any text; a JSON document stays one with the same content.
        lines: False to write tabs and line ends as escapes, too.
    """
    text = _UNPRINTABLE.sub(_escape, text)
    return text if lines else _LINE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


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


def markdown_text(text: str) -> str:
    """A text from anybody, on one line, with what Markdown would read as its own escaped."""
    flat = printable(" ".join(text.split()), lines=False)
    return "".join(f"\\{each}" if each in _MARKDOWN else each for each in flat)


_MARKDOWN = frozenset("\\`*_<>[]|#")
