"""Whoever watches a server hears when nobody decides about rollouts any more."""

import threading
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pytest_httpserver import HTTPServer

from coalmine_server.workers import analysis
from coalmine_server.workers.analysis import ping_worker
from coalmine_server.workers.ingest import IngestService, Situation
from coalmine_server.workers.ingest_metrics import IngestMetrics
from coalmine_server.workers.state import ROLLOUTS_OVERDUE_S, ServerStores
from coalmine_server.workers.worker import Worker
from tests.support.eventually import eventually


class Ingest:
    """An ingest service that runs, as far as it is asked about."""

    situation = Situation("running")
    waiting_for = None

    def __init__(self, age_s: float | None) -> None:
        self.age_s = age_s

    def rollout_tick_age_s(self) -> float | None:
        return self.age_s

    def alerts_tick_age_s(self) -> float | None:
        return None

    def health(self) -> None:
        return None

    def housekeeping(self) -> None:
        return None

    def workers(self) -> dict[str, Any]:
        return {}


def as_service(ingest: Ingest) -> IngestService:
    return cast("IngestService", ingest)


@pytest.mark.parametrize(("age_s", "degraded"), [(None, False), (5.0, False), (ROLLOUTS_OVERDUE_S + 1, True)])
def test_readiness_says_that_nobody_decides(age_s: float | None, *, degraded: bool) -> None:
    said = ServerStores(as_service(Ingest(age_s))).why_degraded()
    assert (said is not None) is degraded
    if said is not None:
        assert "61 s ago" in said


@pytest.mark.parametrize("age_s", [None, 7.5])
def test_the_age_of_the_last_tick_is_a_gauge_where_somebody_decides(age_s: float | None) -> None:
    registry = CollectorRegistry()
    registry.register(IngestMetrics(as_service(Ingest(age_s))))
    text = generate_latest(registry).decode()
    assert ("coalmine_rollout_tick_age_seconds 7.5" in text) is (age_s is not None)


def test_an_alarm_elsewhere_is_told_while_rollouts_are_decided_about(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/ping").respond_with_data("ok")
    ticking = Worker("rollouts", lambda _stop: 3600.0)
    ping = ping_worker(httpserver.url_for("/ping"), ticking)
    ping.start()
    eventually(lambda: ping.health().ticks == 1, what="pinged")
    assert (ping.health().failures, len(httpserver.log)) == (0, 1)
    ping.ask_to_stop()
    assert ping.wait_stopped(10)


def test_nothing_is_told_if_nobody_decides(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "PING_EVERY_S", -1.0)
    stuck = Worker("rollouts", lambda _stop: 3600.0)
    ping = ping_worker(httpserver.url_for("/ping"), stuck)
    ping.start()
    eventually(lambda: ping.health().ticks >= 1, what="ticked")
    ping.ask_to_stop()
    assert ping.wait_stopped(10)
    assert httpserver.log == []


def test_a_tick_that_fails_does_not_count_and_is_tried_again_soon() -> None:
    failing = threading.Event()
    failing.set()

    def tick(_stop: threading.Event) -> float:
        if failing.is_set():
            raise OSError("no database")
        return 3600.0

    worker = Worker("rollouts", tick, again_after_s=0.01)
    began = worker.health().since
    worker.start()
    eventually(lambda: worker.health().failures >= 3, what="tried again")
    assert worker.health().since == began
    failing.clear()
    eventually(lambda: worker.health().error is None, what="it works again")
    assert worker.health().since > began
    worker.ask_to_stop()
    assert worker.wait_stopped(10)
