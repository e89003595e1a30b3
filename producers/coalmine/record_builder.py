"""From what the application did to the record of its event."""

import re
from collections.abc import Mapping
from typing import Any

from coalmine.call import Call
from coalmine.input_length import INPUT_LENGTH
from coalmine.mistakes import Mistakes, Place, shown
from coalmine.redaction import Redactor
from coalmine.replies import BilledUsage, billed_usage
from coalmine.replies.extraction import OtherReply
from coalmine.replies.usage import negative_counts
from coalmine.signals import signals_of
from coalmine.texts import TEXT_FIELDS, Draft
from coalmine.values import (
    encodable,
    is_unclear,
    json_map,
    metric_problem,
    microseconds,
    number_map,
    optional_count,
    optional_text,
    required_text,
    short_texts,
    usable_texts,
)
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.events import EventName, OutcomeName, PromptFeedback, PromptRequest, PromptScore
from coalmine_schemas.identifiers import unit_group
from coalmine_schemas.limits import NAMES_PER_EVENT
from coalmine_schemas.outcomes import outcome_of
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.prompts.names import is_semantic
from coalmine_schemas.usage import USAGE_KEYS, usage_fields, usage_of

_NEARLY_SEMANTIC = re.compile(r"[vV]?\d+(\.\d+)+([-+].*)?|[vV]\d+")

Record = dict[str, Any]
"""Values by field name, as the encoder takes them."""


class RecordBuilder:
    """Builds records: fills in what is the same for all, prices, applies the redaction hook. For one thread.

    Args:
        app: Name of the service.
        environment: Its environment.
        client_version: Version of this package.
        capture_text: Whether texts of inputs, outputs, feedback and scores are sent.
        signals: Whether numbers of an answer's text are sent.
        redactor: Applied to every record.
        mistakes: Told of values left out.
    """

    def __init__(
        self,
        *,
        app: str,
        environment: str,
        client_version: str | None,
        capture_text: bool,
        signals: bool,
        redactor: Redactor,
        mistakes: Mistakes,
    ) -> None:
        self._app = app
        self._environment = environment
        self._client_version = client_version
        self._capture_text = capture_text
        self._signals = signals
        self._redactor = redactor
        self._mistakes = mistakes
        self._place: Place | None = None
        self._prices = PriceTable()

    def build(self, draft: Draft) -> tuple[EventName, str, Record]:
        """The event's name, its key and its record.

        Raises:
            InvalidParameter: A value that the event cannot do without is missing.
        """
        self._place = draft.made_at if isinstance(draft, Call) else None
        record = self._call(draft) if isinstance(draft, Call) else self._event(draft)
        self._redactor.apply(record)
        if isinstance(draft, Call | PromptRequest):
            return "requests", record["unit_id"] or record["request_id"], record
        if isinstance(draft, PromptFeedback):
            if draft.correction is not None and record["correction"] is None:
                record["correction"] = ""  # that there was one counts
            return "feedback", draft.request_id, record
        return "scores", draft.request_id, record

    def _event(self, event: PromptRequest | PromptFeedback | PromptScore) -> Record:
        record = event.to_record()
        if not self._capture_text:
            record.update(dict.fromkeys(TEXT_FIELDS[type(event)]))
        if isinstance(event, PromptRequest):
            self._version(event.version)
            record["app"] = event.app or self._app
            record["environment"] = event.environment or self._environment
            if record["outcome"] == "unknown":
                record["outcome"] = outcome_of(event.finish_reason, event.error_type)
            record["metrics"] = number_map("metrics", event.metrics, self._complain)
            self._price(record, microseconds(event.event_time))
            self._add_signals(record, event.output_text, event.request_parameters)
        elif isinstance(event, PromptScore) and (problem := metric_problem(event.name, event.value)):
            raise InvalidParameter(f"value {problem}")
        return record

    def _call(self, call: Call) -> Record:
        served = call.served
        facts = call.facts
        own_unit, session_id = self._text("unit_id", call.unit_id), self._text("session_id", call.session_id)
        unit_id = encodable(own_unit or session_id or call.request_id)
        start_us = call.start_us()
        provider = self._text("provider", call.provider)
        request_model = self._text("model", call.request_model)
        response_model = self._text("response_model", facts.response_model)
        finish_reason = self._text("finish_reason", facts.finish_reason)
        billed = self._billed(call, provider)
        cost = optional_count("cost_nano_usd", call.cost_nano_usd, self._complain)
        if cost is not None:
            source = "service"
        else:
            cost = billed.cost_nano_usd
            source = "unknown" if cost is None else "gateway"
        error_type = self._text("error_type", call.error_type)
        parameters = json_map("parameters", self._parameters(call.parameters), self._complain)
        record: Record = {
            "request_id": call.request_id,
            "event_time": start_us,
            "app": self._app,
            "environment": self._text("environment", call.environment) or self._environment,
            "prompt": required_text("prompt", self._text("prompt", call.prompt)),
            "version": self._version(served.version),
            "label": self._text("label", served.label),
            "variant": self._text("variant", served.variant),
            "experiment": self._text("experiment", served.experiment),
            "allocation_epoch": optional_count("allocation_epoch", served.allocation_epoch, self._complain),
            "unit_group": unit_group(unit_id),
            "resolution": served.resolution,
            "unit_id": unit_id,
            "session_id": session_id,
            "trace_id": self._text("trace_id", call.trace_id),
            "parent_request_id": self._text("parent_request_id", call.parent_request_id),
            "provider": provider,
            # A service that does not say which model it asked is best described by the one that answered.
            "request_model": request_model or response_model or "unknown",
            "response_model": response_model,
            "request_parameters": short_texts(parameters),
            "service_tier": billed.service_tier,
            **usage_fields(billed.counts),
            "cost_nano_usd": cost,
            "cost_source": source,
            "latency_ms": call.latency_ms(),
            "time_to_first_token_ms": call.time_to_first_token_ms(),
            "outcome": _outcome(call, finish_reason, error_type),
            "finish_reason": finish_reason,
            "error_type": error_type,
            "metrics": number_map("metrics", call.metrics, self._complain),
            "segments": self._segments(call.segments, call.input_length),
            "input_text": call.input_text if self._capture_text else None,
            "output_text": (call.output_text or facts.text) if self._capture_text else None,
            "client_version": self._client_version,
        }
        self._price(record, start_us)
        self._add_signals(record, call.output_text or facts.text, parameters)
        return record

    def _add_signals(self, record: Record, output_text: str | None, parameters: Mapping[str, str]) -> None:
        """Adds numbers of a whole answer; the service's own of these names stay."""
        if not self._signals or not output_text or record["outcome"] in ("error", "cancelled"):
            return
        metrics = {**signals_of(output_text, parameters), **record["metrics"]}
        if len(metrics) <= NAMES_PER_EVENT:
            record["metrics"] = metrics

    def _billed(self, call: Call, provider: str | None) -> BilledUsage:
        """What the reply says was used, and in its place what the service says."""
        facts = call.facts
        try:
            billed = billed_usage(facts, provider)
        except Exception:  # noqa: BLE001 - whatever a reply's properties raise
            billed = BilledUsage({}, None, None)
            self._complain("the reply's usage")
        if facts.usages and not billed.counts:
            self._not_understood(facts.usages[-1])
        counts = billed.counts
        for name in [each for usage in facts.usages for each in negative_counts(usage)]:
            self._complain(f"the reply's {name}")
        for name, given in (call.given_counts or {}).items():
            count = optional_count(name, given, self._complain)
            if count is not None:
                counts[USAGE_KEYS[name]] = count
        if facts.is_piece and not counts and not call.cancelled and call.error_type is None:
            self._without_usage(call)
        for key in [key for key, count in counts.items() if count >= 1 << 63]:
            self._complain(key)
            del counts[key]
        return billed

    def _not_understood(self, usage: object) -> None:
        kind = usage.kind if isinstance(usage, OtherReply) else type(usage).__qualname__
        message = "record() finds no counts in the reply %s; its event goes without tokens and cost"
        self._mistakes.report("unknown_reply", "record", message, kind, place=self._place)

    def _without_usage(self, call: Call) -> None:
        message = (
            "the stream of %s said no usage, so its event has neither tokens nor cost; ask for it with "
            'stream_options={"include_usage": True} and pass the last piece to record(), too'
        )
        model = call.request_model or "a model"
        self._mistakes.report("no_usage", "no usage", message, model, place=self._place)

    def _price(self, record: Record, at_us: int) -> None:
        """Fills in the cost by the price list, and the provider whose price it is, where not known."""
        if record["cost_nano_usd"] is not None:
            if record["cost_source"] == "unknown":
                record["cost_source"] = "service"
            return
        cost = self._prices.cost(
            usage_of(record),
            models=(record["response_model"], record["request_model"]),
            provider=record["provider"],
            service_tier=record["service_tier"],
            at_us=at_us,
        )
        if cost is not None:
            record["cost_nano_usd"], record["cost_source"] = cost.nano_usd, cost.source
            record["provider"] = record["provider"] or cost.provider

    def _text(self, field: str, value: object) -> str | None:
        """The value's text, which is sent also where it says little; that is told."""
        if is_unclear(value):
            kind = f"text of {field.partition('[')[0]}"
            message = "%s is %s, whose text was sent in its place: give a text"
            self._mistakes.report("misuse", kind, message, field, shown(value), place=self._place)
        try:
            return optional_text(value)
        except Exception:  # noqa: BLE001 - whatever a value's own methods raise
            self._complain(field)
            return None

    def _version(self, value: object) -> str:
        version = required_text("version", self._text("version", value))
        # Services may name versions as they like; this is a name of the registry's that it does not know.
        if _NEARLY_SEMANTIC.fullmatch(version) and not is_semantic(version) and isinstance(value, str):
            message = "the version %.40r is none of the registry's: write MAJOR.MINOR.PATCH, e.g. 1.2.0"
            self._mistakes.report("misuse", "version", message, version, place=self._place)
        return version

    def _segments(self, segments: Mapping[str, object] | None, length: str | None) -> dict[str, str]:
        for name, value in (segments or {}).items():
            if not isinstance(value, bool | float):  # a flag or a number tells users apart, too
                self._text(f"segments[{str(name)[:64]!r}]", value)
        found = usable_texts(segments)
        if length is not None and len(found) < NAMES_PER_EVENT:
            found.setdefault(INPUT_LENGTH, length)
        return found

    def _parameters(self, parameters: object) -> Mapping[str, object]:
        if isinstance(parameters, Mapping):
            return parameters
        self._complain("parameters")
        return {}

    def _complain(self, field: str) -> None:
        self._mistakes.report(
            "bad_value",
            field.partition("[")[0],
            "%s has an unusable value, which was left out of the event",
            field,
            place=self._place,
        )


def _outcome(call: Call, finish_reason: str | None, error_type: str | None) -> OutcomeName:
    # A stream whose end was read before it was closed is complete.
    if call.cancelled and error_type is None and finish_reason is None:
        return "cancelled"
    return outcome_of(finish_reason, error_type)
