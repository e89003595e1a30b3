"""HTML and Markdown of the page. All external text is escaped here and nowhere else."""

import re
from collections.abc import Iterable, Sequence
from html import escape as html_escape
from importlib.resources import files

from coalmine_dashboards.views.health import HealthItem, Tone
from coalmine_dashboards.views.table import COLUMNS, Cell, Column, TableRow
from coalmine_schemas.safe_text import printable

__all__ = ["code_block", "health_strip", "plain", "shown", "stylesheet", "versions_table"]


_DOTS: dict[Tone, str] = {"good": "cm-good", "notice": "cm-notice", "bad": "cm-bad"}


def stylesheet() -> str:
    """Returns the style sheet of the page."""
    css = (files("coalmine_dashboards") / "views" / "style.css").read_text(encoding="utf-8")
    return f"<style>{css}</style>"


def shown(name: str) -> str:
    """Returns a name with what nobody would see in it written out."""
    return printable(name, lines=False)


def escape(text: str) -> str:
    """Returns HTML that shows a text as it is."""
    return html_escape(shown(text))


def code_block(text: str) -> str:
    """Returns HTML of commands or code to copy: a click selects all of it.

    Without Streamlit's colours, whose script of 1.5 MB kept a page waiting that showed three lines.
    """
    lines = "\n".join(map(escape, text.splitlines()))
    return f'<pre class="cm-code">{lines}</pre>'


def health_strip(items: Sequence[HealthItem], name: str = "Ingest health") -> str:
    """Returns figures in one line as a description list of that name, with explanations of the bad ones."""
    cells = []
    for item in items:
        dot = _DOTS.get(item.tone)
        mark = f'<span class="cm-dot {dot}" role="img" aria-label="{item.tone}"></span>' if dot else ""
        cells.append(
            f'<div title="{escape(item.explanation)}" data-health="{escape(item.label)}">'
            f"<dt>{escape(item.label)}</dt><dd>{mark}{escape(item.value)}</dd></div>"
        )
    strip = f'<dl class="cm-strip" aria-label="{escape(name)}">{"".join(cells)}</dl>'
    # A problem must be visible without hovering.
    notes = [
        f"<b>{escape(item.label)}</b> {escape(item.explanation)}" for item in items if item.tone == "bad"
    ]
    return strip + (f'<p class="cm-note" role="alert">{"<br>".join(notes)}</p>' if notes else "")


def plain(text: str) -> str:
    """Returns Markdown that shows a text as it is: an image in a stranger's name would be fetched."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(printable(text).split()))


def versions_table(rows: Iterable[TableRow]) -> str:
    """Returns the table of versions, with their colours in the charts."""
    heads = "".join(
        f'<th scope="col"{_less(column)} title="{escape(column.explanation)}">{escape(column.title)}</th>'
        for column in COLUMNS
    )
    return (
        '<div class="cm-scroll" tabindex="0" role="region" aria-label="Versions">'
        '<table class="cm-table cm-versions" aria-label="Versions"><thead><tr>'
        '<th scope="col" class="cm-left">Version</th><th scope="col" class="cm-left cm-model">Model</th>'
        f"{heads}"
        f"</tr></thead><tbody>{''.join(_row(row) for row in rows)}</tbody></table></div>"
    )


def _row(row: TableRow) -> str:
    return (
        f'<tr data-version="{escape(row.prompt)} {escape(row.version)}">'
        f'<th scope="row" class="cm-left" title="{escape(row.explanation)}">'
        f'<span class="cm-name"><span class="cm-swatch" style="background:{escape(row.swatch)}"></span>'
        f"{escape(row.prompt)} <b>{escape(row.version)}</b></span></th>"
        f'<td class="cm-left cm-model">{escape(row.models)}</td>'
        f"{''.join(map(_cell, COLUMNS, row.cells))}</tr>"
    )


def _less(column: Column) -> str:
    return "" if column.vital else ' class="cm-less"'


def _cell(column: Column, cell: Cell) -> str:
    aside = "" if cell.aside is None else f" <small>{escape(cell.aside)}</small>"
    return f"<td{_less(column)}>{escape(cell.text)}{aside}</td>"
