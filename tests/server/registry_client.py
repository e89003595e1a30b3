"""Speaks with a server's registry as one of several people."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import httpx2

from tests.support.processes.coalmine_process import ServerProcess

HELLO = {"template": "Hello {{ name }}", "variables": {"name": {"type": "string"}}}
GOODBYE = {"template": "Goodbye {{ name }}", "variables": {"name": {"type": "string"}}}


class Person:
    """Somebody with a token."""

    def __init__(self, url: str, token: str, *, token_id: str = "") -> None:
        self.token = token
        self.token_id = token_id
        self.client = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
            trust_env=False,
            verify=False,  # making a context for TLS, which nobody needs here, takes 20 ms
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    @classmethod
    def local(cls, server: ServerProcess) -> Self:
        """Whoever started the server: an admin."""
        return cls(server.url, server.token)

    def make(self, subject: str, role: str, prompts: Sequence[str] | None = None) -> "Person":
        """Somebody else, by a token that this admin makes, for some prompts or all."""
        environment = "prod" if role == "service" else None
        body = {"subject": subject, "role": role, "environment": environment, "prompts": prompts}
        made = self.post("/v1/tokens", body, expect=201)
        return Person(str(self.client.base_url), made["token"], token_id=made["id"])

    def get(self, path: str, *, expect: int = 200, **options: Any) -> Any:
        return self._answer(self.client.get(path, **options), expect)

    def post(self, path: str, body: object = None, *, expect: int = 200, **options: Any) -> Any:
        return self._answer(self.client.post(path, json={} if body is None else body, **options), expect)

    def put(self, path: str, body: object, *, expect: int = 200, **options: Any) -> Any:
        return self._answer(self.client.put(path, json=body, **options), expect)

    def register(self, name: str, version: str, content: dict[str, Any], *, expect: int = 201) -> Any:
        return self.post(
            f"/v1/prompts/{name}/versions", {"version": version, "content": content}, expect=expect
        )

    def promote(self, name: str, version: str, environment: str, *, expect: int = 201, **fields: Any) -> Any:
        body = {"prompt": name, "version": version, "environment": environment, **fields}
        return self.post("/v1/promotions", body, expect=expect)

    @staticmethod
    def _answer(response: httpx2.Response, expect: int) -> Any:
        assert response.status_code == expect, (response.status_code, response.text)
        return response.json()
