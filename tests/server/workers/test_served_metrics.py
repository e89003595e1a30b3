"""What a scrape of `/metrics` has of served versions and rollouts, and what the examples in docs/ ask."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from coalmine import Coalmine
from tests.server.registry_client import GOODBYE, HELLO, Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess
from tests.support.repository.tree import ROOT

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
DASHBOARD = ROOT / "docs" / "grafana-dashboard.json"
RULES = ROOT / "docs" / "alert-rules.yaml"

Samples = dict[str, list[tuple[dict[str, str], float]]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One with a rollout that runs, and with calls of what is served and of what is not."""
    home = tmp_path_factory.mktemp("scraped") / "home"
    home.mkdir(mode=0o700)
    (home / "alerts.yaml").write_text("budgets: {greetings: {usd: 2, period: week, prompt: greeting}}\n")
    with ServerProcess(home) as found:
        found.wait_ready()
        with Person.local(found) as admin, admin.make("author", "author") as author:
            author.register("greeting", "1.0.0", HELLO)
            author.register("greeting", "1.1.0", GOODBYE)
            admin.promote("greeting", "1.0.0", "prod")
            body = {"prompt": "greeting", "version": "1.1.0", "plan": "canary-standard"}
            admin.post("/v1/rollouts", body, expect=201)
            eventually(lambda: admin.get("/v1/rollouts?state=running")["items"], what="a rollout that runs")
        _call(home, "greeting", "1.0.0", 8, quality=0.5)
        _call(home, "greeting", "1.1.0", 4, quality=0.25)
        _call(home, "greeting", "0.9.0", 2, quality=1.0)
        _call(home, "unregistered", "a", 3, quality=None)
        eventually(lambda: found.json("/v1/ingest")["counts"]["stored"] >= 19, what="calls are stored")
        yield found


def _call(home: Any, prompt: str, version: str, times: int, *, quality: float | None) -> None:
    with Coalmine("support-bot", spool_dir=home / "spool") as client:
        for number in range(times):
            with client.call(prompt, version=version, model="gpt-4o-mini", provider="openai") as call:
                call.record(input_tokens=100, output_tokens=10)
                if quality is not None:
                    call.metric("quality", quality)
            if number < 2 and quality == 0.5:
                client.feedback(call.request_id, thumbs="down" if number else "up")


@pytest.fixture(scope="module")
def text(server: ServerProcess) -> str:
    """One scrape."""
    answer = server.get("/metrics", headers={"Accept": OPEN_METRICS})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    return answer.text


@pytest.fixture(scope="module")
def samples(text: str) -> Samples:
    """By name, as a scraper reads them."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def _of(samples: Samples, name: str, **labels: str) -> float:
    (found,) = [value for has, value in samples[name] if labels.items() <= has.items()]
    return found


def test_each_served_version_has_its_measures_with_what_they_stand_on(samples: Samples) -> None:
    good = {"environment": "prod", "prompt": "greeting", "version": "1.0.0"}
    assert _of(samples, "coalmine_version_requests", **good) == 8
    assert _of(samples, "coalmine_version_quality", **good) == 0.5
    assert _of(samples, "coalmine_version_quality_values", **good) == 8
    assert _of(samples, "coalmine_version_error_ratio", **good) == 0
    assert _of(samples, "coalmine_version_cost_values", **good) == 8
    assert 0 < _of(samples, "coalmine_version_cost_usd", **good) < 0.01
    assert _of(samples, "coalmine_version_thumbs_up_ratio", **good) == 0.5
    assert _of(samples, "coalmine_version_thumbs", **good) == 2
    assert _of(samples, "coalmine_version_latency_seconds", **good, quantile="0.95") >= 0
    assert _of(samples, "coalmine_version_quality", **{**good, "version": "1.1.0"}) == 0.25
    assert _of(samples, "coalmine_metrics_source_up", source="registry") == 1
    assert _of(samples, "coalmine_metrics_source_up", source="store") == 1


def test_versions_that_are_not_served_are_left_out_unless_the_registry_serves_none_of_the_prompt(
    samples: Samples,
) -> None:
    shown = {(labels["prompt"], labels["version"]) for labels, _ in samples["coalmine_version_requests"]}
    assert shown == {("greeting", "1.0.0"), ("greeting", "1.1.0"), ("unregistered", "a")}
    # Nothing was measured of it: no gauge, rather than zero.
    assert "unregistered" not in {labels["prompt"] for labels, _ in samples["coalmine_version_quality"]}


def test_rollouts_have_their_state(samples: Samples) -> None:
    place = {"environment": "prod", "prompt": "greeting", "version": "1.1.0"}
    assert samples["coalmine_rollout_state"] == [({**place, "state": "running"}, 1)]
    assert _of(samples, "coalmine_rollout_stage", **place) == 0
    assert _of(samples, "coalmine_rollout_holds", **place) >= 0


def test_budgets_have_what_is_spent_and_what_may_be(samples: Samples) -> None:
    labels = {"budget": "greetings", "period": "week"}
    assert samples["coalmine_budget_limit_usd"] == [(labels, 2.0)]
    assert 0 < _of(samples, "coalmine_budget_spent_usd", **labels) < 0.1
    # A forecast needs a week.
    assert "coalmine_budget_forecast_usd" not in samples


def test_no_label_has_more_values_than_names_of_what_is_served(samples: Samples) -> None:
    allowed = {
        *("environment", "prompt", "version", "state", "quantile", "source", "worker", "outcome"),
        *("budget", "period", "rule", "severity", "channel", "method", "route", "status", "le", "generation"),
        *("implementation", "major", "minor", "patchlevel"),
    }
    assert {name for rows in samples.values() for labels, _ in rows for name in labels} <= allowed


def test_without_being_asked_for_open_metrics_it_is_the_text_that_prometheus_always_read(
    server: ServerProcess,
) -> None:
    answer = server.get("/metrics", headers={"Accept": "*/*"})
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert (
        'coalmine_version_requests{environment="prod",prompt="greeting",version="1.0.0"} 8.0' in answer.text
    )


def _expressions(node: object) -> Iterator[str]:
    """Every `expr` in a document, and the queries of variables."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "definition") and isinstance(value, str):
                yield value
            else:
                yield from _expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from _expressions(value)


def _documents() -> Iterator[tuple[str, list[str]]]:
    yield DASHBOARD.name, list(_expressions(json.loads(DASHBOARD.read_text(encoding="utf-8"))))
    yield RULES.name, list(_expressions(yaml.safe_load(RULES.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(("name", "expressions"), list(_documents()))
def test_examples_ask_for_metrics_and_labels_that_there_are(
    text: str, samples: Samples, name: str, expressions: list[str]
) -> None:
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    known = {f"{family}_total" if kind == "counter" else family for family, kind in types.items()}
    known |= {f"{family}_bucket" for family, kind in types.items() if kind == "histogram"}
    assert len(expressions) > 5, name
    for expression in expressions:
        names = re.findall(r"\bcoalmine_\w+", expression)
        assert names or "up{" in expression, expression
        for metric in names:
            assert metric in known, f"{name}: {metric}"
            there = {label for labels, _ in samples.get(metric, []) for label in labels}
            for asked in re.findall(rf"\b{metric}\{{([^}}]*)\}}", expression):
                labels = set(re.findall(r"(\w+)\s*[=!]", asked))
                assert not there or labels <= there, f"{name}: {expression}: {labels - there}"


def test_every_rule_says_how_bad_it_is_and_what_to_do() -> None:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 5
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"page", "warning"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_dashboard_has_panels_that_do_not_lie_on_each_other() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"${datasource}"}
