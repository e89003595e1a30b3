"""The OpenAPI document, with errors under the media type that they really have."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from coalmine_server.api.auth import required_roles
from coalmine_server.api.problems import PROBLEM_MEDIA_TYPE
from coalmine_server.api.representation import JSON_MEDIA_TYPE

_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def operation_id(route: APIRoute) -> str:
    """Names an operation by its function: unique here, and short in generated clients."""
    return route.name


def install_openapi(app: FastAPI) -> None:
    """Makes `/openapi.json` say which role an operation takes, and where a problem document comes.

    FastAPI writes every model under the media type of the route's success.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        for (method, path), role in required_roles(app).items():
            document["paths"][path][method.lower()]["x-coalmine-role"] = role.value
        for operations in document["paths"].values():
            for operation in operations.values():
                for response in operation["responses"].values():
                    content = response.get("content", {})
                    if content.get(JSON_MEDIA_TYPE, {}).get("schema") == _PROBLEM:
                        content[PROBLEM_MEDIA_TYPE] = content.pop(JSON_MEDIA_TYPE)
        return document

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation says
