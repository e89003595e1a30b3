"""Log lines at a limited rate."""

import logging

import pytest

from coalmine_schemas.limited_log import RateLimitedLogger


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_line_of_a_kind_per_interval_and_the_number_held_back(caplog: pytest.LogCaptureFixture) -> None:
    clock = _Clock()
    log = RateLimitedLogger(logging.getLogger("coalmine.test"), every_s=60, clock=clock)
    for _ in range(4):
        log.report("disk", "cannot write %s", "a")
    log.report("kafka", "gone")
    clock.now += 59.9
    log.report("disk", "cannot write %s", "b")
    clock.now += 0.1
    log.report("disk", "cannot write %s", "c")
    clock.now += 60
    log.report("disk", "cannot write %s", "d")
    assert [record.getMessage() for record in caplog.records] == [
        "cannot write a",
        "gone",
        "cannot write c (and 4 more like this)",
        "cannot write d",
    ]


def test_a_handler_that_raises_does_not_reach_the_service() -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("disk full")

    logger = logging.getLogger("coalmine.broken")
    handler = Broken()
    logger.addHandler(handler)
    try:
        RateLimitedLogger(logger).report("disk", "cannot write")
    finally:
        logger.removeHandler(handler)
