"""The OpenAPI document is good enough to write a client from."""

import json
import re
from typing import Any

import pytest

from tests.support.processes.coalmine_process import ServerProcess
from tests.support.repository.tree import ROOT


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
    assert set(versions["200"]["content"]) == {"application/json"}
    assert "application/vnd.apache.arrow.stream" in versions["200"]["description"]
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


def test_descriptions_of_fields_say_something(document: dict[str, Any]) -> None:
    empty = re.compile(r"(When|Why|Who|What|Where|How|By whom|Its \w+|The \w+)\.")
    wrong = [
        f"{name}.{field}: {value['description']}"
        for name, schema in document["components"]["schemas"].items()
        for field, value in schema.get("properties", {}).items()
        if len(value.get("description", "a b c").split()) < 3 or empty.fullmatch(value.get("description", ""))
    ]
    assert not wrong, "\n".join(wrong)


def test_titles_are_unique_because_generated_clients_name_classes_by_them(document: Any) -> None:
    titles: list[str] = [schema["title"] for schema in document["components"]["schemas"].values()]

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            if "enum" in node and "title" in node and node not in document["components"]["schemas"].values():
                titles.append(node["title"])
            for each in node.values():
                collect(each)
        elif isinstance(node, list):
            for each in node:
                collect(each)

    collect(document)
    assert len(titles) == len(set(titles)), [title for title in titles if titles.count(title) > 1]
    step = document["paths"]["/v1/timeseries"]["get"]["parameters"]
    (schema,) = [each["schema"] for each in step if each["name"] == "step"]
    assert schema["enum"][-1] == "auto"


def test_the_file_in_docs_is_the_document_that_a_server_has(document: Any) -> None:
    shipped = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    assert shipped == document, "the API has changed: run `make openapi`"
