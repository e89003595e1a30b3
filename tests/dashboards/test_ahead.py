"""Questions that are asked before the part of the page that shows their answer is drawn."""

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from coalmine_dashboards.api import ApiClient, ApiError, Unreachable
from coalmine_dashboards.parts import ahead as module
from coalmine_dashboards.parts.ahead import ahead
from coalmine_dashboards.parts.viewer import client_for
from tests.support.doubles.dashboard_api import DashboardApi


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[DashboardApi]:
    with DashboardApi({}) as api:
        monkeypatch.setenv("COALMINE_SERVER_URL", api.url)
        yield api
    client_for.clear()


@pytest.mark.usefixtures("api")
def test_questions_are_asked_together_and_a_refresh_asks_again() -> None:
    together, numbers = threading.Barrier(2), count(1)

    def question(_asked: ApiClient) -> int:
        if (number := next(numbers)) <= 2:
            together.wait(30)
        return number

    first, second = ahead(question), ahead(question)
    assert {first(), second()} == {1, 2}
    assert (first(), second()) == (3, 4)


@pytest.mark.usefixtures("api")
def test_parts_that_show_the_same_ask_once() -> None:
    numbers = count(1)
    fetch = ahead(lambda _asked: next(numbers), parts=2)
    assert [fetch(), fetch(), fetch()] == [1, 1, 2]


@pytest.mark.usefixtures("api")
def test_an_answer_that_nobody_fetched_in_time_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_S", 0.0)
    numbers = count(1)
    fetch = ahead(lambda _asked: next(numbers), parts=2)
    assert fetch() != fetch()


@pytest.mark.usefixtures("api")
def test_a_failure_is_the_parts() -> None:
    def question(asked: ApiClient) -> None:
        raise Unreachable(asked.url, "refused")

    fetch = ahead(question)
    with pytest.raises(ApiError, match="refused"):
        fetch()
