"""Settings of a client, fixed when it is made."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal

from coalmine.prompts.poll_policy import DEFAULT_POLL, PollPolicy
from coalmine.redaction import Preset, Redact
from coalmine_schemas.client_variables import CLIENT_VARIABLES, SECURITY_VARIABLES, SWITCHES, VARIABLES
from coalmine_schemas.discovery import DEFAULT_HOME, expanded, is_of_platform
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.topics import DEFAULT_PREFIX

UnitIds = Literal["plain", "hashed"]
"""How identifiers of units and sessions are sent."""

OnFull = Literal["drop", "wait"]
"""What a call does when the queue is full: lose its event (services), or wait for room (tools)."""

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Everything a client can be configured with. `Coalmine` takes the same names."""

    app: str
    """Name of the service, e.g. `support-bot`. Not empty."""
    environment: str = "prod"
    """Environment the service runs in. Not empty."""
    spool_dir: Path
    """Directory of the spool."""
    home: Path = Path(DEFAULT_HOME)
    """Where everything lives; here, the cache of what the registry said."""
    server_url: str | None = None
    """Server that holds the registry; None for the one that runs in this home."""
    token: str | None = field(default=None, repr=False)
    """Bearer token for it; None for the home's own, if the server is on this machine."""
    fallback: Path | Mapping[str, Any] | None = field(default=None, repr=False)
    """Snapshot of an environment that the application ships: file, directory of files, or the JSON itself."""
    prompts: Path | None = None
    """Folder of prompt files: served alone without `server_url`, else the fallback, prompt by prompt."""
    startup_wait_s: float = 2.0
    """How long the first `prompt` may wait for the registry when neither memory, disk nor fallback knows."""
    poll: PollPolicy = DEFAULT_POLL
    """Waits of the thread that follows the registry."""
    kafka_bootstrap_servers: str | None = None
    """Kafka brokers, `host:port,...`; None writes events to the spool only."""
    kafka_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Further settings of librdkafka, e.g. for TLS and SASL; these win over the client's own."""
    kafka_delivery_timeout_s: float = 5.0
    """What Kafka has not acknowledged in this time goes to the spool; after a second without any
    acknowledgement, everything does."""
    schema_registry_url: str | None = None
    """Confluent-compatible schema registry; None frames events without one."""
    schema_registry_username: str | None = None
    """User name for HTTP basic authentication at the schema registry."""
    schema_registry_password: str | None = field(default=None, repr=False)
    """Password for it."""
    schema_registry_ca_location: Path | None = None
    """File with the certificate of the authority that signed the schema registry's."""
    topic_prefix: str = DEFAULT_PREFIX
    """Prefix of every topic."""
    capture_text: bool = False
    """Whether texts of inputs, outputs, feedback and scores are sent."""
    signals: bool = False
    """Whether numbers of an answer's text are sent as metrics: its words, refusals, and if JSON is valid."""
    redact: Redact | Preset | None = field(default=None, repr=False)
    """Sees every text and identifier of a person before it leaves the process; or the name of a preset."""
    unit_ids: UnitIds = "plain"
    """How identifiers of units and sessions are sent."""
    unit_id_key: str | None = field(default=None, repr=False)
    """Secret that they are hashed with."""
    feedback_link_key: str | None = field(default=None, repr=False)
    """Secret that feedback links are signed with."""
    feedback_link_url: str | None = None
    """Where people reach the server that takes feedback links; `server_url` unless given."""
    strict: bool = False
    """Whether wrong use raises."""
    on_full: OnFull = "drop"
    """What to do when the queue is full."""
    max_queued_events: int = 10_000
    """Events held in memory for the background thread."""
    max_queued_text_chars: int = 32 * 1024 * 1024
    """Characters of captured text held in memory; beyond this a text is dropped, never its event."""
    max_message_bytes: int = 1_000_000
    """Largest event; a larger one loses its texts. Not above the broker's own limit."""
    spool_max_bytes: int | None = 4 * 1024 * 1024 * 1024
    """Size of the whole spool directory from which on events are dropped; None for no limit."""
    exit_timeout_s: float = 5.0
    """How long the process may wait at its end for events to be written."""
    log_every_s: float = 60.0
    """Least time between two log lines of the same kind."""

    def __post_init__(self) -> None:
        for name in ("app", "environment"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise InvalidParameter(f"{name} must be text and not empty, not {value!r}")
        if self.unit_ids not in ("plain", "hashed"):
            raise InvalidParameter(f"unit_ids must be 'plain' or 'hashed', not {self.unit_ids!r}")
        if self.unit_ids == "hashed" and not self.unit_id_key:
            raise InvalidParameter(
                "unit_ids is 'hashed', which takes a secret: give unit_id_key or COALMINE_UNIT_ID_KEY, "
                "the same for all services"
            )
        if not (self.redact is None or callable(self.redact) or self.redact == "standard"):
            raise InvalidParameter(f"redact must be a function or 'standard', not {self.redact!r}")
        if self.on_full not in ("drop", "wait"):
            raise InvalidParameter(f"on_full must be 'drop' or 'wait', not {self.on_full!r}")
        if self.server_url is not None and not self.server_url.startswith(("http://", "https://")):
            raise InvalidParameter(f"server_url must begin with http:// or https://, not {self.server_url!r}")
        if not self.startup_wait_s >= 0:
            raise InvalidParameter(f"startup_wait_s must be at least 0, not {self.startup_wait_s!r}")
        self._check_prompts()
        if self.feedback_link_key is not None:
            from coalmine_schemas.feedback_link import check_key  # noqa: PLC0415 - few services make links

            check_key(self.feedback_link_key)
        for name in ("max_queued_events", "max_message_bytes", "kafka_delivery_timeout_s"):
            if getattr(self, name) <= 0:
                raise InvalidParameter(f"{name} must be above 0, not {getattr(self, name)!r}")

    def _check_prompts(self) -> None:
        if not isinstance(self.fallback, Path | Mapping | None):
            raise InvalidParameter(f"fallback must be a path or a snapshot's JSON, not {self.fallback!r}")
        if not isinstance(self.prompts, Path | None):
            raise InvalidParameter(f"prompts must be the path of a folder, not {self.prompts!r}")
        if self.prompts is not None and self.fallback is not None:
            raise InvalidParameter(
                "prompts and fallback are both given, and either would serve while the registry is away: "
                "leave one out (COALMINE_PROMPTS or COALMINE_FALLBACK)"
            )


def spool_dir_of(spool_dir: str | Path | None, home: Path) -> Path:
    """The spool's directory: as given, else `spool` below the home."""
    return expanded(spool_dir or home / "spool")


def arguments_from_env(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Arguments of `Coalmine` as the environment gives them; a variable that is not set gives none.

    Raises:
        InvalidParameter: A switch such as COALMINE_CAPTURE_TEXT is neither a yes nor a no.
    """
    environ = os.environ if environ is None else environ
    arguments: dict[str, Any] = {
        name: environ[variable] for variable, name in VARIABLES.items() if environ.get(variable)
    }
    security = {theirs: environ[name] for name, theirs in SECURITY_VARIABLES.items() if environ.get(name)}
    if security:
        arguments["kafka_config"] = security
    for variable, name in SWITCHES.items():
        if variable in environ:
            arguments[name] = _yes_or_no(variable, environ[variable])
    return arguments


def misspelt_variables(environ: Mapping[str, str]) -> list[str]:
    """Says of each variable that is none of the client's, but nearly one, which it may be meant to be.

    Others are not ours to judge: a server's settings, or what Kubernetes sets for a service named coalmine.
    """
    free = {name.removeprefix(_PREFIX) for name in CLIENT_VARIABLES if name not in environ}
    said = []
    for name in sorted(environ):
        head, _, rest = name.upper().partition("_")
        if name in CLIENT_VARIABLES or _OF_OTHERS.fullmatch(rest):
            continue
        if is_of_platform(name, environ[name]):
            continue
        if get_close_matches(head, ["COALMINE"], cutoff=0.85) and (meant := _meant(rest, sorted(free))):
            said.append(f"the variable {name} means nothing to the client: did you mean {_PREFIX}{meant}?")
    return said


def _meant(name: str, known: list[str]) -> str | None:
    """The nearest known name; a name may also be cut short, or go on."""
    near = get_close_matches(name, known, n=1, cutoff=0.75)
    if near:
        return near[0]
    for each in known:
        common = min(len(each), len(name))
        if common >= 3 and get_close_matches(name[:common], [each[:common]], cutoff=0.9):
            return each
    return None


_PREFIX: Final = "COALMINE_"
# Near to ours, and the server's.
_OF_OTHERS: Final = re.compile(r"(SERVER_)?(HOST|PORT)|REGISTRY_URL|TEST_.*", re.DOTALL)


def _yes_or_no(variable: str, text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise InvalidParameter(f"{variable} must be one of 1/0, true/false, yes/no, on/off, not {text!r}")
