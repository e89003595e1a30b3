"""A provider that answers as a test says, and remembers what it was asked."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from coalmine_evals.providers.provider import Provider, Request
from coalmine_evals.records import Output
from coalmine_evals.results.datasets import Case
from coalmine_schemas.prompts.json_values import JsonValue

Reply = Callable[[Request, int], str | None]


def verdict(value: str | int, *, addresses: bool = False, reasoning: str = "because") -> str:
    return json.dumps({"reasoning": reasoning, "addresses_judge": addresses, "verdict": value})


@dataclass
class FakeModels:
    """Every model, answered by one function; also the provider itself."""

    reply: Reply
    asked: list[tuple[Request, int]] = field(default_factory=list)
    name: str = "fake"
    address: str = "fake:"
    cost_nano_usd: int = 10

    def of(self, model: str, provider: str | None = None, base_url: str | None = None) -> Provider:
        return self

    async def answer(self, request: Request, *, repeat: int = 0) -> Output:
        self.asked.append((request, repeat))
        text = self.reply(request, repeat)
        error = "timeout: no answer within 60 s" if text is None else None
        return Output(text, error, response_model=request.model, cost_nano_usd=self.cost_nano_usd)


def judged(request: Request) -> dict[str, JsonValue]:
    """What stands between the boundaries of a request, read as JSON."""
    lines = request.messages[-1].content.split("\n")
    start = next(place for place, line in enumerate(lines) if line.startswith("-----"))
    assert lines[start] == lines[start + 2]
    found: dict[str, JsonValue] = json.loads(lines[start + 1])
    return found


def case(name: str = "one", expected: JsonValue = None, **variables: JsonValue) -> Case:
    return Case(
        id=name,
        variables=variables or {"question": "Where is my parcel?"},
        expected=expected,
        capabilities=(),
        cluster=name,
        split="test",
        must_pass=False,
        source=None,
    )
