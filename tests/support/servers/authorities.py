"""Authorities that clients of HTTP trust: none in tests, which talk to servers of this machine.

Each client, ours and those of libraries, reads all authorities of the system when it is made, though it never
speaks TLS: 30 ms of a processor, thousands of times.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_VARIABLE: Final = "SSL_CERT_FILE"
_NOBODY: Final = Path(__file__).with_name("no_authority.pem")
_of_system: str | None = None


def trust_nobody() -> None:
    """Has this process and those that it starts trust one authority, which has signed nothing."""
    global _of_system  # noqa: PLW0603 - as the environment is
    if os.environ.get(_VARIABLE) != str(_NOBODY):
        _of_system = os.environ.get(_VARIABLE)
        os.environ[_VARIABLE] = str(_NOBODY)


def environment_of_the_system() -> Mapping[str, str]:
    """This environment as it was, for a process that asks servers elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name != _VARIABLE}
    return kept if _of_system is None else {**kept, _VARIABLE: _of_system}
