"""Why the server gave no answer, as classes that tell what the reader of the page can do.

::

    ApiError
    ├── Unreachable       nothing listens at the address, or it took too long: start the server
    ├── Unauthorised      no token, or one the server does not know: give the right one
    ├── Standby           another process holds the store: ask that one, or wait for the take-over
    ├── NotReady          the server starts, or cannot serve now: wait, read its log
    └── Unexpected        an answer this page does not understand: versions differ, or no Coalmine server
"""


class ApiError(Exception):
    """No answer.

    Args:
        url: The server that was asked.
        detail: What is known about the reason; the server's own words where it gave some.
    """

    def __init__(self, url: str, detail: str) -> None:
        super().__init__(url, detail)
        self.url = url
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.url}: {self.detail}"


class Unreachable(ApiError):
    """No connection, or no answer in time."""


class Unauthorised(ApiError):
    """The server wants a token, or another one.

    Args:
        url: The server that was asked.
        detail: The server's own words.
        had_token: Whether one was sent.
    """

    def __init__(self, url: str, detail: str, had_token: bool) -> None:
        super().__init__(url, detail)
        self.args = (url, detail, had_token)
        self.had_token = had_token


class Standby(ApiError):
    """The server waits for another process's store."""


class NotReady(ApiError):
    """The server is starting or cannot serve at the moment."""


class Unexpected(ApiError):
    """The answer is not one of Coalmine's, or from a version this page does not know."""
