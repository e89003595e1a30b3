"""Routes that are built once somebody asks below their path.

What a route depends on takes FastAPI milliseconds to work out; a command without a server asks one or two.
"""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter


def collection_of(path: str) -> str:
    """What a path has after `/v1/`: `versions`."""
    return path.partition("/v1/")[2].partition("/")[0]


class LaterRouter(APIRouter):
    """Keeps its routes as they were declared.

    Args:
        options: As of an `APIRouter`.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - as FastAPI takes them
        super().__init__(**options)
        self._options = options
        self._declared: list[tuple[str, Callable[..., Any], dict[str, Any]]] = []

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401
        """Keeps a route; the decorators `get`, `post` and `put` call this."""
        self._declared.append((path, endpoint, options))

    def below(self, collection: str | None) -> APIRouter:
        """Returns a router with the routes below `/v1/` and this, built; with all of them if None."""
        built = APIRouter(**self._options)
        for path, endpoint, options in self._declared:
            if collection in (None, collection_of(built.prefix + path)):
                built.add_api_route(path, endpoint, **options)
        return built
