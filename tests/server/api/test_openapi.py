"""The OpenAPI document is good enough to write a client from."""

from typing import Any

import pytest

from tests.support.processes.coalmine_process import ServerProcess


@pytest.fixture(scope="module")
def document(busy_server: ServerProcess) -> Any:
    return busy_server.json("/openapi.json")


def test_every_operation_and_parameter_is_described(document: Any) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            for parameter in operation.get("parameters", []):
                assert parameter["description"], (path, parameter["name"])


def test_numbers_say_their_unit_and_errors_their_media_type(document: Any) -> None:
    schemas = document["components"]["schemas"]
    for name in ("VersionRow", "TimeseriesRow", "IngestStatus", "Problem"):
        for field, schema in schemas[name]["properties"].items():
            assert schema.get("description"), (name, field)
    versions = document["paths"]["/v1/versions"]["get"]["responses"]
    assert set(versions["200"]["content"]) == {"application/json", "application/vnd.apache.arrow.stream"}
    for status in ("401", "422", "503"):
        assert set(versions[status]["content"]) == {"application/problem+json"}


def test_everything_below_v1_wants_a_bearer_token(document: Any) -> None:
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert bool(operation.get("security")) == path.startswith("/v1/")


def test_operations_have_short_unique_names(document: Any) -> None:
    names = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(names) == len(set(names))
    assert {"versions", "timeseries", "quantiles", "facets"} <= set(names)
