"""Draws a notice as a Slack message.

Slack takes at most 50 blocks and, undocumented, some 12,000 to 13,000 characters in all with what is around
them; more is refused as a whole, so what is too much is left out here, and said to be.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from coalmine_alerts.messages import blocks as draw
from coalmine_alerts.messages import outline
from coalmine_alerts.messages.blocks import Block
from coalmine_alerts.messages.buttons import SILENCE_S, button_value
from coalmine_alerts.messages.figures import NOTHING, aligned, cells, sparkline
from coalmine_alerts.messages.plain import plain_text
from coalmine_alerts.messages.texts import CUT, Moment, clean, clock, cut, one_line, pieces, size
from coalmine_alerts.records import Notice
from coalmine_alerts.results.story import Excerpt, Story, moment
from coalmine_schemas.redaction import redact

Part = Literal["buttons", "chart", "table", "blocks"]
"""What a message can do without: buttons that act (nothing answers them), a chart, a table, all blocks."""
FALLBACKS: Final[tuple[frozenset[Part], ...]] = (
    frozenset(),
    frozenset({"chart"}),
    frozenset({"chart", "table"}),
    frozenset({"blocks"}),
)
"""What to leave out at `invalid_blocks`, in this order."""
WEIGHT_LIMIT: Final = 10_000
TEXT_LIMIT: Final = 3_500
_EXCERPT_LIMIT: Final = 300
_MOST_EXCERPTS: Final = 3
_LOOKED_AT: Final = 4_000
_MOST_DIFF_LINES: Final = 16
_SEVERITIES: Final = {"page": "a page", "warning": "a warning", "info": "for information"}
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# What goes first when there is too much.
_DISPENSABLE: Final = ("chart", "excerpts", "diff", "details", "table")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackMessage:
    """A message as Slack takes it."""

    text: str
    """For notifications, screen readers, and where blocks cannot be shown."""
    blocks: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] | None = None
    """Finds the message again; only a bot may send it."""

    def body(self) -> dict[str, Any]:
        """Returns it as JSON for a webhook or `chat.postMessage`: nothing in it is unfurled or is markup."""
        body: dict[str, Any] = {
            "text": self.text,
            "mrkdwn": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if self.blocks:
            body["blocks"] = [*self.blocks]
        if self.metadata is not None:
            body["metadata"] = self.metadata
        return body


def slack_message(
    notice: Notice,
    *,
    dashboard_url: str | None,
    mode: Literal["bot", "webhook"],
    texts: bool = False,
    without: frozenset[Part] = frozenset(),
) -> SlackMessage:
    """Draws the present state of a group of alerts.

    Args:
        notice: What is told.
        dashboard_url: What links are below; None: no links.
        mode: A bot's message may carry metadata and buttons that act, and is edited when things change.
        texts: True: excerpts of requests are shown, redacted; only for private channels.
        without: What to leave out.
    """
    where = outline.links(notice, dashboard_url)
    if "blocks" in without:
        told = plain_text(notice, dashboard_url)
        return SlackMessage(
            text=escape(f"{told.title}\n{told.body}"),
            metadata=_metadata(notice) if mode == "bot" else None,
        )
    parts = dict(_parts(notice, where, mode=mode, texts=texts, without=without))
    left_out = []
    for name in _DISPENSABLE:
        if draw.weight([*parts.values()]) <= WEIGHT_LIMIT:
            break
        if parts.pop(name, None) is not None:
            left_out.append(name)
    if left_out:
        parts["footnote"] = draw.context(
            f"{outline.footnote(notice)} · Too long: without {', '.join(left_out)}"
        )
    return SlackMessage(
        text=escape(_first_lines(notice, where)),
        blocks=tuple(parts.values()),
        metadata=_metadata(notice) if mode == "bot" else None,
    )


def slack_thread_line(notice: Notice) -> str:
    """Returns the line that tells the latest change in the thread of the group's message, as `mrkdwn`."""
    story = outline.lead(notice)
    latest = notice.history[-1] if notice.history else None
    if latest is None:
        return escape(one_line(story.summary if story else outline.headline(notice), 500))
    said = _mrkdwn(latest.summary, 500, latest.at)
    if latest.kind == "state":
        said = f"{latest.to_state.replace('_', ' ')}: {said}"
    elif latest.kind == "severity":
        said = f"now {_SEVERITIES[latest.severity]}: {said}"
    why = f" ({escape(one_line(latest.reason, 200))})" if latest.reason else ""
    return f"{_mrkdwn(moment(latest.at), 100, latest.at)} {said}{why}"


def escape(text: str, limit: int = TEXT_LIMIT) -> str:
    """Returns a text in which Slack finds no mention and no link, at most so long with what that adds."""
    drawn = cut(text, limit).translate(_ESCAPES)
    while size(drawn) > limit:
        text = cut(text, min(limit, size(text)) * 3 // 4)
        drawn = text.translate(_ESCAPES)
    return drawn


def _mrkdwn(text: str, limit: int, now: datetime) -> str:
    drawn = []
    for piece in pieces(" ".join(text.split()), limit):
        if isinstance(piece, Moment):
            drawn.append(f"<!date^{int(piece.at.timestamp())}^{{time}}|{clock(piece.at, now)}>")
        else:
            drawn.append(escape(piece if isinstance(piece, str) else f"`{piece.text}`"))
    return "".join(drawn)


def _first_lines(notice: Notice, where: tuple[outline.Link, ...]) -> str:
    said = one_line(outline.summary(notice), outline.SUMMARY_LIMIT, outline.as_of(notice))
    parts = [said or outline.headline(notice)]
    if said and outline.group_standing(notice) == "resolved":
        parts.insert(0, "Resolved:")
    if said and notice.test:
        parts.insert(0, "TEST:")
    parts.append(outline.limited(notice) or "")
    if notice.may_be_repeat:
        parts.append("(may be a repeat)")
    if where:
        parts.append(where[0].url)
    return " ".join(filter(None, parts))


def _metadata(notice: Notice) -> dict[str, Any]:
    return {
        "event_type": "coalmine_alert",
        "event_payload": {
            "group": cut(clean(notice.group), 500),
            "transition": max((one.seq for one in notice.history), default=0),
            "state": outline.group_standing(notice),
        },
    }


def _parts(
    notice: Notice,
    where: tuple[outline.Link, ...],
    *,
    mode: Literal["bot", "webhook"],
    texts: bool,
    without: frozenset[Part],
) -> Iterator[tuple[str, Block]]:
    """The blocks by name, in the order: what, why, what was done, what one can do, how sure."""
    now, story = outline.as_of(notice), outline.lead(notice)
    state = outline.group_standing(notice)
    yield "header", draw.header(outline.headline(notice))
    status = outline.status(notice)
    paragraphs = {
        "status": draw.spans(status or "", 400, now, bold=True),
        "told": draw.spans(outline.summary(notice), outline.SUMMARY_LIMIT, now),
        "why": draw.spans(story.why or "" if story else "", 700, now),
    }
    for name, elements in paragraphs.items():
        paragraph = draw.rich_text(draw.lines([elements]))
        if paragraph:
            yield name, paragraph
    if story is not None:
        yield from _evidence(notice, story, now, without)
        if len(notice.alerts) == 1:
            yield from _story(story, now, done=state != "resolved")
        if texts:
            excerpts = _excerpts(story.excerpts, now)
            if excerpts:
                yield "excerpts", excerpts
    more = draw.rich_text(draw.lines([draw.spans(outline.limited(notice) or "", 600, now)]))
    if more:
        yield "limited", more
    acting = mode == "bot" and "buttons" not in without and state != "resolved" and bool(notice.alerts)
    buttons = [*_links(where), *(_acts(notice, state) if acting else ())]
    if buttons:
        yield "buttons", {"type": "actions", "elements": buttons}
    if outline.footnote(notice):
        yield "footnote", draw.context(outline.footnote(notice))
    if mode == "bot" and "buttons" not in without and notice.alerts:
        keys = [alert.fingerprint for alert in notice.alerts]
        yield (
            "feedback",
            draw.feedback(
                "mark",
                ("Useful", button_value("useful", keys), "This alert was useful"),
                ("Noise", button_value("noise", keys), "This alert was noise"),
            ),
        )


def _evidence(
    notice: Notice, story: Story, now: datetime, without: frozenset[Part]
) -> Iterator[tuple[str, Block]]:
    shown = outline.members(notice) or story.table
    if shown is not None:
        table = draw.table(shown)
        if table is not None and "table" in without:
            table = draw.rich_text(draw.preformatted(aligned(cells(shown))))
        if table is not None:
            yield "table", table
    if story.chart is not None:
        drawn = draw.chart(story.chart)
        if drawn is not None and "chart" in without:
            drawn = draw.rich_text(draw.lines([draw.spans(sparkline(story.chart) or "", 700, now)]))
        if drawn is not None:
            yield "chart", drawn


def _story(story: Story, now: datetime, *, done: bool) -> Iterator[tuple[str, Block]]:
    details = draw.rich_text(
        draw.lines(
            [draw.label(name), *draw.spans(text, 400, now)]
            for name, text in story.details[:8]
            if text.strip()
        )
    )
    if details:
        yield "details", details
    if story.diff:
        kept = clean(story.diff).split("\n")
        shown = "\n".join(cut(line, 200) for line in kept[:_MOST_DIFF_LINES])
        if len(kept) > _MOST_DIFF_LINES:
            shown += f"\n… {len(kept) - _MOST_DIFF_LINES} more lines"
        title = draw.spans(story.diff_title or "What changed", 200, now, bold=True)
        diff = draw.rich_text(draw.lines([title]), draw.preformatted(shown))
        if diff:
            yield "diff", diff
    if not done:
        return
    could = [draw.spans(text, 300, now) for text in story.could[:6]]
    actions = draw.rich_text(
        draw.lines(
            (
                [draw.label("Done so far"), *draw.spans(story.done, 500, now)] if story.done else (),
                [draw.label("You could")] if any(could) else (),
            )
        ),
        draw.bullets(could),
    )
    if actions:
        yield "actions", actions


def _excerpts(excerpts: tuple[Excerpt, ...], now: datetime) -> Block | None:
    parts: list[Block | None] = []
    for one in excerpts[:_MOST_EXCERPTS]:
        said = [
            draw.named(name, _words(text))
            for name, text in (
                ("They said: ", one.comment),
                ("Asked: ", one.question),
                ("Answered: ", one.answer),
                ("Should have been: ", one.correction),
            )
            if text and text.strip()
        ]
        section = draw.lines(said)
        if section is not None:
            parts.append(draw.quoted(section["elements"]))
            labels = one_line(" · ".join(one.labels[:6]), 200)
            about = draw.spans(f"{moment(one.at)}{' · ' if labels else ''}", 50, now)
            parts.append(draw.lines([[*about, *([{"type": "text", "text": labels}] if labels else ())]]))
    return draw.rich_text(*parts)


def _words(text: str) -> str:
    """What may be shown of somebody's text, on one line: redacted first, then cut."""
    looked_at = text[:_LOOKED_AT]
    shown = " ".join(clean(redact(looked_at)).split())
    if len(text) > _LOOKED_AT and size(shown) <= _EXCERPT_LIMIT:
        # Its last word may be the beginning of what would have been masked.
        shown = shown.rpartition(" ")[0] + CUT
    return cut(shown, _EXCERPT_LIMIT) or NOTHING


def _links(where: tuple[outline.Link, ...]) -> Iterator[Block]:
    for place, link in enumerate(where):
        yield draw.link_button(f"open_{place}", link.text, link.url, primary=place == 0)


def _acts(notice: Notice, state: outline.Standing) -> Iterator[Block]:
    keys = [alert.fingerprint for alert in notice.alerts]
    if state == "told":
        return
    if state != "acknowledged":
        yield draw.act_button("acknowledge", "Acknowledge", button_value("acknowledge", keys))
    if state != "silenced":
        yield draw.act_button("silence", "Silence 4 h", button_value("silence", keys, SILENCE_S))
