"""Fixtures: one server that takes events, spans and votes, whom it knows, and a site of somebody else."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from coalmine_schemas.identifiers import uuid7
from tests.server.registry_client import Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess

LINK_KEY = "a-key-of-at-least-thirty-two-characters"


@dataclass
class Site:
    """A site of somebody else, whose pages may vote."""

    url: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    """By path."""


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = site.pages.get(self.path)
            self.send_response(200 if found is not None else 204)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write((found or "").encode())

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        site.url = f"http://127.0.0.1:{served.server_port}"
        yield site
        served.shutdown()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[ServerProcess]:
    """Shared: each test has prompts, apps and calls of its own."""
    settings = {
        "COALMINE_EVENTS_PER_MINUTE": "600",
        "COALMINE_EVENTS_FEEDBACK_LINK_KEY": LINK_KEY,
        "COALMINE_EVENTS_FEEDBACK_LINK_ORIGINS": site.url,
        "COALMINE_READOUT_METRICS": '{"stars": {"range": [1, 5]}}',
    }
    with ServerProcess(tmp_path_factory.mktemp("intake") / "home", settings) as server:
        server.wait_ready()
        yield server


@pytest.fixture(scope="session")
def admin(server: ServerProcess) -> Iterator[Person]:
    with Person.local(server) as admin:
        yield admin


@pytest.fixture
def sender(admin: Person) -> Iterator[Person]:
    """A token that can only write, of an app of the test's own."""
    with admin.make(f"app-{uuid7()}", "ingest") as sender:
        yield sender


def stored(admin: Person, request_id: str, feedback: int = 0, scores: int = 0) -> dict[str, Any]:
    """The call once it is in the store, with so much said of it."""

    def found() -> dict[str, Any] | None:
        response = admin.client.get(f"/v1/requests/{request_id}")
        if response.status_code != 200:
            return None
        answer: dict[str, Any] = response.json()
        has = len(answer["feedback"]) >= feedback and len(answer["scores"]) >= scores
        return answer if has else None

    return eventually(found, what=f"{request_id} stored")
