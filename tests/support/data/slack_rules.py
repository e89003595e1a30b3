"""What Slack takes: documented limits, by the models of its SDK, a second library, and what both miss."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import slackblocks
from slack_sdk.models.blocks import Block

from coalmine_alerts.messages.slack import SlackMessage

# The whole of a message is refused at some 12,000 to 13,200 characters, depending on what is around them.
MOST_CHARACTERS = 12_000
_TYPES = frozenset(
    {"header", "rich_text", "table", "data_visualization", "actions", "context", "context_actions"}
)


def check_slack_message(message: SlackMessage) -> None:
    """Fails where Slack would refuse a message."""
    body = message.body()
    json.dumps(body, ensure_ascii=False).encode()  # no lone surrogates, nothing that is not JSON
    assert 0 < _size(message.text) <= 4_000
    assert len(message.blocks) <= 50
    blocks = [dict(block) for block in message.blocks]
    assert {block["type"] for block in blocks} <= _TYPES
    assert sum(block["type"] == "table" for block in blocks) <= 1
    assert sum(block["type"] == "data_visualization" for block in blocks) <= 2
    assert sum(_size(text) for text in _strings(blocks)) <= MOST_CHARACTERS
    for block in blocks:
        _check_block(block)


def texts(message: SlackMessage) -> list[str]:
    """Every text that a reader sees in the blocks, in order."""
    return list(_texts([dict(block) for block in message.blocks]))


def _check_block(block: dict[str, Any]) -> None:
    if block["type"] == "data_visualization":
        _check_chart(block)
        return
    parsed = Block.parse(block)
    assert parsed is not None
    parsed.validate_json()
    if block["type"] == "header":
        assert 1 <= _size(block["text"]["text"]) <= 150
    elif block["type"] == "table":
        _check_table(block)
    elif block["type"] == "rich_text":
        _check_rich_text(block)
    elif block["type"] == "context":
        assert 1 <= len(block["elements"]) <= 10
        assert all(1 <= _size(each["text"]) <= 3000 for each in block["elements"])
    else:
        _check_buttons(block)


def _check_table(block: dict[str, Any]) -> None:
    rows = block["rows"]
    assert 1 <= len(rows) <= 100
    assert {len(row) for row in rows} == {len(block["column_settings"])}
    assert len(rows[0]) <= 20
    assert all(1 <= _size(cell["text"]) <= 2000 for row in rows for cell in row)


def _check_rich_text(block: dict[str, Any]) -> None:
    assert block["elements"]
    for element in block["elements"]:
        inner = element["elements"]
        assert inner
        sections = inner if element["type"] == "rich_text_list" else [element]
        for section in sections:
            assert section["elements"]
            for each in section["elements"]:
                assert each["type"] in ("text", "date")
                assert each["text"] if each["type"] == "text" else each["fallback"]
                assert each["type"] == "text" or element["type"] != "rich_text_preformatted"


def _check_buttons(block: dict[str, Any]) -> None:
    elements = block["elements"]
    assert 1 <= len(elements) <= (25 if block["type"] == "actions" else 5)
    ids = [each["action_id"] for each in elements]
    assert len(set(ids)) == len(ids)
    for each in elements:
        buttons = [each] if each["type"] == "button" else [each["positive_button"], each["negative_button"]]
        for button in buttons:
            assert 1 <= _size(button["text"]["text"]) <= 75
            assert _size(button.get("value", "")) <= 2000
            assert _size(button.get("url", "")) <= 3000


def _check_chart(block: dict[str, Any]) -> None:
    chart, axis = block["chart"], block["chart"]["axis_config"]
    assert chart["type"] == "line"
    assert len(chart["series"]) <= 6  # by one page of Slack's documentation; slackblocks allows 12
    series = [
        slackblocks.DataSeries(
            one["name"], [slackblocks.DataPoint(point["label"], point["value"]) for point in one["data"]]
        )
        for one in chart["series"]
    ]
    config = slackblocks.AxisConfig(axis["categories"], axis["x_label"], axis["y_label"])
    drawn = slackblocks.DataVisualizationBlock(block["title"], slackblocks.LineChart(series, config))
    resolved = drawn._resolve()
    assert {key: resolved[key] for key in ("title", "chart")} == {
        key: block[key] for key in ("title", "chart")
    }
    assert all(_size(name) <= 20 for name in axis["categories"])


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name in ("text", "fallback", "title", "x_label", "y_label", "name", "label"):
            if isinstance(value.get(name), str):
                yield value[name]
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _size(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
