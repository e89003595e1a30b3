"""Where a version came from, and what was found out about it."""

import re
from datetime import datetime
from typing import Final

from coalmine_schemas.results import result

# The second form is a password with what a URL may not hold as it is; `host:8321/` is a port.
_USER: Final = re.compile(
    r"^((?:[a-z][a-z0-9+.:-]*:)?//+|[a-z][a-z0-9+.-]*:/)?"
    r"(?:[^/?#]*@|(?<=/)[^/?#@:]*:(?!\d{1,5}(?:[/?#]|$))[^@]*@(?:[^/?#]*@)?)",
    re.IGNORECASE,
)
_QUERY: Final = re.compile(r"(?<!^)[?#].*|^\?.*", re.DOTALL)


@result
class VersionSource:
    """Where a version came from, as the one who registered it said."""

    repository: str | None
    """URL of the git repository, without user and password; null if not known."""
    commit: str | None
    """Hash of the commit; null if not known."""
    author: str | None
    """Author of the commit; null if not known."""
    pull_request: str | None
    """URL or number of the pull request that brought it; null if there is none or it is not known."""


@result
class CheckedEvidence:
    """What somebody found out about a version, e.g. by a run of evals; never changed."""

    id: str
    """Id of the evidence, for attaching it to a request: `KIND=ID`."""
    kind: str
    """Kind of evidence, e.g. `eval_run`."""
    prompt: str
    """Name of the prompt in the registry."""
    version: str
    """Version that it is about."""
    digest: str
    """Digest of the content that it is about."""
    passed: bool
    """Whether it speaks for the version; what did not pass is kept, too."""
    summary: str
    """What was found, for people."""
    url: str | None
    """Where more about it stands; null if nowhere."""
    recorded_by: str
    """Subject of the token that recorded it."""
    recorded_at: datetime
    """When it was recorded."""
    run: str | None
    """Id of the run of a suite that it is, which the server has judged; null if somebody recorded it."""
    checked_at: datetime
    """When it was found out: when the oldest answer of a run was made, say."""


def without_secrets(address: str) -> str:
    """Returns the address of a repository or a page without user, password, query and fragment.

    Tokens of CI stand in any of them.
    """
    return _QUERY.sub("", _USER.sub(lambda match: match[1] or "", address.strip(" \t\r\n<>\"'")))
