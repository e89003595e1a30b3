"""Bounds that docs/security.md names, at ten times: refused or cut, before they cost what they ask for."""

import asyncio
import json
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from coalmine_consumers.collector.decode import decode_batch
from coalmine_consumers.collector.pricing import Pricer
from coalmine_consumers.queries import facets
from coalmine_consumers.raw import Origin, RawBatch, RawColumn, UnroutableMessage
from coalmine_consumers.store import Store
from coalmine_registry.defaults import LONGEST_PAGE
from coalmine_registry.errors import Conflict, Invalid
from coalmine_registry.operations import deployments
from coalmine_registry.operations.inputs import evidence_given
from coalmine_registry.operations.pages import page_size
from coalmine_registry.prompt_files.diff import diff_lines
from coalmine_registry.records import Evidence
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.limits import MESSAGE_BYTES
from coalmine_schemas.prompt_files.folder import InvalidFiles, file_of, read_folder
from coalmine_schemas.prompt_files.markdown import parse_prompt
from coalmine_schemas.prompts import InvalidPrompt, Message, PromptContent, RenderLimitExceeded, Variable
from coalmine_schemas.prompts.syntax import MAX_TEMPLATE_CHARS
from coalmine_schemas.prompts.templating import MAX_NODES, MAX_OUTPUT_CHARS, MAX_STEPS, compile_prompt
from coalmine_schemas.resolver import SchemaResolver
from coalmine_server.api.app import RegistryParts, build_api
from coalmine_server.api.middleware import LONGEST_PATH_SHOWN, ObservabilityMiddleware
from coalmine_server.errors import NotFound
from tests.support.data.event_factory import EventFactory
from tests.support.data.hostile_templates import attempt, no_prompt
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import ANN
from tests.support.data.store_feed import Feed, request
from tests.support.repository.tree import ROOT


class Stores:
    """No store, of which at most so many may be asked for at a time."""

    def __init__(self) -> None:
        self.asking = self.most = 0
        self.answer = threading.Event()
        self._lock = threading.Lock()

    def why_not_ready(self) -> Exception | None:
        return None

    def why_degraded(self) -> None:
        return None

    def owned_store(self) -> Any:
        with self._lock:
            self.asking += 1
            self.most = max(self.most, self.asking)
        self.answer.wait(60)
        with self._lock:
            self.asking -= 1
        return self.found()

    def found(self) -> Any:
        raise NotFound("no store here")


def web_of(app: ASGIApp) -> httpx2.AsyncClient:
    """Asks an application as an admin."""

    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "coalmine.actor": Actor("root", Role.ADMIN, "token")}, receive, send)

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(known), base_url="http://here")


def test_queries_wait_for_a_thread() -> None:
    stores = Stores()

    async def main() -> None:
        app = build_api(stores, query_threads=2)
        async with app.router.lifespan_context(app), web_of(app) as web:
            asked = [asyncio.create_task(web.get("/v1/facets")) for _ in range(20)]
            while stores.asking < 2:
                await asyncio.sleep(0)
            for _ in range(1_000):  # turns in which others would begin
                await asyncio.sleep(0)
            assert stores.asking == 2
            stores.answer.set()
            assert {(await each).status_code for each in asked} == {404}

    asyncio.run(main())
    assert stores.most == 2


OPENAPI = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
LIMITED = {
    path: {each["name"]: each["schema"] for each in operations["get"].get("parameters", [])}
    for path, operations in json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))[
        "paths"
    ].items()
    if "get" in operations
}


@pytest.fixture(scope="module")
def whole_api() -> FastAPI:
    """All routes, which take seconds to make, over a store that has nothing."""
    nothing: Any = None
    stores = Stores()
    stores.answer.set()
    stores.found = lambda: nothing  # type: ignore[method-assign]
    return build_api(stores, prompts=RegistryParts(nothing, nothing, nothing))


@pytest.mark.parametrize(
    "path", [path for path, known in LIMITED.items() if {"limit", "wait"} & known.keys()]
)
def test_a_page_and_a_wait_are_bounded(whole_api: FastAPI, path: str) -> None:
    (name,) = {"limit", "wait"} & LIMITED[path].keys()
    most, least = LIMITED[path][name]["maximum"], LIMITED[path][name]["default"]
    assert least <= most <= (60 if name == "wait" else 10_000)

    async def main() -> httpx2.Response:
        async with web_of(whole_api) as web:
            address = path.format_map(dict.fromkeys(LIMITED[path], "x"))
            return await web.get(address, params={name: str(10 * most)})

    response = asyncio.run(main())
    assert response.status_code == 422, response.text
    assert name in response.json()["detail"]


def test_the_registry_gives_shorter_pages() -> None:
    assert page_size(10 * LONGEST_PAGE) == LONGEST_PAGE == 500


def test_a_path_is_cut_for_the_log() -> None:
    class Metrics:
        def observe(self, *_: object) -> None: ...

    async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(_message: Any) -> None: ...

    async def receive() -> Any: ...

    with structlog.testing.capture_logs() as lines:
        scope = {"type": "http", "method": "BREW", "path": "/" + "x" * 10 * LONGEST_PATH_SHOWN, "headers": []}
        asyncio.run(ObservabilityMiddleware(nowhere, Metrics())(scope, receive, send))  # type: ignore[arg-type]
    assert len(lines[0]["path"]) == LONGEST_PATH_SHOWN + 3
    assert lines[0]["method"] == "other"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("x" * 10 * MAX_TEMPLATE_CHARS, f"at most {MAX_TEMPLATE_CHARS} characters"),
        ("{{ a }}" * 5 * MAX_NODES, f"at most {MAX_NODES}"),
    ],
    ids=["characters", "parts"],
)
def test_a_template_is_bounded(template: str, told: str) -> None:
    with pytest.raises(InvalidPrompt, match=told):
        compile_prompt(PromptContent(template=template, variables={"a": Variable()}), no_prompt)


def test_messages_are_bounded() -> None:
    with pytest.raises(InvalidPrompt, match="at most 100"):
        PromptContent(messages=(Message("user", "x"),) * 1_000)
    with pytest.raises(InvalidPrompt, match="at most 100"):
        parse_prompt("<|user|>\nx\n" * 1_000)


@pytest.mark.parametrize(
    "template",
    [
        f"{{{{ 'x' * {10 * MAX_OUTPUT_CHARS} }}}}",
        f"{{% for i in range(1000) %}}{{% for j in range({MAX_STEPS // 100}) %}}{{% endfor %}}{{% endfor %}}",
    ],
    ids=["characters", "steps"],
)
def test_rendering_is_bounded(template: str) -> None:
    with pytest.raises(RenderLimitExceeded):
        attempt(template)


@pytest.mark.parametrize(
    ("front", "told"),
    [(f"a: {'x' * 1_000_000}", "100000 characters"), (f"a: [{'1,' * 49_000}]", "20000 values")],
    ids=["characters", "values: as many as fit"],
)
def test_front_matter_is_bounded(front: str, told: str) -> None:
    with pytest.raises(InvalidPrompt, match=told):
        parse_prompt(f"---\n{front}\n---\nhello\n")


def test_a_prompt_file_is_not_read_whatever_its_size(tmp_path: Path) -> None:
    path = file_of(tmp_path, "large", "1.0.0")
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(80 * 1024 * 1024)
    with pytest.raises(InvalidFiles, match="at most 8388608 bytes"):
        read_folder(tmp_path)


def test_a_comparison_is_cut() -> None:
    old, new = PromptContent(template="a\n" * 130_000), PromptContent(template="b\n" * 130_000)
    lines = diff_lines("a", old, "b", new)
    assert len(lines) == 2 + 20_000 + 1
    assert "cut" in lines[-1].text


def test_what_an_environment_serves_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployments, "_MOST_BYTES", 3_000)
    with Registry.open(tmp_path / "registry.db") as registry:
        registry.register(ANN, "large", "1.0.0", content("{{ question }}" + "x" * 30_000))
        with pytest.raises(Conflict, match="at most 3000 are possible"):
            registry.promote(ANN, "large", "1.0.0", "dev")


@pytest.mark.parametrize(
    "evidence",
    [
        [Evidence("eval_run", "run-1", "")] * 200,
        [Evidence("eval_run", "r" * 5_000, "")],
        [Evidence("eval_run", "run-1", "s" * 20_000)],
    ],
    ids=["items", "reference", "summary"],
)
def test_evidence_is_bounded(evidence: list[Evidence]) -> None:
    with pytest.raises(Invalid, match="give at most"):
        evidence_given(evidence)


def test_of_very_many_names_filters_list_the_latest(tmp_path: Path) -> None:
    rows = [
        request(number, prompt=f"p{number}", app=f"a{number}", environment=f"e{number}")
        for number in range(1_000)
    ]
    with closing(Store.open(tmp_path)) as store:
        store.commit(Feed().batch(rows))
        found = facets(store.reader(), most=100)
    assert (len(found.prompts), len(found.apps), len(found.environments)) == (100, 100, 100)
    assert not found.complete


def test_of_a_message_that_is_too_long_the_beginning_is_kept() -> None:
    factory = EventFactory()
    good = [Encoder(SingleObjectFraming()).encode("requests", factory.request(number)) for number in range(2)]
    long = good[0] + b"\0" * 10 * MESSAGE_BYTES

    def origin(index: int) -> Origin:
        return Origin("coalmine.requests", "0", index, None, long)

    raw = RawBatch(
        columns={"requests": RawColumn([good[0], long, good[1]], origin)},
        starts={},
        positions={},
        unroutable=[UnroutableMessage(long, origin(3), "no such topic")],
    )
    batch = decode_batch(raw, BatchDecoder(SchemaResolver()), Pricer())
    assert batch.tables["requests"].num_rows == 2
    for letter in batch.dead_letters:
        assert letter.payload == long[:MESSAGE_BYTES]
        assert letter.key == long[:MESSAGE_BYTES]
        assert letter.reason == f"longer than {MESSAGE_BYTES} bytes, which are kept: {len(long)}"
    assert [letter.event for letter in batch.dead_letters] == ["requests", "unroutable"]
