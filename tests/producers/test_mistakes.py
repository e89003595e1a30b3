"""Wrong use is said once per kind, with the place in the service's code; a strict client raises."""

import inspect
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coalmine import Coalmine, InvalidParameter, PromptRequest, PromptScore
from coalmine_schemas.identifiers import uuid7
from tests.support.oracles.produced import spooled

_ID = uuid7()
_NEGATIVE = {"prompt_tokens": -5, "completion_tokens": 3}
_NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - that is the mistake


def _called(cm: Coalmine, use: Callable[[Any], object], **arguments: Any) -> None:
    with cm.call(**{"prompt": "p", "version": "1.0.0", **arguments}) as call:
        use(call)


def _after_its_end(cm: Coalmine, use: Callable[[Any], object]) -> None:
    with cm.call("p", version="1.0.0") as call:
        pass
    use(call)


def _twice(cm: Coalmine) -> None:
    call = cm.call("p", version="1.0.0")
    for _ in range(2):
        with call:
            pass


def _score(**changed: Any) -> PromptScore:
    given: dict[str, Any] = {"score_id": uuid7(), "request_id": _ID, "event_time": datetime.now(UTC)}
    given |= {"app": "a", "name": "quality", "value": 1.0, "source": "judge"}
    return PromptScore(**{**given, **changed})


# What is wrong, and the word that the message must have in it.
_MISTAKES: dict[str, tuple[str, Callable[[Any], object]]] = {
    "thumbs": ("thumbs", lambda cm: cm.feedback(_ID, thumbs="sideways")),
    "thumbs list": ("thumbs", lambda cm: cm.feedback(_ID, thumbs=["up"])),
    "rating": ("rating", lambda cm: cm.feedback(_ID, rating="five stars")),
    "empty feedback": ("nothing", lambda cm: cm.feedback(_ID)),
    "metadata": ("metadata", lambda cm: cm.feedback(_ID, "up", metadata=["a"])),
    "feedback time": ("event_time", lambda cm: cm.feedback(_ID, "up", event_time=_NAIVE)),
    "feedback id": ("call.request_id", lambda cm: cm.feedback(None, "up")),
    "the call itself": ("call.request_id", lambda cm: cm.feedback(cm.call("p", version="1.0.0"), "up")),
    "value": ("value", lambda cm: cm.score(_ID, "helpful", "good")),
    "nan": ("value", lambda cm: cm.score(_ID, "helpful", float("nan"))),
    "quality above 1": ("7.3", lambda cm: cm.score(_ID, "quality", 7.3)),
    "quality below 0": ("-1", lambda cm: cm.score(_ID, "quality", -1)),
    "source": ("source", lambda cm: cm.score(_ID, "quality", 1, source="robot")),
    "outcome of nobody": ("unit_id", lambda cm: cm.outcome("converted")),
    "outcome of the empty": ("unit_id", lambda cm: cm.outcome("converted", unit_id="")),
    "outcome name": ("name", lambda cm: cm.outcome(None, unit_id="u")),
    "outcome value": ("value", lambda cm: cm.outcome("converted", "yes", unit_id="u")),
    "outcome range": ("7.3", lambda cm: cm.outcome("quality", 7.3, unit_id="u")),
    "outcome id": ("event_time", lambda cm: cm.outcome("paid", unit_id="u", outcome_id="o-1")),
    "outcome time": ("event_time", lambda cm: cm.outcome("paid", unit_id="u", event_time="now")),
    "outcome prompt": ("prompt", lambda cm: cm.outcome("paid", unit_id="u", prompt=["refund"])),
    "score name": ("name", lambda cm: cm.score(_ID, None, 1)),
    "score id": ("call.request_id", lambda cm: cm.score("12", "quality", 1)),
    "score time": ("event_time", lambda cm: cm.score(_ID, "quality", 1, event_time="now")),
    "whole quality": ("quality is between", lambda cm: cm.emit_score(_score(value=7.3))),
    "valid above 1": ("schema_valid is between", lambda cm: cm.score(_ID, "schema_valid", 2)),
    "whole call": (
        "metrics['quality']",
        lambda cm: cm.emit_request(
            PromptRequest(prompt="p", version="1.0.0", latency_ms=1.0, metrics={"quality": 7.3})
        ),
    ),
    "whole score": ("value", lambda cm: cm.emit_score(_score(value=float("inf")))),
    "prompt": ("prompt", lambda cm: _called(cm, str, prompt="")),
    "version": ("version", lambda cm: _called(cm, str, version=None)),
    "version list": ("call()", lambda cm: _called(cm, str, version=["1"])),
    "version v1.2": ("'v1.2' is none of the registry's", lambda cm: _called(cm, str, version="v1.2")),
    "version number": ("version is 1.2", lambda cm: _called(cm, str, version=1.2)),
    "unit list": ("unit_id is a value of type list", lambda cm: _called(cm, str, unit_id=["ann"])),
    "unit object": ("unit_id is a value of type object", lambda cm: _called(cm, str, unit_id=object())),
    "session nan": ("session_id is nan", lambda cm: _called(cm, str, session_id=float("nan"))),
    "segment list": ("segments['a']", lambda cm: _called(cm, str, segments={"a": ["b"]})),
    "parameters": ("parameters", lambda cm: _called(cm, str, parameters=["temperature"])),
    "epoch": ("allocation_epoch", lambda cm: _called(cm, str, allocation_epoch=-1)),
    "negative tokens": ("input_tokens", lambda cm: _called(cm, lambda call: call.record(input_tokens=-5))),
    "negative usage": (
        "prompt_tokens",
        lambda cm: _called(cm, lambda call: call.record({"model": "m", "choices": [], "usage": _NEGATIVE})),
    ),
    "nothing recorded": ("given nothing", lambda cm: _called(cm, lambda call: call.record(None))),
    "feedback unit": ("unit_id", lambda cm: cm.feedback(_ID, "up", unit_id=["ann"])),
    "scorer": ("scorer", lambda cm: cm.score(_ID, "helpful", 1, scorer=["judge"])),
    "resolution": ("dropped", lambda cm: _called(cm, str, resolution="magic")),
    "segments": ("segments", lambda cm: _called(cm, str, segments=["a"])),
    "start": ("started_at", lambda cm: _called(cm, str, started_at=_NAIVE)),
    "metric": ("metrics['n']", lambda cm: _called(cm, lambda call: call.metric("n", "four"))),
    "quality metric": (
        "metrics['quality']",
        lambda cm: _called(cm, lambda call: call.metric("quality", 7.3)),
    ),
    "tokens": ("input_tokens", lambda cm: _called(cm, lambda call: call.record(input_tokens="many"))),
    "reply": ("SimpleNamespace", lambda cm: _called(cm, lambda call: call.record(SimpleNamespace(a=1)))),
    "late record": ("ended", lambda cm: _after_its_end(cm, lambda call: call.record(input_tokens=1))),
    "late metric": ("ended", lambda cm: _after_its_end(cm, lambda call: call.metric("n", 1))),
    "late error": ("ended", lambda cm: _after_its_end(cm, lambda call: call.error("E"))),
    "twice": ("twice", _twice),
    "never entered": ("`with` block", lambda cm: cm.call("p", version="1.0.0").record(input_tokens=1)),
}


@pytest.mark.parametrize("mistake", _MISTAKES)
def test_a_mistake_is_one_warning_with_the_place_and_raises_nothing(
    mistake: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    word, make = _MISTAKES[mistake]
    with caplog.at_level(logging.DEBUG, "coalmine"), Coalmine("bot", home=tmp_path) as cm:
        for _ in range(3):
            assert make(cm) in (None, False, True)
        assert cm.flush(30)
        stats = cm.stats()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert word in record.getMessage()
    place = "(an event given as a whole)" if mistake.startswith("whole") else f"({__file__}:"
    assert place in record.getMessage()
    assert sum(stats.problems.values()) + sum(stats.dropped.values()) == 3
    assert "internal" not in stats.dropped


@pytest.mark.parametrize("mistake", _MISTAKES)
def test_a_strict_client_raises(mistake: str, tmp_path: Path) -> None:
    word, make = _MISTAKES[mistake]
    cm = Coalmine("bot", home=tmp_path, strict=True)
    with pytest.raises(InvalidParameter) as raised:
        make(cm)
    assert word in str(raised.value)
    assert cm.close(30)


def test_the_place_is_the_line_of_the_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = inspect.currentframe()
    with Coalmine("bot", home=tmp_path) as cm:
        assert frame is not None
        line = frame.f_lineno + 1
        cm.score(_ID, "helpful", "good")  # type: ignore[arg-type]
        with cm.call("p", version="1.0.0") as call:  # what the background thread finds is said of this line
            call.metric("n", "four")  # type: ignore[arg-type]
    places = [record.getMessage().rpartition("(")[2] for record in caplog.records]
    assert places == [f"{__file__}:{line})", f"{__file__}:{line + 1})"]


def test_each_kind_is_said_whatever_else_was_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        for _, make in _MISTAKES.values():
            make(cm)
    for word in ("thumbs", "rating", "value", "source", "metadata", "started_at", "twice", "SimpleNamespace"):
        assert any(word in record.getMessage() for record in caplog.records), word


def test_a_mistake_is_said_of_each_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        for _ in range(2):
            cm.score(_ID, "quality", "good")  # type: ignore[arg-type]
            cm.score(_ID, "quality", 7.3)
    first, second = (record.getMessage() for record in caplog.records)
    assert "type str" in first
    assert "7.3" in second


def test_a_strict_client_raises_nothing_where_nothing_is_wrong(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path, strict=True, redact=lambda text, field: text) as cm:
        with cm.call(
            "p", version="1.0.0", model="gpt-4o-mini", unit_id="u", segments={"tier": "free"}
        ) as call:
            call.metric("quality", 1)
            call.record(input_tokens=3, output_tokens=4)
        assert cm.feedback(call.request_id, "up", rating=0, metadata={"a": "b"})
        assert cm.score(call.request_id, "quality", 0)
        assert cm.flush(30)
    assert cm.stats().produced == cm.stats().spooled == len(spooled(tmp_path)) == 3


def test_a_services_own_error_is_not_hidden_by_a_strict_client(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        Coalmine("bot", home=tmp_path, strict=True) as cm,
        cm.call("", version="1.0.0"),
    ):
        raise ZeroDivisionError


def test_a_strict_client_raises_later_what_only_its_own_thread_sees(tmp_path: Path) -> None:
    def redact(text: str, field: str) -> str | None:
        raise ValueError(text)

    cm = Coalmine("bot", home=tmp_path, strict=True, redact=redact)
    cm.feedback(_ID, "up", unit_id="u")
    with pytest.raises(InvalidParameter, match="redaction hook failed on unit_id"):
        cm.flush(30)
    assert cm.flush(30)
    assert cm.close(30)


def test_a_strict_client_raises_after_close(tmp_path: Path) -> None:
    cm = Coalmine("bot", home=tmp_path, strict=True)
    assert cm.close(30)
    with pytest.raises(InvalidParameter, match="close"):
        cm.feedback(_ID, "up")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("COALMINE_KAFKA_BOOSTRAP", "COALMINE_KAFKA_BOOTSTRAP_SERVERS"),
        ("COALMINE_ENV", "COALMINE_ENVIRONMENT"),
        ("COALMINE_TOEKN", "COALMINE_TOKEN"),
        ("COALMINE_SCHEMA_REGISTRY", "COALMINE_SCHEMA_REGISTRY_URL"),
        ("COALMIN_FALLBACK", "COALMINE_FALLBACK"),
        ("COALMINE_CAPTURE_TEXTS", "COALMINE_CAPTURE_TEXT"),
    ],
)
def test_a_misspelt_variable_is_said(
    variable: str, meant: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"COALMINE_APP": "bot", "COALMINE_HOME": str(tmp_path), variable: "x"}
    Coalmine.from_env(environ).close()
    (record,) = caplog.records
    assert variable in record.getMessage()
    assert f"did you mean {meant}?" in record.getMessage()
    with pytest.raises(InvalidParameter, match=meant):
        Coalmine.from_env({**environ, "COALMINE_STRICT": "1"})


def test_a_misspelt_app_is_named_where_it_is_missed() -> None:
    with pytest.raises(InvalidParameter, match="did you mean COALMINE_APP"):
        Coalmine.from_env({"COALMINE_AP": "bot"})


@pytest.mark.parametrize(
    "variable",
    ["COALMINE_PORT", "COALMINE_SERVICE_HOST", "COALMINE_PORT_8321_TCP_ADDR", "COALMINE_SERVER_PORT", "PATH"],
)
def test_variables_of_others_are_none_of_our_business(
    variable: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Coalmine.from_env({"COALMINE_APP": "bot", "COALMINE_HOME": str(tmp_path), variable: "x"}).close()
    assert caplog.records == []


@pytest.mark.parametrize("content", [None, "no JSON", json.dumps({"environment": "staging"})])
def test_a_fallback_that_cannot_be_used_is_said_at_the_start(
    content: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fallback = tmp_path / "fallback.json"
    if content is not None:
        fallback.write_text(content)
    Coalmine("bot", home=tmp_path, fallback=fallback).close()
    (record,) = caplog.records
    assert str(fallback) in record.getMessage()
    with pytest.raises(InvalidParameter, match="fallback"):
        Coalmine("bot", home=tmp_path, fallback=fallback, strict=True)


def test_a_user_without_a_home_is_told_which_variable_to_set(tmp_path: Path) -> None:
    code = """
import os, pwd
from coalmine import Coalmine, InvalidParameter
del os.environ["HOME"]
def nobody(uid): raise KeyError(uid)
pwd.getpwuid = nobody
try:
    Coalmine("bot")
except InvalidParameter as error:
    print(error)
"""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COALMINE_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**environ, "HOME": "/x"},
    )
    assert "set COALMINE_HOME" in done.stdout
