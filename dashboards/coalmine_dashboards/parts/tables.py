"""Tables as HTML: read by screen readers, selected and searched by the browser, narrow where screens are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, Literal, TypeVar

import streamlit as st

from coalmine_dashboards.formatting import count
from coalmine_dashboards.views.markup import escape

MOST_ROWS: Final = 100
"""What a table draws: more is slow, and nobody reads it."""

_Row = TypeVar("_Row")
Tone = Literal["good", "notice", "bad"]
When = Callable[[datetime | None], str]
"""Writes a moment in the viewer's time zone."""
Told = Callable[[str], str]
"""Writes a sentence of the server, with its moments so."""


@dataclass(frozen=True, slots=True)
class Html:
    """Markup made by `links.anchor` or `dot`: not escaped again."""

    markup: str


@dataclass(frozen=True, slots=True)
class Column(Generic[_Row]):
    """A column of a table of rows."""

    title: str
    """With the unit, if it has one."""
    cell: Callable[[_Row], str | Html]
    """Text, which is shown as it is, or markup."""
    explanation: str = ""
    """Tooltip of the heading."""
    text: bool = False
    """True: words, at the left; otherwise a number, at the right."""
    vital: bool = True
    """False: left out on narrow screens."""
    wraps: bool = False
    """True: long texts, over several lines."""


def table(rows: Sequence[_Row], columns: Sequence[Column[_Row]], name: str, *, most: int = MOST_ROWS) -> None:
    """Draw a table, and say how many more rows there are; its first column names them.

    Args:
        rows: In order: the first are drawn.
        columns: From left to right.
        name: What the table shows, for screen readers.
        most: Rows that are drawn.
    """
    st.html(table_html(rows[:most], columns, name))
    say_more(len(rows), most)


def say_more(rows: int, most: int = MOST_ROWS) -> None:
    """Draw how many rows of so many a table leaves out, if it does."""
    if rows > most:
        st.caption(f"The first {most} of {count(rows)} rows. The downloads have all of them.")


def table_html(rows: Sequence[_Row], columns: Sequence[Column[_Row]], name: str) -> str:
    """The markup of a table."""
    heads = "".join(
        f'<th scope="col"{_classes(each)} title="{escape(each.explanation)}">{escape(each.title)}</th>'
        for each in columns
    )
    body = "".join(
        f"<tr>{''.join(_cell(row, at, each) for at, each in enumerate(columns))}</tr>" for row in rows
    )
    # Scrolled by keyboard too, so it is a region with a name.
    return (
        f'<div class="cm-scroll" tabindex="0" role="region" aria-label="{escape(name)}">'
        f'<table class="cm-table" aria-label="{escape(name)}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def dot(tone: Tone, text: str) -> Html:
    """A coloured dot with words: the colour is never alone."""
    return Html(f'<span class="cm-dot cm-{tone}" aria-hidden="true"></span>{escape(text)}')


def _cell(row: _Row, at: int, column: Column[_Row]) -> str:
    found = column.cell(row)
    markup = found.markup if isinstance(found, Html) else escape(found)
    if column.text and not column.wraps:
        markup = f'<span class="cm-name">{markup}</span>'
    name = 'th scope="row"' if at == 0 else "td"
    return f"<{name}{_classes(column)}>{markup}</{'th' if at == 0 else 'td'}>"


def _classes(column: Column[_Row]) -> str:
    names = [
        *(["cm-left"] if column.text else []),
        *([] if column.vital else ["cm-less"]),
        *(["cm-wrap"] if column.wraps else []),
    ]
    return f' class="{" ".join(names)}"' if names else ""
