"""Whatever a store holds, every question has an answer: one event never breaks the answers about others.

The values are those that a store may hold although no event may have them any more.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from coalmine_consumers.maintenance import Housekeeping, MaintenancePolicy, rebuild
from coalmine_consumers.maintenance.policy import CompactionPolicy, RetentionPolicy, SealPolicy
from coalmine_consumers.store import Store
from coalmine_server.client.in_process import in_process_client
from coalmine_server.settings import load_settings
from tests.support.campaign import CAMPAIGN, size
from tests.support.data.store_feed import PARTITION, START, Feed, Row, feedback, request, score

ODD_TEXTS = [
    "9" * 5000 + ".0.0",
    "1.0.0-" + "9" * 5000,
    "1.0.0+" + "9" * 5000,
    "n" * 20_000,
    "\0",
    "\x1b[2J",
    "\u202e\U0010ffff\ufeff",
    "a/b?c=d&e#f%00",
    "' OR 1=1 --",
    "NaN",
    " ",
    "",
]
ODD_NUMBERS = [1.7e308, -1.7e308, 1e200, 5e-324, -0.0]
ODD_COUNTS = [2**63 - 1, 2**62, 0]
ODD_TIMES = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]
TEXT_FIELDS = [
    "app",
    "environment",
    "prompt",
    "version",
    "label",
    "variant",
    "experiment",
    "unit_id",
    "session_id",
    "trace_id",
    "provider",
    "request_model",
    "response_model",
    "finish_reason",
    "error_type",
    "client_version",
    "resolution",
]
ARROW = "application/vnd.apache.arrow.stream"


def odd_requests() -> Iterator[Row]:
    """Requests that are good but for one value, then those of which every value is odd."""
    number = 100
    plain: dict[str, Any] = {"variant": "control", "experiment": "odd", "allocation_epoch": 1}
    for text in ODD_TEXTS:
        for field in TEXT_FIELDS:
            number += 1
            yield request(number, **{**plain, field: text})
        number += 1
        yield request(number, metrics=[(text, 1.0)], segments=[(text, text)], **plain)
        number += 1
        everywhere: dict[str, Any] = dict.fromkeys(TEXT_FIELDS, text)
        yield request(number, **everywhere)
    for value in ODD_NUMBERS:
        number += 2
        yield request(number, latency_ms=abs(value), **plain)
        metrics = [("quality", value), ("tone", value)]
        yield request(number + 1, time_to_first_token_ms=abs(value), metrics=metrics, **plain)
    for count in ODD_COUNTS:
        for field in ("input_tokens", "cached_input_tokens", "output_tokens", "cost_nano_usd"):
            number += 1
            yield request(number, **{**plain, field: count})
    for at in ODD_TIMES:
        number += 1
        yield request(number, at=START, event_time=at, **plain)
    for epoch in (-(2**31), 2**31 - 1, 0):
        number += 1
        yield request(number, **{**plain, "allocation_epoch": epoch})


pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # sums of squares that are infinite


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx2.Client, Store]]:
    """The API over a store that holds all of it, past every check of what comes in."""
    settings = load_settings(environ={"COALMINE_HOME": str(tmp_path_factory.mktemp("odd"))}).settings
    store = Store.open(settings.store_dir)
    rows = list(odd_requests())
    odd = [(ODD_NUMBERS[at % len(ODD_NUMBERS)], ODD_TEXTS[at % len(ODD_TEXTS)]) for at in range(len(rows))]
    reactions = [
        feedback(at, rows[at], START, rating=value, comment=text) for at, (value, text) in enumerate(odd)
    ]
    scores = [score(at, rows[at], value, text, at=START) for at, (value, text) in enumerate(odd)]
    feed = Feed()
    store.commit(feed.batch([request(number) for number in range(20)]))
    store.commit(feed.batch(rows, feedback=reactions, scores=scores))
    with in_process_client(settings, store) as client:
        yield client._http, store
    store.close()


def questions() -> Iterator[tuple[str, dict[str, str]]]:
    """Every route that answers about what was measured, about everything and about each odd name."""
    for path in ("versions", "timeseries", "quantiles", "facets", "deployment-marks", "metrics", "readouts"):
        yield path, {}
    for path in ("ingest", "audit", "dead-letters", "rebuild", "segments"):
        yield path, {}
    yield "audit", {"deep": "true"}
    for metric in ("latency_ms", "time_to_first_token_ms", "cost_nano_usd"):
        yield "quantiles", {"metric": metric}
    for step in ("minute", "5m", "15m", "hour", "6h", "day"):
        yield "timeseries", {"step": step}
    for since in ("1970-01-01", "2026-03-10", "9999-12-31"):
        for path in ("versions", "timeseries", "deployment-marks"):
            yield path, {"since": since}
    for number, text in enumerate(ODD_TEXTS):
        if len(text) > 10_000:
            continue  # no address holds it
        name = text or "refund"
        for path in ("versions", "timeseries", "quantiles"):
            yield path, {"prompt": name, "version": name}
        for path in ("versions", "timeseries", "quantiles")[: size(1, 3)]:
            yield path, {"environment": name, "app": name}
        yield "drift", {"prompt": name}
        sides = [
            {"prompt": name, "a": name, "b": "1.0.0"},
            {"prompt": "refund", "a": "1.0.0", "b": name},
        ]
        for side in sides if CAMPAIGN else sides[number % 2 :: 2]:
            yield from ((path, side) for path in ("compare", "explain"))
    yield "drift", {"prompt": "refund"}
    for experiment in ("odd", *ODD_TEXTS[4:]):
        name = quote(experiment, safe="")
        if name:
            yield f"experiments/{name}/readout", {}
            yield f"experiments/{name}/looks", {}


def test_every_question_is_answered(asked: tuple[httpx2.Client, Store]) -> None:
    client, _ = asked
    failed = []
    for path, parameters in questions():
        for accepted in ("application/json", ARROW)[: 1 if "prompt" in parameters else 2]:
            try:
                answer = client.get(f"/v1/{path}", params=parameters, headers={"Accept": accepted})
            except Exception as error:  # noqa: BLE001 - what the application raised
                failed.append((path, ascii(parameters)[:80], accepted, repr(error)[:500]))
                continue
            if answer.status_code not in {200, 404, 406, 422}:
                failed.append((path, ascii(parameters)[:80], accepted, answer.text[:500]))
    assert failed == []


@pytest.mark.parametrize("path", ["versions", "timeseries"])
def test_pages_lead_past_every_odd_name(asked: tuple[httpx2.Client, Store], path: str) -> None:
    client, _ = asked
    step = {"step": "day"} if path == "timeseries" else {}
    whole = client.get(f"/v1/{path}", params=step).json()["items"]
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while len(found) <= len(whole):
        page = client.get(f"/v1/{path}", params={"limit": "20", **step, **cursor}).json()
        found += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [(row["prompt"], row["version"]) for row in found] == [
        (row["prompt"], row["version"]) for row in whole
    ]


def test_upkeep_goes_on_and_the_answers_stay(asked: tuple[httpx2.Client, Store]) -> None:
    client, store = asked
    before = client.get("/v1/versions").json()
    policy = MaintenancePolicy(
        SealPolicy(max_rows=1),
        retention=RetentionPolicy(raw_days=None),
        compaction=CompactionPolicy(1, 1),
    )
    housekeeping = Housekeeping(store, policy)
    for days in range(3):
        failed = [each for each in housekeeping.tick(datetime.now(UTC) + timedelta(days=days)) if each.error]
        assert failed == []
    assert client.get("/v1/audit", params={"deep": "true"}).json()["ok"]
    rebuild(store)
    assert client.get("/v1/audit", params={"deep": "true"}).json()["ok"]
    after = client.get("/v1/versions").json()
    assert [(row["prompt"], row["requests"]) for row in after["items"]] == [
        (row["prompt"], row["requests"]) for row in before["items"]
    ]
    later = request(5000, experiment="odd", variant="control")
    store.commit(Feed(store.positions()[PARTITION]).batch([later]))
