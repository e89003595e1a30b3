"""What an exception is called in events, so that 400, 429 and 500 are told apart whoever raised it."""

from collections.abc import Mapping
from typing import Any, Final, TypeGuard

_ANY_STATUS: Final = frozenset(
    {
        *("APIError", "APIStatusError", "ApiError", "BotocoreHTTPError", "ClientError", "ServerError"),
        *("HTTPError", "HTTPStatusError", "ModelAPIError", "ModelHTTPError", "UnexpectedStatusError"),
    }
)
"""Classes that stand for several statuses of HTTP: google-genai's, botocore's, httpx's, requests'."""
_OF_STATUS: Final = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
}
"""As OpenAI's and Anthropic's packages call them; `InternalServerError` from 500 on."""


def error_name(error: BaseException) -> str:
    """The class's name; with the status behind it where the class alone does not tell, as `ClientError 429`.

    Of a botocore error it is the code that the service gave, e.g. `ThrottlingException`.
    """
    name = type(error).__qualname__
    if name not in _ANY_STATUS:
        return name
    try:
        return _with_status(name, error)
    except Exception:  # noqa: BLE001 - whatever its properties raise would hide the error itself
        return name


def _with_status(name: str, error: BaseException) -> str:
    response: Any = getattr(error, "response", None)
    if isinstance(response, Mapping):
        code = (response.get("Error") or {}).get("Code")
        return str(code) if code else name
    found = (getattr(error, "status_code", None), getattr(error, "code", None))
    status = next(
        (each for each in (*found, getattr(response, "status_code", None)) if _is_status(each)), None
    )
    return name if status is None else f"{name} {status}"


def status_name(code: object) -> str | None:
    """Returns the error that an HTTP status in a reply's body stands for; None if it is no such status."""
    if isinstance(code, str) and len(code) == 3 and code.isdecimal():
        code = int(code)
    if not _is_status(code):
        return None
    return _OF_STATUS.get(code, "InternalServerError" if code >= 500 else f"APIStatusError {code}")


def _is_status(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and 300 <= value < 600
