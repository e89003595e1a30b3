"""The whole API, fuzzed from its own OpenAPI document with every check: no fault, no undocumented answer."""

import gc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.server.api.test_access import BY_NAME
from tests.server.conftest import TRUSTING
from tests.server.registry_client import GOODBYE, HELLO, Person
from tests.support.campaign import size
from tests.support.later import later
from tests.support.processes.coalmine_process import ServerProcess

if TYPE_CHECKING:
    import schemathesis
    from schemathesis.core import result as results
    from schemathesis.schemas import APIOperation, BaseSchema
    from schemathesis.specs.openapi import checks
else:
    schemathesis, results = later("schemathesis"), later("schemathesis.core.result")
    checks = later("schemathesis.specs.openapi.checks")

PROMPT = "support-refund"
EXAMPLES = size(3, 100)

Operation: TypeAlias = "APIOperation[Any, Any, Any, Any]"


@pytest.fixture(scope="module")
def fuzzed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of its own: fuzzing leaves much behind."""
    home = tmp_path_factory.mktemp("fuzzed") / "home"
    with ServerProcess(home, {**TRUSTING, "COALMINE_LOG_LEVEL": "error"}) as server:
        server.wait_ready()
        with Person.local(server) as admin:
            admin.register(PROMPT, "1.0.0", HELLO)
            admin.register(PROMPT, "1.0.1", GOODBYE)
            admin.promote(PROMPT, "1.0.0", "dev")
        yield server


def described(document: dict[str, Any]) -> "BaseSchema":
    """The API as schemathesis knows it.

    Loading it imports modules whose assertions pytest rewrites, and CPython 3.11 fails with "AST constructor
    recursion depth mismatch" where a garbage collection runs code meanwhile.
    """
    gc.disable()
    try:
        return schemathesis.openapi.from_dict(document)
    finally:
        gc.enable()


@pytest.fixture(scope="module")
def operations(fuzzed_server: ServerProcess) -> dict[str, Operation]:
    """By method and path."""
    document = described(fuzzed_server.json("/openapi.json"))
    found: dict[str, Operation] = {}
    for result in document.get_all_operations():
        assert isinstance(result, results.Ok), result
        operation = result.ok()
        found[f"{operation.method.upper()} {operation.path}"] = operation
    return found


@pytest.mark.parametrize("name", sorted(BY_NAME.keys() - {"GET /openapi.json"}))
def test_every_operation_stands_every_check(
    fuzzed_server: ServerProcess, operations: dict[str, Operation], name: str
) -> None:
    headers = {"Authorization": f"Bearer {fuzzed_server.token}"}

    @settings(
        max_examples=EXAMPLES,
        phases=(Phase.explicit, Phase.generate),
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operations[name].as_strategy())
    def fuzz(case: "schemathesis.Case[Any]") -> None:
        # Not that whatever fits the schema is taken: no schema says that a template must be one, that weights
        # add up, or how people write times. What is refused is refused by a documented problem all the same.
        case.call_and_validate(
            base_url=fuzzed_server.url, headers=headers, excluded_checks=[checks.positive_data_acceptance]
        )

    fuzz()
