"""Time to get a prompt from memory and to render it, beside the `langfuse` SDK in the same run.

Both SDKs follow a registry on this machine, a stub of each one's own API, and are asked once they know the
prompt: Coalmine from the snapshot that its background thread keeps, langfuse from its own warm cache.

* prompt: `cm.prompt(...)` with a unit, through a targeting rule and the split of an experiment;
  `langfuse.get_prompt(...)`, which knows neither;
* prompt and render: the same, then a template of 2 kB with eight variables. Ours says an `if` and a loop in
  addition, in a sandbox with its limits; langfuse's replaces variables.

The sides take turns, so that they share whatever else the machine does.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from langfuse import Langfuse

from benchmarks.langfuse_stub import langfuse_stub
from coalmine import Coalmine
from coalmine_schemas.prompts import PromptContent, Variable
from tests.support.doubles.deployment_server import DeploymentServer

NAME = "support-refund"
TEMPLATE_CHARS = 2048
BURST = 20

_WORDS = (
    "You answer customers of {{company}} who want their money back. It is {{today}}. Speak {{language}}, "
    "be {{tone}}, and never promise a refund that the rules below do not allow. You talk to {{customer}}, "
    "on the plan {{plan}}, and asks about order {{order}}. "
)
_RULES = (
    "Refunds are possible within thirty days after delivery; later ones go to a person. Ask for the number "
    "of the order when it is missing, and for nothing else. "
)
_QUESTION = "\nThe question: {{question}}\n"
_OURS = (
    "{% if plan == 'enterprise' %}Offer a call.{% endif %}"
    "{% for item in items %}\n{{ loop.index }}. {{ item.name }}: {{ item.price }}{% endfor %}"
)
VARIABLES: dict[str, str] = {
    "company": "ACME",
    "today": "2026-11-21",
    "language": "English",
    "tone": "kind",
    "customer": "user-4711",
    "plan": "enterprise",
    "order": "A-1729",
    "question": "Where is my refund? I sent everything back two weeks ago.",
}
ITEMS = [{"name": "kettle", "price": 39.9}, {"name": "cup", "price": 7.5}, {"name": "tea", "price": 4.2}]


def template(extra: str = "") -> str:
    """A template of about 2 kB."""
    fixed = len(_WORDS) + len(_QUESTION) + len(extra)
    rules = (_RULES * 20)[: TEMPLATE_CHARS - fixed]
    return f"{_WORDS}{rules}{extra}{_QUESTION}"


@dataclass(slots=True)
class Side:
    """One way to get a prompt."""

    name: str
    ask: Callable[[], object]
    times_ns: list[int] = field(default_factory=list)

    def quantile_us(self, q: float) -> float:
        """Time that a share `q` of the requests did not exceed, microseconds."""
        ordered = sorted(self.times_ns)
        return ordered[min(len(ordered) - 1, int(len(ordered) * q))] / 1000


def snapshot() -> dict[str, Any]:
    """An environment with a rule and a running experiment."""
    variables = {**{name: Variable() for name in VARIABLES}, "items": Variable("array")}
    content = PromptContent(template=template(_OURS), variables=variables, model="gpt-4o-mini").to_json()
    arms = [
        {"variant": "treatment", "version": "1.1.0", "weight": 0.1},
        {"variant": "control", "version": "1.0.0", "weight": 0.9},
    ]
    rule = {"name": "careful", "when": {"tier": ["public"]}, "serve": {"version": "1.0.0"}}
    return {
        "environment": "prod",
        "revision": 1,
        "prompts": {
            NAME: {
                "revision": 1,
                "default": {"experiment": "refund-tone"},
                "rules": [rule],
                "experiments": {"refund-tone": {"salt": "5c1f", "allocation_epoch": 1, "arms": arms}},
            }
        },
        "contents": {f"{NAME}@1.0.0": content, f"{NAME}@1.1.0": {**content, "model": "gpt-4.1-mini"}},
    }


def measure(sides: list[Side], requests: int) -> None:
    """Let the sides take turns until each has served `requests`."""
    for side in sides:
        for _ in range(BURST):
            side.ask()
    clock = time.perf_counter_ns
    for _ in range(max(1, requests // BURST)):
        for side in sides:
            ask, times_ns = side.ask, side.times_ns
            for _ in range(BURST):
                began = clock()
                ask()
                times_ns.append(clock() - began)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table and, on request, a last line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prompt", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="requests a side (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)

    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        registry = stack.enter_context(DeploymentServer())
        registry.publish(snapshot())
        cm = stack.enter_context(Coalmine("bench", home=home, server_url=registry.url))
        if not cm.wait_for_registry(30):
            print("the client cannot reach its registry", file=sys.stderr)
            return 1
        api = stack.enter_context(langfuse_stub(NAME, template()))
        langfuse = Langfuse(
            public_key="pk-bench",
            secret_key="sk-bench",
            base_url=api.url,
            tracing_enabled=False,
        )
        stack.callback(langfuse.shutdown)

        units = [f"user-{number}" for number in range(997)]
        turn = iter(range(10**12))
        segments = {"tier": "enterprise"}

        def ours() -> object:
            return cm.prompt(NAME, unit_id=units[next(turn) % 997], segments=segments)

        def ours_rendered() -> object:
            prompt = cm.prompt(NAME, unit_id=units[next(turn) % 997], segments=segments)
            return prompt.render(**VARIABLES, items=ITEMS)

        def theirs() -> object:
            return langfuse.get_prompt(NAME, cache_ttl_seconds=3600)

        def theirs_rendered() -> object:
            return langfuse.get_prompt(NAME, cache_ttl_seconds=3600).compile(**VARIABLES)

        sides = [
            Side("coalmine: prompt", ours),
            Side("langfuse: prompt", theirs),
            Side("coalmine: prompt and render", ours_rendered),
            Side("langfuse: prompt and compile", theirs_rendered),
        ]
        measure(sides, options.requests)
        print(f"\nA prompt from memory; the template has {len(template(_OURS))} characters")
        print(f"{'':<34}{'p50 us':>10}{'p99 us':>10}")
        for side in sides:
            print(f"{side.name:<34}{side.quantile_us(0.5):>10.1f}{side.quantile_us(0.99):>10.1f}")
        asked = len(registry.questions)
        result = {
            "prompt_us_p50": round(sides[0].quantile_us(0.5), 2),
            "prompt_us_p99": round(sides[0].quantile_us(0.99), 2),
            "langfuse_prompt_us_p50": round(sides[1].quantile_us(0.5), 2),
            "prompt_render_us_p50": round(sides[2].quantile_us(0.5), 2),
            "prompt_render_us_p99": round(sides[2].quantile_us(0.99), 2),
            "langfuse_prompt_render_us_p50": round(sides[3].quantile_us(0.5), 2),
        }
        if asked > 2 + options.requests // 1000:
            print(f"the registry was asked {asked} times: prompts must come from memory", file=sys.stderr)
            return 1
    if options.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
