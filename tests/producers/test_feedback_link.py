"""Links that a service makes: without a network, and never in its way."""

import logging
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from coalmine import Coalmine, InvalidParameter
from coalmine_schemas.feedback_link import is_signed
from coalmine_schemas.identifiers import uuid7

KEY = "0123456789abcdef0123456789abcdef"
A_CALL = "01a00000-0000-7000-8000-000000000000"


def test_a_link_is_made_without_any_server(tmp_path: Path) -> None:
    request_id = uuid7()
    environ = {
        "COALMINE_APP": "shop",
        "COALMINE_HOME": str(tmp_path),
        "COALMINE_EVENTS_FEEDBACK_LINK_KEY": KEY,
        "COALMINE_EVENTS_FEEDBACK_LINK_URL": "https://feedback.example.com",
    }
    with Coalmine.from_env(environ) as cm:
        link = cm.feedback_link(request_id)
        of_uuid: Any = UUID(request_id)
        assert str(cm.feedback_link(of_uuid)).partition("&expires")[0] == str(link).partition("&expires")[0]
    assert link is not None
    assert link.startswith(
        f"https://feedback.example.com/feedback/link?app=shop&request_id={request_id}&expires="
    )
    expires, _, signature = link.partition("&expires=")[2].partition("&signature=")
    assert is_signed(KEY, "shop", request_id, int(expires), signature)
    assert KEY not in repr(cm.settings)


@pytest.mark.parametrize(
    ("settings", "request_id", "days"),
    [
        ({}, A_CALL, 1.0),
        ({"feedback_link_key": KEY}, A_CALL, 1.0),
        ({"feedback_link_key": KEY, "server_url": "http://a:1"}, "17", 1.0),
        ({"feedback_link_key": KEY, "server_url": "http://a:1"}, None, 1.0),
        ({"feedback_link_key": KEY, "server_url": "http://a:1"}, A_CALL, "soon"),
        ({"feedback_link_key": KEY, "server_url": "http://a:1"}, A_CALL, 1e9),
    ],
)
def test_what_makes_no_link_is_none_and_never_raises(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, settings: dict[str, Any], request_id: Any, days: Any
) -> None:
    with Coalmine("shop", home=tmp_path, **settings) as cm, caplog.at_level(logging.WARNING, "coalmine"):
        assert [cm.feedback_link(request_id, days=days) for _ in range(3)] == [None] * 3
        assert sum(cm.stats().problems.values()) == 3
    assert len([each for each in caplog.records if "feedback" in each.getMessage()]) == 1


def test_a_key_that_can_be_guessed_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="at least 32"):
        Coalmine("shop", home=tmp_path, feedback_link_key="short")
