"""Routes of the pipeline: dead letters are chosen by what they were sent as, and by where they failed."""

from typing import get_args

import pytest

from coalmine_consumers.raw import READ_EVENTS, UNROUTABLE
from coalmine_server.api.routes.pipeline import SentAs
from tests.server.registry_client import Person

CHANGES = ("/v1/dead-letters/replay", "/v1/dead-letters/discard")


def test_dead_letters_are_sent_as_what_the_collector_reads() -> None:
    assert get_args(SentAs) == (*READ_EVENTS, UNROUTABLE)


@pytest.mark.parametrize("field", ["event", "stage"])
@pytest.mark.parametrize("value", ["request", "", "\ud800"])
def test_a_choice_that_matches_nothing_ever_is_refused(admin: Person, field: str, value: str) -> None:
    body = f'{{"{field}": "{value.encode("ascii", "backslashreplace").decode()}"}}'
    headers = {"Content-Type": "application/json"}
    answers = [admin.client.post(path, content=body, headers=headers) for path in CHANGES]
    if value.isascii():
        answers.append(admin.client.get("/v1/dead-letters", params={field: value}))
    assert [answer.status_code for answer in answers] == [422] * len(answers)
    assert {answer.json()["errors"][0]["name"] for answer in answers} == {field}


def test_a_choice_that_may_match_is_taken(admin: Person) -> None:
    for path in CHANGES:
        admin.post(path, {"event": "unroutable", "stage": "frame"})
    assert admin.get("/v1/dead-letters?event=unroutable&stage=frame")["items"] == []
