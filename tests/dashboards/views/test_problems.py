from datetime import UTC, datetime

import pytest

from coalmine_consumers.results import Facets
from coalmine_dashboards.api import (
    ApiError,
    NotReady,
    Standby,
    Unauthorised,
    Unexpected,
    Unreachable,
)
from coalmine_dashboards.views.problems import advice_for, nothing_in_range, nothing_yet

URL = "http://127.0.0.1:8321"


@pytest.mark.parametrize(
    ("error", "title", "what_to_do"),
    [
        (Unreachable(URL, "refused"), "Cannot reach the server", "coalmine serve"),
        (Unauthorised(URL, "no", had_token=False), "requires a token", "coalmine token create"),
        (Unauthorised(URL, "no", had_token=True), "rejected the token", "coalmine token create"),
        (Standby(URL, "waits"), "is a standby", "COALMINE_SERVER_URL"),
        (NotReady(URL, "starts"), "is not ready", "automatically"),
        (Unexpected(URL, "odd"), "Unexpected answer", "pip install"),
    ],
)
def test_every_failure_says_what_to_do(error: ApiError, title: str, what_to_do: str) -> None:
    advice = advice_for(error)
    assert title in advice.title
    assert what_to_do in f"{advice.text} {advice.code}"
    assert error.url in advice.text
    assert error.detail in advice.text


def test_an_empty_server_says_how_to_send_the_first_event() -> None:
    advice = nothing_yet()
    assert advice.code is not None
    compile(advice.code, "first_event.py", "exec")
    assert "coalmine demo" in advice.text


def test_an_empty_selection_says_where_the_data_is() -> None:
    facets = Facets(
        prompts=["greet"],
        versions={"greet": ["1.0.0"]},
        environments=["prod"],
        apps=["support-bot"],
        complete=True,
        first_event_time=datetime(2023, 11, 16, 18, 15, tzinfo=UTC),
        last_event_time=datetime(2023, 11, 16, 19, 14, tzinfo=UTC),
    )
    text = nothing_in_range(facets, "prompt greet, the last 6 hours").text
    assert "prompt greet, the last 6 hours" in text
    assert "2023-11-16 18:15 UTC to 2023-11-16 19:14 UTC" in text
