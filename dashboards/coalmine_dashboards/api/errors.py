"""Errors of the API client, by what the user of the page can do about them.

::

    ApiError
    ├── Unreachable       nothing listens at the address, or it timed out: start the server
    ├── Unauthorised      no token, or one that the server does not accept: provide a valid one
    │   ├── Forbidden     the token is good, but not for this: its words say what it is for
    │   └── SignedOut     the viewer's session has ended: sign in again
    ├── Standby           another process holds the store: use that one, or wait for the failover
    ├── NotReady          the server is starting or overloaded: wait, or check its log
    ├── NotFound          what a link names is not there: choose another
    ├── Refused           the server knows why it does not do it: its words say what to change
    └── Unexpected        unknown format: the versions differ, or it is not a Coalmine server
"""


class ApiError(Exception):
    """The server gave no usable answer.

    Args:
        url: URL of the server.
        detail: The reason; the server's own explanation where there is one.
    """

    def __init__(self, url: str, detail: str) -> None:
        super().__init__(url, detail)
        self.url = url
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.url}: {self.detail}"


class Unreachable(ApiError):
    """The connection failed or the request timed out."""


class Unauthorised(ApiError):
    """The server requires a valid token.

    Args:
        url: URL of the server.
        detail: The server's explanation.
        had_token: True if a token was sent.
    """

    def __init__(self, url: str, detail: str, had_token: bool) -> None:
        super().__init__(url, detail)
        self.args = (url, detail, had_token)
        self.had_token = had_token


class Forbidden(Unauthorised):
    """The token does not allow it: by its role, or because it is for some prompts."""


class SignedOut(Unauthorised):
    """The session of the page has ended.

    Args:
        url: URL of the server.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, "the session has ended", had_token=True)
        self.args = (url,)


class Standby(ApiError):
    """The server is a standby: another process holds the store."""


class NotReady(ApiError):
    """The server is starting or temporarily unavailable."""


class Unexpected(ApiError):
    """The answer is not in the format that this version of the page reads."""


class NotFound(ApiError):
    """The server has nothing of that name."""


class Refused(ApiError):
    """The server refused a change, or a question that makes no sense."""
