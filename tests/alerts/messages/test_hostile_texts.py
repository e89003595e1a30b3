"""Whatever a story holds, each channel gets a message that it takes, in which texts are texts."""

import json
import random
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Literal

import pytest

from coalmine_alerts.messages.html import slack_html, slack_page
from coalmine_alerts.messages.own_webhook import own_webhook_body
from coalmine_alerts.messages.pagerduty import pagerduty_change_event, pagerduty_event
from coalmine_alerts.messages.plain import plain_text
from coalmine_alerts.messages.samples import samples
from coalmine_alerts.messages.slack import FALLBACKS, Part, slack_message, slack_thread_line
from coalmine_alerts.results.story import Excerpt, Story, StoryTable
from tests.support.data.slack_rules import check_slack_message, texts
from tests.support.data.stories import HOSTILE, NOW, Stories

URL = "https://coalmine.example.com/"
_UNSEEN = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\x00-\x08\x0e-\x1f]")
_TAGS = {
    *(
        "article",
        "div",
        "span",
        "b",
        "i",
        "p",
        "h3",
        "ul",
        "li",
        "pre",
        "blockquote",
        "code",
        "time",
        "table",
    ),
    *("tr", "td", "th", "a", "figure", "figcaption", "small", "svg", "path", "text", "polyline", "circle"),
}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def _check_html(fragment: str) -> None:
    parser = _Tags()
    parser.feed(fragment)
    assert {tag for tag, _ in parser.seen} <= _TAGS
    for _, attributes in parser.seen:
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "https://").startswith(("https://", "http://"))
        assert (attributes.get("style") or "background:#").startswith("background:#")


@pytest.mark.parametrize("seed", range(40))
def test_slack_takes_any_notice(seed: int) -> None:
    notice, chosen = Stories(seed).notice(), random.Random(seed)
    mode: Literal["bot", "webhook"] = chosen.choice(("bot", "webhook"))
    without: frozenset[Part] = chosen.choice((*FALLBACKS[:3], *FALLBACKS, frozenset({"buttons"})))
    url = chosen.choice((URL, URL, None))
    message = slack_message(notice, dashboard_url=url, mode=mode, texts=True, without=without)
    check_slack_message(message)
    assert not any(key == "mrkdwn" for key in re.findall(r'"type": "(\w+)"', json.dumps(message.blocks)))
    assert not re.search(r"[<>]", message.text)
    assert not any(_UNSEEN.search(text) for text in [*texts(message), message.text])
    line = slack_thread_line(notice)
    assert len(line) < 3_500
    assert not re.search(r"<(?!!date\^)", line)
    _check_html(slack_html(message))


@pytest.mark.parametrize("seed", range(25))
def test_other_channels_take_any_notice(seed: int) -> None:
    notice = Stories(seed).notice()
    told = plain_text(notice, URL)
    assert 0 < len(told.title) <= 150
    assert "\n" not in told.title
    assert 0 < len(told.body) <= 8_000
    assert not _UNSEEN.search(told.title + told.body)
    for alert in notice.alerts[:2]:
        event = pagerduty_event(notice, alert, action="trigger", routing_key="k", dashboard_url=URL)
        change = pagerduty_change_event(notice, alert, routing_key="k", dashboard_url=URL)
        for each in (event, change):
            assert len(json.dumps(each)) < 512_000
            assert 0 < len(each["payload"]["summary"]) <= 1024
            assert not _UNSEEN.search(each["payload"]["summary"])
        for transition in notice.history:
            json.dumps(own_webhook_body(transition, alert))


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.strip()], ids=range(len(HOSTILE) - 2))
def test_words_of_others_are_shown_as_they_are_or_cut(text: str) -> None:
    sample = samples(NOW)["feedback"]
    said = Excerpt("r", NOW, None, None, text, None)
    notice = replace(
        sample, alerts=(replace(sample.alerts[0], story=replace(sample.alerts[0].story, excerpts=(said,))),)
    )
    message = slack_message(notice, dashboard_url=URL, mode="bot", texts=True)
    check_slack_message(message)
    (quote,) = [
        element
        for block in message.blocks
        if block["type"] == "rich_text"
        for element in block["elements"]
        if element["type"] == "rich_text_quote"
    ]
    name, words = quote["elements"]
    assert name["text"] == "They said: "
    assert set(words) == {"type", "text"}
    if re.fullmatch(r"[!-~ ]{1,300}", text) and not re.search(r"@example|\?", text):
        assert words["text"] == text


def test_a_link_of_a_story_leads_to_the_dashboard_or_to_the_web_and_nowhere_else() -> None:
    sample = samples(NOW)["regression"]
    for path in (
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/a b?c=\u202e",
        " ",
        "x" * 4_000,
    ):
        story = replace(sample.alerts[0].story, links=(replace(sample.alerts[0].story.links[0], path=path),))
        notice = replace(sample, alerts=(replace(sample.alerts[0], story=story),))
        message = slack_message(notice, dashboard_url=URL, mode="bot")
        check_slack_message(message)
        urls = [
            each["url"] for block in message.blocks for each in block.get("elements", ()) if "url" in each
        ]
        assert all(url.startswith(URL) and url.isascii() and " " not in url for url in urls)


def test_what_is_too_much_is_left_out_and_said_to_be() -> None:
    sample = samples(NOW)["regression"]
    wide = StoryTable(tuple(f"column {place}" for place in range(8)), (("y" * 60,) * 8,) * 25)
    story = replace(sample.alerts[0].story, table=wide)
    notice = replace(sample, alerts=(replace(sample.alerts[0], story=story),))
    message = slack_message(notice, dashboard_url=URL, mode="bot")
    check_slack_message(message)
    assert "Too long: without chart, details, table" in "".join(texts(message))
    long = Story(title="t", summary="s", could=tuple(f"{place} " + "w" * 900 for place in range(20)))
    (last,) = plain_text(replace(sample, alerts=(replace(sample.alerts[0], story=long),)), None).body.split(
        "\n\n"
    )[-1:]
    assert "alert 7f3c" in last


def test_a_page_of_hostile_names_is_a_page() -> None:
    message = slack_message(samples(NOW)["regression"], dashboard_url=URL, mode="bot")
    page = slack_page([("<script>alert(1)</script>", message)])
    assert "<script" not in page
