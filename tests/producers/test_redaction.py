"""No text leaves the process unless the hook let it."""

import hmac
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine, InvalidParameter, PromptRequest, Redact, TextField
from coalmine_schemas.identifiers import unit_group, uuid7
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
    assert set(seen) == {"input_text", "output_text", "comment", "correction", "rationale", "prompt", "name"}
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
    assert set(dict(_texts(tmp_path)).values()) == {None, ""}  # that there was a correction is kept
    assert cm.stats().problems == {}
    assert [one.event for one in spooled(tmp_path)] == ["requests", "feedback", "scores"]


@pytest.mark.parametrize("error", [ValueError(_SECRET), SystemExit(_SECRET), KeyboardInterrupt()])
def test_when_the_hook_raises_the_texts_are_dropped_and_the_events_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def redact(text: str, field: TextField) -> str | None:
        raise error

    with caplog.at_level(logging.DEBUG, "coalmine"):
        cm = _send_everything(tmp_path, redact)
        cm.close()
    assert set(dict(_texts(tmp_path)).values()) == {None, ""}
    assert [one.event for one in spooled(tmp_path)] == ["requests", "feedback", "scores"]
    assert cm.stats().problems == {"redaction_failed": 7}
    assert _SECRET.encode() not in _bytes_of_spool(tmp_path)
    assert len(caplog.records) == 1
    assert _SECRET not in caplog.text


def test_a_hook_that_returns_no_text_drops_it(tmp_path: Path) -> None:
    def redact(text: str, field: TextField) -> Any:
        return text.encode()

    cm = _send_everything(tmp_path, redact)
    cm.close()
    assert set(dict(_texts(tmp_path)).values()) == {None, ""}
    assert cm.stats().problems == {"redaction_failed": 7}


def test_texts_that_are_not_captured_are_not_even_shown_to_the_hook(tmp_path: Path) -> None:
    seen: list[TextField] = []

    def redact(text: str, field: TextField) -> str | None:
        seen.append(field)
        return text

    _send_everything(tmp_path, redact, capture_text=False).close()
    assert seen == ["prompt", "name"]


def test_a_value_of_the_wrong_type_is_not_quoted_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    anything: Any = {"thumbs": _SECRET}
    with caplog.at_level(logging.DEBUG, "coalmine"), Coalmine("bot", home=tmp_path) as cm:
        assert not cm.feedback(uuid7(), **anything)
        assert cm.stats().dropped == {"invalid": 1}
    assert caplog.records
    assert _SECRET not in caplog.text


_PERSON = "ada@example.org"


def _send_a_person(home: Path, **arguments: Any) -> list[bytes | None]:
    """Events with a person's address wherever one fits; returns the keys of their messages."""
    with Coalmine("bot", home=home, capture_text=True, **arguments) as cm:
        with cm.call(
            f"mail-to-{_PERSON}",
            version="1",
            unit_id=_PERSON,
            session_id=f"session of {_PERSON}",
            segments={"manager": _PERSON, f"of {_PERSON}": "yes"},
            label=f"label {_PERSON}",
            variant=f"variant {_PERSON}",
            experiment=f"experiment {_PERSON}",
            trace_id=f"trace {_PERSON}",
        ) as call:
            call.metric(f"emails of {_PERSON}", 4)
            call.error(f"NotFound: {_PERSON}")
            call.record(OPENAI_CHAT, input_text=_PERSON, output_text=_PERSON)
        cm.feedback(
            call.request_id, comment=_PERSON, correction=_PERSON, unit_id=_PERSON, metadata={_PERSON: _PERSON}
        )
        cm.score(call.request_id, f"{_PERSON} likes it", 1, scorer=_PERSON, rationale=_PERSON)
    return [one.key for one in spooled(home)]


def test_the_hook_sees_everything_by_which_a_person_could_be_known(tmp_path: Path) -> None:
    keys = _send_a_person(tmp_path, redact=lambda text, field: text.replace(_PERSON, "[person]"))
    assert _PERSON.encode() not in _bytes_of_spool(tmp_path)
    request, feedback, score = (one.record for one in spooled(tmp_path))
    assert (request["unit_id"], keys[0], feedback["unit_id"]) == ("[person]", b"[person]", "[person]")
    assert request["unit_group"] == unit_group("[person]")
    assert request["segments"] == {"manager": "[person]", "of [person]": "yes"}
    assert (feedback["metadata"], score["scorer"]) == ({"[person]": "[person]"}, "[person]")


def test_a_hook_that_drops_everything_leaves_events_that_can_be_counted(tmp_path: Path) -> None:
    keys = _send_a_person(tmp_path, redact=lambda text, field: None)
    assert _PERSON.encode() not in _bytes_of_spool(tmp_path)
    request, feedback, score = (one.record for one in spooled(tmp_path))
    assert (request["prompt"], score["name"]) == ("redacted", "redacted")
    assert request["unit_id"] == request["request_id"]
    assert keys[0] == request["request_id"].encode()
    assert (request["segments"], request["metrics"], feedback["metadata"]) == ({}, {}, {})


def test_units_and_sessions_can_be_hashed_with_a_key(tmp_path: Path) -> None:
    sent = []
    for number, key in enumerate(("k1", "k1", "k2")):
        with Coalmine("bot", home=tmp_path / str(number), unit_ids="hashed", unit_id_key=key) as cm:
            with cm.call("p", version="1", unit_id=_PERSON, session_id=f"s of {_PERSON}") as call:
                pass
            cm.feedback(call.request_id, thumbs="up", unit_id=_PERSON)
            with cm.call("p", version="1"):
                pass
        assert _PERSON.encode() not in _bytes_of_spool(tmp_path / str(number))
        request, feedback, alone = spooled(tmp_path / str(number))
        assert request.record["unit_id"] == feedback.record["unit_id"] == (request.key or b"").decode()
        assert request.record["unit_group"] == unit_group(request.record["unit_id"])
        assert alone.record["unit_id"] == alone.record["request_id"]
        sent.append(request.record["unit_id"])
    assert sent[0] == sent[1] != sent[2]
    expected = hmac.new(b"k1", _PERSON.encode(), "sha256").hexdigest()
    assert (len(sent[0]), expected.startswith(sent[0])) == (32, True)


def test_a_whole_event_is_redacted_and_hashed_like_any_other(tmp_path: Path) -> None:
    event = PromptRequest(
        request_id=uuid7(),
        event_time=datetime.now(UTC),
        app="bot",
        environment="prod",
        prompt="p",
        version="1",
        unit_group=unit_group(_PERSON),
        resolution="fixed",
        unit_id=_PERSON,
        request_model="m",
        latency_ms=1.0,
    )
    with Coalmine("bot", home=tmp_path, unit_ids="hashed", unit_id_key="k1") as cm:
        assert cm.emit_request(event)
    (one,) = spooled(tmp_path)
    assert one.record["unit_id"] == hmac.new(b"k1", _PERSON.encode(), "sha256").hexdigest()[:32]
    assert one.record["unit_group"] == unit_group(one.record["unit_id"])


def test_hashing_takes_a_key() -> None:
    with pytest.raises(InvalidParameter, match="COALMINE_UNIT_ID_KEY"):
        Coalmine("bot", unit_ids="hashed")
