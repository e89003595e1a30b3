"""The client that services make once and keep."""

import logging
import os
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self
from weakref import finalize

from coalmine.call import Call, FollowCall
from coalmine.event_sender import DEFAULT_TIMEOUT_S, EventSender
from coalmine.mistakes import Mistakes, place_of_caller
from coalmine.prompts.poll_policy import DEFAULT_POLL, PollPolicy
from coalmine.prompts.prompt import Prompt
from coalmine.redaction import Preset, Redact
from coalmine.served import Served, fixed_version
from coalmine.settings import (
    ClientSettings,
    OnFull,
    UnitIds,
    arguments_from_env,
    misspelt_variables,
    spool_dir_of,
)
from coalmine.stats import Counters
from coalmine_schemas.discovery import expanded, home_of
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.events import (
    ResolutionName,
)
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.topics import DEFAULT_PREFIX

_LOGGER: Final = logging.getLogger("coalmine")


class Coalmine(EventSender):
    """Sends what happens in a service to Coalmine, without ever being in its way.

    Make one per process and keep it; it is safe to share between threads and tasks, and after a fork. A
    background thread builds, prices, redacts, encodes and writes; a call only adds to a queue in memory. No
    method raises or blocks because of Coalmine, the network or the disk; what is lost is counted in
    `stats` and logged, at a limited rate, by the logger `coalmine`. The one exception is a prompt that is
    not there, or cannot be rendered with the values given: `prompt` and `render` say so.

    ```python
    cm = Coalmine(app="support-bot")
    prompt = cm.prompt("support-refund", unit_id=user_id, segments={"tier": "enterprise"})
    with prompt.call(model="gpt-4o-mini") as call:
        messages = prompt.messages(question=question)
        reply = openai_client.chat.completions.create(
            model=call.model, messages=messages, **call.parameters
        )
        call.record(reply)
    cm.feedback(call.request_id, thumbs="down", comment="promised a refund")
    ```

    A service that keeps its prompts itself begins calls with `cm.call` and names the version.

    With `kafka_bootstrap_servers` events go to Kafka, and to the spool whatever Kafka does not take in time,
    to be re-sent later. Without it they go to the spool, where a collector on the same machine reads them.
    A process that ends writes what it made. One that is killed loses what it made in the last 100 ms and,
    with Kafka, what was not acknowledged yet: some 100 ms more, and about a second when Kafka is away (three
    seconds before the first acknowledgement; `kafka_delivery_timeout_s` for a partition without a leader).

    Args:
        app: Name of the service.
        environment: Where it runs, e.g. `prod`.
        home: Where everything lives; `~/.coalmine` if neither this nor COALMINE_HOME says otherwise.
        spool_dir: Directory of the spool; `spool` below the home unless given.
        server_url: Server with the prompt registry, `http://HOST:PORT`; the one that runs in this home
            unless given.
        token: Bearer token for it; a server that runs in this home takes the home's local token.
        fallback: What environments serve as far as the application knows, for a start without registry and
            disk cache: a file with the JSON that `GET /v1/deployments/ENVIRONMENT` answers, a directory of
            such files (`deployments-ENVIRONMENT.json`), or the JSON itself.
        prompts: Folder of prompt files, `<name>/<version>.md`, for a service without a registry: of each
            prompt the highest version is served. It is read once, here. With `server_url` the registry wins;
            the folder then serves prompts that the registry does not serve, and is the fallback for others.
            Needs `coalmine[prompts]`.
        startup_wait_s: How long the very first `prompt` may wait for the registry when neither the disk
            cache nor the fallback knows the prompt. Nothing ever waits later.
        poll: Waits of the thread that follows the registry.
        kafka_bootstrap_servers: Kafka brokers, `host:port,...`.
        kafka_config: Further settings of librdkafka, e.g. for TLS and SASL; they win over our own.
        kafka_delivery_timeout_s: What Kafka has not acknowledged by then goes to the spool. After a second
            without any acknowledgement, everything does.
        schema_registry_url: Registry for Confluent's wire format on the topics. While it does not answer,
            events wait in the spool.
        schema_registry_username: User name for HTTP basic authentication at that registry.
        schema_registry_password: Password for it.
        schema_registry_ca_location: File with the certificate of the authority that signed the registry's.
        topic_prefix: Prefix of the topics.
        capture_text: Send texts: inputs and outputs of calls, comments and corrections of feedback,
            rationales of scores. Without it they stay in the process; that there was a correction is sent.
        signals: Send numbers of an answer's text as metrics, whether or not the text itself is sent:
            `output_words`, `refusal_worded` (1 or 0) and, where JSON was asked for or begun, `json_valid`.
        redact: Called with every text and identifier by which a person could be known, and which one it is,
            before it leaves the process; returns what may be kept, or None: see `Redact`. Runs on the
            background thread. If it raises, the text is dropped. `standard` instead of a function masks
            e-mail addresses, phone numbers, cards, IBANs, addresses, keys and tokens: see `docs/security.md`.
        unit_ids: `plain`, or `hashed`: identifiers of units and sessions are sent as HMAC-SHA-256 of
            `unit_id_key`, the same one for the same unit. Arms are chosen by the plain one.
        unit_id_key: The secret for that: the same in all services whose events belong together, and kept,
            since with another key every unit is a new one.
        feedback_link_key: Secret that `feedback_link` signs with: the server's `events.feedback_link_key`.
        feedback_link_url: Where people reach the server that takes these links; `server_url` unless given.
        strict: For tests: wrong use raises InvalidParameter at once, or in `flush` and `close` what only the
            background thread sees. Otherwise each kind is one warning with the place in the service's code.
        on_full: What to do when the queue is full: `drop` (count and go on; for services) or `wait` (block
            until there is room; for tools that play events as fast as they can).
        max_queued_events: Size of the queue.
        max_queued_text_chars: Characters of text in the queue; beyond that events go without.
        max_message_bytes: Largest event; a larger one goes without its texts.
        spool_max_bytes: Size of the spool directory from which on events are dropped; None for no limit.
        exit_timeout_s: How long the process may wait at its end for events to be written.
        log_every_s: Least time between two log lines of the same kind.

    Raises:
        InvalidParameter: An argument is unusable, or a file in `prompts`. Only here, never later.
    """

    def __init__(
        self,
        app: str,
        environment: str = "prod",
        *,
        home: str | Path | None = None,
        spool_dir: str | Path | None = None,
        server_url: str | None = None,
        token: str | None = None,
        fallback: str | Path | Mapping[str, Any] | None = None,
        prompts: str | Path | None = None,
        startup_wait_s: float = 2.0,
        poll: PollPolicy = DEFAULT_POLL,
        kafka_bootstrap_servers: str | None = None,
        kafka_config: Mapping[str, Any] | None = None,
        kafka_delivery_timeout_s: float = 5.0,
        schema_registry_url: str | None = None,
        schema_registry_username: str | None = None,
        schema_registry_password: str | None = None,
        schema_registry_ca_location: str | Path | None = None,
        topic_prefix: str = DEFAULT_PREFIX,
        capture_text: bool = False,
        signals: bool = False,
        redact: Redact | Preset | None = None,
        unit_ids: UnitIds = "plain",
        unit_id_key: str | None = None,
        feedback_link_key: str | None = None,
        feedback_link_url: str | None = None,
        strict: bool = False,
        on_full: OnFull = "drop",
        max_queued_events: int = 10_000,
        max_queued_text_chars: int = 32 * 1024 * 1024,
        max_message_bytes: int = 1_000_000,
        spool_max_bytes: int | None = 4 * 1024 * 1024 * 1024,
        exit_timeout_s: float = DEFAULT_TIMEOUT_S,
        log_every_s: float = 60.0,
    ) -> None:
        # Everything that works for a client comes with the first one, since a service may import this module
        # and make none. Here and not on the client's threads: see `assembly.prepare_process`.
        from coalmine.assembly import make_check, make_parts, prepare_process  # noqa: PLC0415
        from coalmine.at_exit import close_at_exit  # noqa: PLC0415
        from coalmine.pipeline import Pipeline  # noqa: PLC0415
        from coalmine.prompts.lookup import PromptLookup  # noqa: PLC0415
        from coalmine.sink import Sink  # noqa: PLC0415

        home_dir = home_of(home, os.environ)
        self.settings = ClientSettings(
            app=app,
            environment=environment,
            spool_dir=spool_dir_of(spool_dir, home_dir),
            home=home_dir,
            server_url=server_url,
            token=token,
            fallback=expanded(fallback) if isinstance(fallback, str) else fallback,
            prompts=expanded(prompts) if isinstance(prompts, str) else prompts,
            startup_wait_s=startup_wait_s,
            poll=poll,
            kafka_bootstrap_servers=kafka_bootstrap_servers,
            kafka_config=dict(kafka_config or {}),
            kafka_delivery_timeout_s=kafka_delivery_timeout_s,
            schema_registry_url=schema_registry_url,
            schema_registry_username=schema_registry_username,
            schema_registry_password=schema_registry_password,
            schema_registry_ca_location=Path(schema_registry_ca_location).expanduser()
            if isinstance(schema_registry_ca_location, str)
            else schema_registry_ca_location,
            topic_prefix=topic_prefix,
            capture_text=capture_text,
            signals=signals,
            redact=redact,
            unit_ids=unit_ids,
            unit_id_key=unit_id_key,
            feedback_link_key=feedback_link_key,
            feedback_link_url=feedback_link_url,
            strict=strict,
            on_full=on_full,
            max_queued_events=max_queued_events,
            max_queued_text_chars=max_queued_text_chars,
            max_message_bytes=max_message_bytes,
            spool_max_bytes=spool_max_bytes,
            exit_timeout_s=exit_timeout_s,
            log_every_s=log_every_s,
        )
        """The settings of this client."""
        log = RateLimitedLogger(_LOGGER, every_s=log_every_s)
        counters = Counters()
        folder = prepare_process(self.settings)
        self._mistakes = Mistakes(counters, log, strict=strict)
        self._pipeline = Pipeline(
            partial(make_parts, self.settings, self._mistakes),
            counters=counters,
            log=log,
            limit=max_queued_events,
            text_limit=max_queued_text_chars,
            on_full=on_full,
        )
        check = make_check(self.settings, log) if strict else None
        self._sink = Sink(
            self._pipeline,
            self._mistakes,
            wants_text=capture_text,
            wants_output=capture_text or signals,
            check=check,
        )
        self._prompts = PromptLookup(self.settings, folder, log, self._sink.misuse)
        fault = self._prompts.fallback_fault()
        if fault is not None:
            self._mistakes.report("misuse", "fallback", "the fallback cannot be used: %s", fault)
        close_at_exit(self._pipeline, exit_timeout_s)
        # A client that nobody holds any more still sends what it was given.
        finalize(self, self._pipeline.close_soon, exit_timeout_s).atexit = False
        finalize(self, self._prompts.close).atexit = False

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **arguments: Any) -> Self:  # noqa: ANN401
        """Makes a client from environment variables.

        COALMINE_APP, COALMINE_ENVIRONMENT, COALMINE_HOME, COALMINE_SPOOL_DIR, COALMINE_CAPTURE_TEXT (1/0),
        COALMINE_SERVER_URL, COALMINE_TOKEN, COALMINE_FALLBACK (a path), COALMINE_PROMPTS (a folder),
        COALMINE_KAFKA_BOOTSTRAP_SERVERS, COALMINE_KAFKA_TOPIC_PREFIX, COALMINE_SCHEMA_REGISTRY_URL,
        COALMINE_UNIT_IDS, COALMINE_UNIT_ID_KEY, COALMINE_SIGNALS (1/0), COALMINE_STRICT (1/0),
        COALMINE_EVENTS_FEEDBACK_LINK_KEY, COALMINE_EVENTS_FEEDBACK_LINK_URL.

        For brokers with TLS or a login COALMINE_KAFKA_SECURITY_PROTOCOL, _SASL_MECHANISM, _SASL_USERNAME,
        _SASL_PASSWORD, _SSL_CA_LOCATION, _SSL_CERTIFICATE_LOCATION, _SSL_KEY_LOCATION and _SSL_KEY_PASSWORD;
        for such a schema registry COALMINE_SCHEMA_REGISTRY_USERNAME, _PASSWORD and _CA_LOCATION.

        Args:
            environ: The variables; those of the process unless given.
            arguments: Arguments of `Coalmine`, which win; `kafka_config` setting by setting.

        Raises:
            InvalidParameter: A value is unusable, or neither COALMINE_APP nor `app` names the service.
        """
        found = arguments_from_env(environ)
        arguments["kafka_config"] = {
            **found.get("kafka_config", {}),
            **(arguments.get("kafka_config") or {}),
        }
        found.update(arguments)
        misspelt = misspelt_variables(os.environ if environ is None else environ)
        if not found.get("app"):
            hint = f" ({'; '.join(misspelt)})" if misspelt else ""
            raise InvalidParameter(f"COALMINE_APP is not set: it names the service, e.g. support-bot{hint}")
        client = cls(**found)
        for each in misspelt:
            client._mistakes.report("misuse", each, "%s", each)
        return client

    def prompt(
        self,
        name: str,
        unit_id: str | None = None,
        *,
        session_id: str | None = None,
        segments: Mapping[str, str] | None = None,
        environment: str | None = None,
        version: str | None = None,
        prefer: str | None = None,
    ) -> Prompt:
        """The version of a prompt that a unit is served, from memory: no network, some microseconds.

        A background thread follows the registry. What it heard last is served on while the registry is away;
        a start without a registry uses the disk cache, then the fallback. `resolution` tells which it was,
        here and on every event.

        Args:
            name: Name of the prompt.
            unit_id: Who is served: the unit that experiments are randomised by, usually the user. Without it
                the session counts, and without that every call of this method for itself.
            session_id: Conversation it is for.
            segments: Named properties that targeting rules look at, e.g. `{"tier": "enterprise"}`.
            environment: Whose version; the client's own unless given.
            version: Exactly this version, which the environment must hold, e.g. as an arm.
            prefer: Version that this user has chosen among those that the environment offers (`coalmine
                offer`). It is served outside of experiments, as variant `preferred`. One that is not
                offered, or not any more, changes nothing.

        Returns:
            The version, to be rendered and called.

        Raises:
            UnknownPrompt: The environment does not serve it, or the folder of prompts does not hold it.
            UnknownEnvironment: Nothing is known about the environment: neither the registry, the disk nor the
                fallback says what it serves.
        """
        return self._prompts.prompt(
            self.call,
            name,
            unit_id=unit_id,
            session_id=session_id,
            segments=segments,
            environment=environment,
            version=version,
            prefer=prefer,
        )

    def wait_for_registry(
        self, timeout_s: float = DEFAULT_TIMEOUT_S, *, environment: str | None = None
    ) -> bool:
        """Waits until the registry has answered what an environment serves; for starts that can wait.

        Args:
            timeout_s: Longest wait.
            environment: Which one; the client's own unless given.

        Returns:
            True if prompts are `live`; False at once where prompts come from a folder alone.
        """
        return self._prompts.feed(environment or self.settings.environment).wait_until_live(timeout_s)

    def call(
        self,
        prompt: str,
        *,
        version: str,
        model: str | None = None,
        provider: str | None = None,
        parameters: Mapping[str, object] | None = None,
        unit_id: str | None = None,
        session_id: str | None = None,
        segments: Mapping[str, str] | None = None,
        label: str | None = None,
        variant: str | None = None,
        experiment: str | None = None,
        allocation_epoch: int | None = None,
        resolution: ResolutionName = "fixed",
        trace_id: str | None = None,
        parent_request_id: str | None = None,
        started_at: datetime | None = None,
        environment: str | None = None,
    ) -> Call:
        """Begins a call to a model: `with cm.call(...) as call:`, or `async with`.

        Args:
            prompt: Name of the prompt.
            version: Version of the prompt that is used.
            model: Model to ask; `call.model` gives it back.
            provider: Whom to ask, e.g. `openai`; helps to find the price. Without it the model's name tells.
            parameters: What is sent to the model beside the messages, e.g. `{"temperature": 0.2}`;
                `call.parameters` gives it back. Long values are left out of the event.
            unit_id: Who is served: the unit that experiments are randomised by and measured per, usually
                the user. Without it the session counts, and without that every call for itself.
            session_id: Conversation the call belongs to.
            segments: Named properties to compare by, e.g. `{"tier": "enterprise"}`.
            label: What was asked for instead of a version.
            variant: Arm of an experiment that was chosen.
            experiment: Experiment that chose it.
            allocation_epoch: Counter of the experiment's allocations.
            resolution: Source of the choice.
            trace_id: Distributed trace the call belongs to.
            parent_request_id: `request_id` of the call this one continues.
            started_at: When the call began, if that was before the block; latency counts from it.
            environment: Whose version it is; the client's own unless given.

        Returns:
            The call, to be used once.
        """
        place = place_of_caller()
        try:
            started_at, segments = self._sink.usable(started_at, segments)
            served = self._served(
                version,
                label=label,
                variant=variant,
                experiment=experiment,
                allocation_epoch=allocation_epoch,
                resolution=resolution,
            )
            return Call(
                self._sink,
                uuid7(),
                prompt,
                served,
                model=model,
                provider=provider,
                parameters=parameters,
                unit_id=unit_id,
                session_id=session_id,
                segments=segments,
                trace_id=trace_id,
                parent_request_id=parent_request_id,
                started_at=started_at,
                environment=environment,
                made_at=place,
            )
        except Exception as error:  # noqa: BLE001 - e.g. a version that cannot be hashed
            self._sink.failed("call()", error)
            return Call(self._sink, uuid7(), prompt, Served(str(version)), model=model, made_at=place)

    def follow_calls(self, follow: FollowCall) -> None:
        """Has an integration follow each call from now on; one at a time.

        Args:
            follow: Called with each call as it begins, on the service's thread. What it returns is called
                with the record of the call's event, on the client's thread. What either raises is counted
                and logged.
        """
        self._sink.follow = follow

    def close(self, timeout_s: float = DEFAULT_TIMEOUT_S) -> bool:
        """Writes everything and ends the background thread; called by itself when the process ends.

        What Kafka has not acknowledged shortly before the time is over goes to the spool. Events made after
        this are dropped and counted.

        Args:
            timeout_s: Longest wait.

        Returns:
            False when that was too short; the thread then goes on while the process lives.
        """
        self._prompts.close()
        done = self._pipeline.close(timeout_s)
        self._mistakes.raise_kept()
        return done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except InvalidParameter:
            if exc_type is None:  # or it would hide what the service raised
                raise

    def _served(
        self,
        version: str,
        *,
        label: str | None,
        variant: str | None,
        experiment: str | None,
        allocation_epoch: int | None,
        resolution: ResolutionName,
    ) -> Served:
        """The one place where what a call serves is assembled."""
        return fixed_version(
            version,
            label=label,
            variant=variant,
            experiment=experiment,
            allocation_epoch=allocation_epoch,
            resolution=resolution,
        )
