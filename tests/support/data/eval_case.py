"""A prompt, a suite of sixty cases and a registry, on which runs are tried."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coalmine_evals.datasets.jsonl import digest_of
from coalmine_evals.datasets.storage import put_dataset
from coalmine_evals.results.datasets import Case
from coalmine_evals.storage.open import open_database
from coalmine_evals.suites.read import suite_of
from coalmine_evals.suites.storage import put_suite
from coalmine_evals.suites.suite import PushedSuite
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import PromptContent, Variable
from tests.support.data.registry_case import ANN, BOB

PROMPT = "sums"
MODEL = "gpt-4o-mini-2024-07-18"
OTHER = "gpt-4.1-mini-2025-04-14"
CASES = 60


class EvalCase:
    """Versions 1.0.0, which prod serves, and 1.1.0, and the suite `sums`."""

    def __init__(self, home: Path, *, margin: float = 0.1) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.now = datetime.now(UTC)
        self.database = open_database(home / "evals.db")
        self.registry = Registry.open(home / "registry.db", clock=lambda: self.now)
        self.cases = [case(number) for number in range(CASES)]
        self.suite = self.push_suite(margin)
        self.register("1.0.0")
        self.registry.promote(BOB, PROMPT, "1.0.0", "prod")
        self.register("1.1.0")

    def register(self, version: str, model: str | None = MODEL) -> str:
        """Registers a version; returns its digest."""
        content = PromptContent(
            template=f"v{version}: what is {{{{ question }}}}?",
            variables={"question": Variable()},
            model=model,
        )
        return self.registry.register(ANN, PROMPT, version, content).digest

    def digest(self, version: str) -> str:
        """Of the content of a version."""
        return self.registry.version(PROMPT, version).digest

    def push_suite(self, margin: float, **changes: object) -> PushedSuite:
        """Pushes the suite, with its cases."""
        put_dataset(self.database, "sums-cases", self.cases, actor="ann", now=self.now)
        suite = suite_of(
            "sums",
            {
                "prompt": PROMPT,
                "dataset": "sums-cases",
                "dataset_digest": digest_of(self.cases),
                "metrics": {"right": {"scorer": "numeric_answer", "margin": margin}},
                **changes,
            },
            "sums.yaml",
        )
        return put_suite(self.database, suite, actor="ann", now=self.now)

    def later(self, **span: float) -> None:
        """Moves the time on."""
        self.now += timedelta(**span)

    def close(self) -> None:
        """Closes both databases."""
        self.database.close()
        self.registry.close()


def case(number: int) -> Case:
    """What is 3 + 4? It is 7."""
    found = Case(
        id=f"c{number:02}",
        variables={"question": f"{number} + {number + 1}"},
        expected=2 * number + 1,
        capabilities=(),
        cluster=f"c{number:02}",
        split="test",
        must_pass=False,
        source=None,
    )
    return replace(found, must_pass=True) if number == 0 else found
