"""HTML of the strip and the table. All external text is escaped here and nowhere else."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from coalmine_dashboards.views.health import HealthItem, Tone
from coalmine_dashboards.views.table import COLUMNS, Cell, TableRow

__all__ = ["health_strip", "stylesheet", "versions_table"]

_DOTS: dict[Tone, str] = {"good": "cm-good", "notice": "cm-notice", "bad": "cm-bad"}


def stylesheet() -> str:
    """Returns the style sheet of the page."""
    css = (files("coalmine_dashboards") / "views" / "style.css").read_text(encoding="utf-8")
    return f"<style>{css}</style>"


def health_strip(items: Sequence[HealthItem]) -> str:
    """Returns the collector's figures as a description list, with explanations of the bad ones."""
    cells = []
    for item in items:
        dot = _DOTS.get(item.tone)
        mark = f'<span class="cm-dot {dot}" role="img" aria-label="{item.tone}"></span>' if dot else ""
        cells.append(
            f'<div title="{escape(item.explanation)}" data-health="{escape(item.label)}">'
            f"<dt>{escape(item.label)}</dt><dd>{mark}{escape(item.value)}</dd></div>"
        )
    strip = f'<dl class="cm-strip" aria-label="Ingest health">{"".join(cells)}</dl>'
    # A problem must be visible without hovering.
    notes = [
        f"<b>{escape(item.label)}</b> {escape(item.explanation)}" for item in items if item.tone == "bad"
    ]
    return strip + (f'<p class="cm-note" role="alert">{"<br>".join(notes)}</p>' if notes else "")


def versions_table(rows: Iterable[TableRow]) -> str:
    """Returns the table of versions, with their colours in the charts."""
    heads = "".join(
        f'<th scope="col" title="{escape(column.explanation)}">{escape(column.title)}</th>'
        for column in COLUMNS
    )
    return (
        '<div class="cm-scroll"><table class="cm-table" aria-label="Versions"><thead><tr>'
        f'<th scope="col" class="cm-left">Version</th><th scope="col" class="cm-left">Model</th>{heads}'
        f"</tr></thead><tbody>{''.join(_row(row) for row in rows)}</tbody></table></div>"
    )


def _row(row: TableRow) -> str:
    return (
        f'<tr data-version="{escape(row.prompt)} {escape(row.version)}">'
        f'<th scope="row" class="cm-left" title="{escape(row.explanation)}">'
        f'<span class="cm-swatch" style="background:{escape(row.colour)}"></span>'
        f"{escape(row.prompt)} <b>{escape(row.version)}</b></th>"
        f'<td class="cm-left cm-model">{escape(row.models)}</td>{"".join(map(_cell, row.cells))}</tr>'
    )


def _cell(cell: Cell) -> str:
    aside = "" if cell.aside is None else f" <small>{escape(cell.aside)}</small>"
    return f"<td>{escape(cell.text)}{aside}</td>"
