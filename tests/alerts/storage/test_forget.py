"""What users wrote goes out of alerts, and out of what is kept of messages; other requests' words stay."""

from pathlib import Path

from sqlalchemy import insert

from coalmine_alerts.messages.blocks import quoted, rich_text
from coalmine_alerts.results.story import Excerpt, Story
from coalmine_alerts.storage.forget import forget_requests
from coalmine_alerts.storage.tables import messages
from tests.support.data.alert_case import START, AlertCase, finding, tables_of


def said(request_id: str) -> Excerpt:
    return Excerpt(request_id, START, f"asked {request_id}", None, f"said {request_id}", None)


def test_words_of_forgotten_requests_are_gone_and_others_stay(tmp_path: Path) -> None:
    case = AlertCase(tmp_path)
    case.tick(finding(story=Story(title="Bad", summary="2 bad ratings.", excerpts=(said("a"), said("b")))))
    body = {"text": "Bad", "blocks": [rich_text(quoted([{"type": "text", "text": "said a"}]))]}
    row = {"channel": "slack", "group_key": "g", "open": True, "text": "Bad", "body": body}
    with_times = {**row, "created_at": START, "changed_at": START}
    case.database.write(lambda connection: connection.execute(insert(messages).values(**with_times)))
    assert forget_requests(case.database, []) == 0
    assert forget_requests(case.database, ["a", "other"]) == 2
    assert [each.request_id for each in case.only().story.excerpts] == ["b"]
    kept = repr(tables_of(case.database))
    assert "said b" in kept
    assert "said a" not in kept
    assert "asked a" not in kept
    assert forget_requests(case.database, ["a", "other"]) == 0
