"""How a process finds the running servers of a home directory, and which token it sends them.

`server.json` announces the server that owns the store, `registry.json` the one with the prompt registry;
`coalmine serve` is both. `credentials` holds the local token. All have mode 0600. An announcement outlives a
server that is killed, and anybody may listen on its port then: so a server is believed, and sent a token,
only once it has proved that it knows the secret of its announcement. A home that others may write announces
nothing.
"""

import hmac
import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from coalmine_schemas.atomic_file import make_private_folder, write_atomically
from coalmine_schemas.errors import InvalidParameter, Terminal

DEFAULT_HOME: Final = "~/.coalmine"
"""Home directory unless COALMINE_HOME names another."""
CREDENTIALS_FILE: Final = "credentials"

ServerKind = Literal["store", "registry"]
"""What a server has: the store with its measurements, or the prompt registry."""

_FILES: Final[dict[ServerKind, str]] = {"store": "server.json", "registry": "registry.json"}
_STARTING_FILE: Final = "starting.json"
"""Names the process of a server that does not listen yet."""

CHALLENGE_HEADER: Final = "Coalmine-Challenge"
PROOF_HEADER: Final = "Coalmine-Proof"
PROOF_TIMEOUT_S: Final = 5.0


class UntrustedHome(Terminal, PermissionError):
    """Others than this user may write the home directory, so what it says of servers may be theirs."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server as it announced itself. It may have died since."""

    url: str
    pid: int
    process_started: int | None
    """When its process started, in ticks since boot; None where the system does not tell."""
    secret: str = field(repr=False)
    """What it proves itself with."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and the token to send it."""

    url: str
    """Without a slash at its end."""
    token: str | None = field(repr=False)


_PLATFORM_VARIABLE: Final = re.compile(
    r"COALMINE_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_PLATFORM_PORT: Final = re.compile(r"(?:tcp|udp|sctp)://.*", re.DOTALL)


def is_of_platform(variable: str, value: str) -> bool:
    """Whether Kubernetes has set a variable, for a service named `coalmine` or `coalmine-...`.

    `COALMINE_PORT=tcp://10.0.0.1:8321` is one, and so is `COALMINE_SERVER_PORT` with such a value.
    """
    variable = variable.upper()
    if variable.startswith("COALMINE_") and variable.endswith("_PORT") and _PLATFORM_PORT.fullmatch(value):
        return True
    return _PLATFORM_VARIABLE.fullmatch(variable) is not None


def home_of(home: str | Path | None, environ: Mapping[str, str]) -> Path:
    """The home directory: as given, else COALMINE_HOME, else `~/.coalmine`.

    Raises:
        InvalidParameter: It begins with `~`, and nobody knows where that is; or it is no path.
    """
    return expanded(home or environ.get("COALMINE_HOME") or DEFAULT_HOME)


def expanded(path: str | Path) -> Path:
    """An absolute path, `~` written out.

    Raises:
        InvalidParameter: Nobody knows where `~` is, as in a container that runs as any number; or no path has
            such a name.
    """
    if "\0" in str(path):
        raise InvalidParameter(f"{str(path)!r} is no path: it has a zero byte in it")
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise InvalidParameter(
            f"{path} cannot be found: HOME is not set, and this user has no entry in the passwd file; "
            "remedy: set COALMINE_HOME to a directory this process may write"
        ) from error


def own_home(home: Path) -> bool:
    """Makes the home, and whatever this process makes from now on, private to its user.

    A home that is there loses the rights of others, unless it is a place for more than Coalmine.

    Returns:
        False if others can still look into the home.

    Raises:
        UntrustedHome: They could write it.
    """
    os.umask(0o077)
    make_private_folder(home)
    found = home.stat()
    if found.st_mode & 0o077:
        shared = found.st_mode & stat.S_ISVTX or len(home.parts) <= 3 or Path.home().is_relative_to(home)
        if shared or found.st_uid != os.geteuid():
            _check_owner(home)
            return False
        home.chmod(0o700)
    return True


def find_endpoint(
    home: Path, kind: ServerKind, *, url: str | None = None, token: str | None = None
) -> Endpoint | None:
    """Finds the server to ask; cheap, so ask again after a failure: the server may have moved.

    Args:
        home: Home directory.
        kind: What the server must have.
        url: COALMINE_SERVER_URL or its setting, which wins over the announced server.
        token: COALMINE_TOKEN or its setting, which wins over the local token.

    Returns:
        None if no URL is given and no announced server proves itself.

    Raises:
        UntrustedHome: Others may write the home, and the answer depends on it.
    """
    if url and token:
        return Endpoint(url.rstrip("/"), token)
    if url:
        url = url.rstrip("/")
        named = [
            each for each in map(partial(find_server, home), _FILES) if each and each.url.rstrip("/") == url
        ]
        return Endpoint(url, read_local_token(home) if any(map(proves, named)) else None)
    found = find_server(home, kind)
    if found is None or not proves(found):
        return None
    return Endpoint(found.url.rstrip("/"), token or read_local_token(home))


def find_server(home: Path, kind: ServerKind) -> RunningServer | None:
    """Returns what the last server of that kind announced in this home.

    Raises:
        UntrustedHome: Others may write the home.
    """
    found = _announced(home, kind)
    if found is not None:
        for each in (home, home / _FILES[kind]):
            _check_owner(each)
    return found


def _announced(home: Path, kind: ServerKind) -> RunningServer | None:
    try:
        document = json.loads((home / _FILES[kind]).read_text(encoding="utf-8"))
        named = [document["url"], document["secret"]]
        found = RunningServer(
            document["url"], int(document["pid"]), document.get("process_started"), document["secret"]
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if all(isinstance(each, str) and each for each in named) else None


def _check_owner(path: Path) -> None:
    found, user = path.stat(), os.geteuid()
    if found.st_mode & 0o022:
        raise UntrustedHome(f"others may write {path}, so it may name any server: chmod go-w {path}")
    if found.st_uid not in (user, 0) and user != 0:
        raise UntrustedHome(f"{path} belongs to another user: set COALMINE_HOME to a directory of your own")


def proof_of(secret: str, challenge: str) -> str:
    """What a server that knows the secret answers to a challenge."""
    return hmac.new(secret.encode(), f"coalmine {challenge}".encode(), "sha256").hexdigest()


def proves(server: RunningServer) -> bool:
    """Asks the address that a server announced whether that server listens there. Sends no token."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection  # noqa: PLC0415 - services start lean

    parts = urlsplit(server.url)
    challenge = secrets.token_hex(32)
    try:
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=PROOF_TIMEOUT_S)
        try:
            connection.request(
                "GET", f"{parts.path.rstrip('/')}/healthz", headers={CHALLENGE_HEADER: challenge}
            )
            proof = connection.getresponse().headers.get(PROOF_HEADER, "")
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError):
        return False
    return hmac.compare_digest(proof.encode(), proof_of(server.secret, challenge).encode())


def announce_server(home: Path, url: str, kind: ServerKind, secret: str, *, replace: bool = True) -> None:
    """Announces that this process listens at `url`.

    Args:
        home: Home directory; made if it is missing.
        url: Where a client on this machine reaches it.
        kind: What the server has.
        secret: What it proves itself with; new for each server.
        replace: Also replace the announcement of a process that still runs.
    """
    running = None if replace else find_server(home, kind)
    if running is not None and _runs(running.pid, running.process_started):
        return
    document = {
        "url": url,
        "pid": os.getpid(),
        "process_started": _process_started(os.getpid()),
        "started_at": datetime.now(UTC).isoformat(),
        "secret": secret,
    }
    make_private_folder(home)
    write_atomically(home / _FILES[kind], json.dumps(document) + "\n")


def announce_start(home: Path) -> None:
    """Announces that this process is about to be a server, so that commands wait for it."""
    document = {"pid": os.getpid(), "process_started": _process_started(os.getpid())}
    with suppress(OSError, UntrustedHome):  # a full disk, say: the server itself says what is the matter
        make_private_folder(home)
        _check_owner(home)
        write_atomically(home / _STARTING_FILE, json.dumps(document) + "\n")


def end_start(home: Path) -> None:
    """Takes `announce_start` back: the server listens."""
    if starting_server(home) == os.getpid():
        (home / _STARTING_FILE).unlink(missing_ok=True)


def starting_server(home: Path) -> int | None:
    """Returns the process of the server that is starting in this home; None if there is none."""
    try:
        document = json.loads((home / _STARTING_FILE).read_text(encoding="utf-8"))
        pid, started = int(document["pid"]), document["process_started"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return pid if _runs(pid, started) else None


def running_server(home: Path, kind: ServerKind) -> int | None:
    """Returns the process of the announced server while it runs, whether or not it answers in time."""
    found = _announced(home, kind)
    return found.pid if found is not None and _runs(found.pid, found.process_started) else None


def withdraw_server(home: Path) -> None:
    """Removes what this process announced, unless another process has replaced it."""
    for kind, name in _FILES.items():
        running = _announced(home, kind)
        if running is not None and running.pid == os.getpid() and _runs(running.pid, running.process_started):
            (home / name).unlink(missing_ok=True)


def read_local_token(home: Path) -> str | None:
    """Returns the local token if this user may read it."""
    try:
        return (home / CREDENTIALS_FILE).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def viewer_key(token: str) -> str:
    """Returns what the dashboard's link has; made from the token, which it does not give away."""
    return hmac.new(token.encode(), b"coalmine dashboard", "sha256").hexdigest()[:32]


def _runs(pid: int, started: int | None) -> bool:
    """Whether the very process that announced itself runs: its number may be another's by now."""
    try:
        os.kill(pid, 0)  # signal 0 only asks
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user owns it
        pass
    return started in (None, _process_started(pid))


def _process_started(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(text.rpartition(")")[2].split()[19])  # the 22nd field; the name before may have blanks
    except (OSError, ValueError, IndexError):
        return None
