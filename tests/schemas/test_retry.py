"""Retrying: ever longer pauses, an end on request, and nothing but passing faults."""

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.errors import Terminal, Transient
from coalmine_schemas.retry import RetryPolicy, Stopped, retry


def test_it_is_tried_until_it_works() -> None:
    answers = iter([Transient("one"), Transient("two"), "worked"])
    failures: list[str] = []

    def action() -> str:
        answer = next(answers)
        if isinstance(answer, Transient):
            raise answer
        return str(answer)

    policy = RetryPolicy(first_s=0.001, max_s=0.001)
    result = retry(action, policy, threading.Event(), lambda error, pause_s: failures.append(str(error)))
    assert result == "worked"
    assert failures == ["one", "two"]


def test_other_errors_are_passed_on_at_once() -> None:
    def action() -> None:
        raise Terminal("no")

    with pytest.raises(Terminal):
        retry(action, RetryPolicy(), threading.Event(), lambda error, pause_s: pytest.fail("retried"))


def test_stopping_ends_the_waiting_but_not_the_first_attempt() -> None:
    stop = threading.Event()
    stop.set()
    attempts = []

    def action() -> None:
        attempts.append(1)
        raise Transient("away")

    with pytest.raises(Stopped):
        retry(action, RetryPolicy(first_s=60), stop, lambda error, pause_s: None)
    assert len(attempts) == 1
    assert retry(lambda: 7, RetryPolicy(), stop, lambda error, pause_s: None) == 7


@given(st.integers(0, 10_000), st.integers(0, 2**32))
def test_pauses_grow_to_their_limit_and_stay_near_it(attempt: int, seed: int) -> None:
    policy = RetryPolicy(first_s=0.1, max_s=10.0, jitter=0.2)
    pause_s = policy.pause_s(attempt, random.Random(seed))
    plain = min(10.0, 0.1 * 2.0 ** min(attempt, 60))
    assert 0.8 * plain <= pause_s <= 1.2 * plain
