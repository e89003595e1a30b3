"""No text leaves the process unless the hook let it."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine, Redact, TextField
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.spool_format import list_sealed
from tests.support.data.replies import OPENAI_CHAT
from tests.support.oracles.produced import spooled

_SECRET = "4111 1111 1111 1111"


def _send_everything(home: Path, redact: Redact, *, capture_text: bool = True) -> Coalmine:
    cm = Coalmine("bot", home=home, capture_text=capture_text, redact=redact)
    with cm.call("p", version="1") as call:
        call.record(OPENAI_CHAT, input_text=f"my card is {_SECRET}", output_text=f"noted: {_SECRET}")
    cm.feedback(call.request_id, thumbs="down", comment=f"card {_SECRET}", correction=f"not {_SECRET}")
    cm.score(call.request_id, "quality", 0.0, rationale=f"quotes {_SECRET}")
    assert cm.flush(30)
    return cm


def _bytes_of_spool(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in list_sealed(home / "spool"))


def _texts(home: Path) -> Iterator[tuple[str, Any]]:
    names = ("input_text", "output_text", "comment", "correction", "rationale")
    for one in spooled(home):
        yield from ((name, one.record[name]) for name in names if name in one.record)


def test_the_hook_sees_every_text_and_what_it_returns_is_sent(tmp_path: Path) -> None:
    seen: list[TextField] = []

    def redact(text: str, field: TextField) -> str | None:
        seen.append(field)
        return text.replace(_SECRET, "[card]")

    _send_everything(tmp_path, redact).close()
    assert seen == ["input_text", "output_text", "comment", "correction", "rationale"]
    assert dict(_texts(tmp_path)) == {
        "input_text": "my card is [card]",
        "output_text": "noted: [card]",
        "comment": "card [card]",
        "correction": "not [card]",
        "rationale": "quotes [card]",
    }
    assert _SECRET.encode() not in _bytes_of_spool(tmp_path)


def test_the_hook_may_drop_a_text(tmp_path: Path) -> None:
    cm = _send_everything(tmp_path, lambda text, field: None)
    cm.close()
    assert set(dict(_texts(tmp_path)).values()) == {None}
    assert cm.stats().problems == {}


@pytest.mark.parametrize("error", [ValueError(_SECRET), SystemExit(_SECRET), KeyboardInterrupt()])
def test_when_the_hook_raises_the_texts_are_dropped_and_the_events_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def redact(text: str, field: TextField) -> str | None:
        raise error

    with caplog.at_level(logging.DEBUG, "coalmine"):
        cm = _send_everything(tmp_path, redact)
        cm.close()
    assert set(dict(_texts(tmp_path)).values()) == {None}
    assert [one.event for one in spooled(tmp_path)] == ["requests", "feedback", "scores"]
    assert cm.stats().problems == {"redaction_failed": 5}
    assert _SECRET.encode() not in _bytes_of_spool(tmp_path)
    assert len(caplog.records) == 1
    assert _SECRET not in caplog.text


def test_a_hook_that_returns_no_text_drops_it(tmp_path: Path) -> None:
    def redact(text: str, field: TextField) -> Any:
        return text.encode()

    cm = _send_everything(tmp_path, redact)
    cm.close()
    assert set(dict(_texts(tmp_path)).values()) == {None}
    assert cm.stats().problems == {"redaction_failed": 5}


def test_texts_that_are_not_captured_are_not_even_shown_to_the_hook(tmp_path: Path) -> None:
    seen: list[TextField] = []

    def redact(text: str, field: TextField) -> str | None:
        seen.append(field)
        return text

    _send_everything(tmp_path, redact, capture_text=False).close()
    assert seen == ["comment", "correction", "rationale"]


def test_a_value_of_the_wrong_type_is_not_quoted_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    anything: Any = {"thumbs": _SECRET}
    with caplog.at_level(logging.DEBUG, "coalmine"), Coalmine("bot", home=tmp_path) as cm:
        cm.feedback(uuid7(), **anything)
        assert cm.flush(30)
        assert cm.stats().dropped == {"invalid": 1}
    assert caplog.records
    assert _SECRET not in caplog.text
