"""Draws a notice as plain text, for e-mail and channels that take nothing else."""

from dataclasses import dataclass
from typing import Final

from coalmine_alerts.messages import outline
from coalmine_alerts.messages.figures import aligned, cells, sparkline
from coalmine_alerts.messages.texts import clean, cut, flat, one_line
from coalmine_alerts.records import Notice

BODY_LIMIT: Final = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainMessage:
    """A title and lines of text."""

    title: str
    body: str


def plain_text(notice: Notice, dashboard_url: str | None) -> PlainMessage:
    """Draws the present state of a group of alerts, with links and without anybody's texts."""
    story, now = outline.lead(notice), outline.as_of(notice)
    parts = [flat(outline.status(notice) or "", 400, now)]
    if story is not None:
        parts += [flat(outline.summary(notice), outline.SUMMARY_LIMIT, now), flat(story.why or "", 700, now)]
        shown = outline.members(notice) or story.table
        rows = cells(shown) if shown is not None else ()
        if len(rows) > 1:
            parts.append(aligned(rows))
        if story.chart is not None:
            parts.append(sparkline(story.chart) or "")
        if len(notice.alerts) == 1:
            parts.append(
                "\n".join(f"{one_line(name, 60)}: {flat(text, 400, now)}" for name, text in story.details[:8])
            )
            if story.diff:
                title = flat(story.diff_title or "What changed", 200, now)
                parts.append(f"{title}\n{cut(clean(story.diff), 1500)}")
            if outline.group_standing(notice) != "resolved":
                if story.done:
                    parts.append(f"Done so far: {flat(story.done, 500, now)}")
                could = [f"- {flat(text, 300, now)}" for text in story.could[:6] if text.strip()]
                parts.append("\n".join(["You could:", *could]) if could else "")
    parts.append(outline.limited(notice) or "")
    parts.append("\n".join(f"{link.text}: {link.url}" for link in outline.links(notice, dashboard_url)))
    parts.append(outline.footnote(notice))
    body = "\n\n".join(part for part in parts if part.strip())
    return PlainMessage(
        title=outline.headline(notice), body=cut(body, BODY_LIMIT) or outline.headline(notice)
    )
