"""Routes are built for whoever asks below their path, and no others."""

from fastapi.routing import APIRoute

from coalmine_server.api.later_routes import LaterRouter, collection_of

_BUILT: list[str] = []


class _Noted(APIRoute):
    def __init__(self, path: str, *arguments: object, **options: object) -> None:
        _BUILT.append(path)
        super().__init__(path, *arguments, **options)  # type: ignore[arg-type]


def test_only_what_is_asked_for_is_built() -> None:
    router = LaterRouter(prefix="/v1", route_class=_Noted)

    @router.get("/cats")
    @router.get("/cats/{name}")
    @router.post("/dogs")
    def animals() -> str:
        return "all"

    assert _BUILT == []
    assert animals() == "all"
    below = router.below("cats")
    assert sorted(_BUILT) == ["/v1/cats", "/v1/cats/{name}"]
    assert set(_BUILT) == {getattr(each, "path", None) for each in below.routes}
    assert len(router.below(None).routes) == 3


def test_a_collection_is_what_follows_the_version() -> None:
    assert collection_of("/v1/versions") == "versions"
    assert collection_of("/v1/experiments/a/b") == "experiments"
    assert collection_of("/healthz") == ""
