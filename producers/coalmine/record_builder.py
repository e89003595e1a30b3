"""From what the application did to the record of its event."""

from typing import Any

from coalmine.call import Call
from coalmine.redaction import Redactor, TextField
from coalmine.replies import BilledUsage, billed_usage
from coalmine.replies.extraction import OtherReply
from coalmine.stats import Counters
from coalmine.texts import TEXT_FIELDS, Draft
from coalmine.values import (
    EMPTY_FEEDBACK,
    encodable,
    json_map,
    microseconds,
    number_map,
    optional_count,
    optional_text,
    required_text,
    says_something,
    text_map,
)
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.events import EventName, OutcomeName, PromptFeedback, PromptRequest
from coalmine_schemas.identifiers import unit_group
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.outcomes import outcome_of
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.usage import USAGE_KEYS, usage_fields, usage_of

Record = dict[str, Any]
"""Values by field name, as the encoder takes them."""


class RecordBuilder:
    """Builds records: fills in what is the same for all, prices, applies the redaction hook. For one thread.

    Args:
        app: Name of the service.
        environment: Its environment.
        client_version: Version of this package.
        capture_text: Whether texts of inputs and outputs are sent.
        redactor: Applied to every text.
        counters: Counts values left out.
        log: Names them.
    """

    def __init__(
        self,
        *,
        app: str,
        environment: str,
        client_version: str | None,
        capture_text: bool,
        redactor: Redactor,
        counters: Counters,
        log: RateLimitedLogger,
    ) -> None:
        self._app = app
        self._environment = environment
        self._client_version = client_version
        self._capture_text = capture_text
        self._redactor = redactor
        self._counters = counters
        self._log = log
        self._prices = PriceTable()
        self._said_no_usage = False

    def build(self, draft: Draft) -> tuple[EventName, str, Record]:
        """The event's name, its key and its record.

        Raises:
            InvalidParameter: A value that the event cannot do without is missing.
        """
        if isinstance(draft, Call):
            return self._call(draft)
        record = draft.to_record()
        if isinstance(draft, PromptRequest) and not self._capture_text:
            record["input_text"] = record["output_text"] = None
        for field in TEXT_FIELDS[type(draft)]:
            record[field] = self._redactor.apply(record[field], field)
        if isinstance(draft, PromptRequest):
            record["app"] = draft.app or self._app
            record["environment"] = draft.environment or self._environment
            if record["outcome"] == "unknown":
                record["outcome"] = outcome_of(draft.finish_reason, draft.error_type)
            self._price(record, microseconds(draft.event_time))
            return "requests", draft.unit_id, record
        if isinstance(draft, PromptFeedback) and not says_something(draft):
            raise InvalidParameter(EMPTY_FEEDBACK)
        return "feedback" if isinstance(draft, PromptFeedback) else "scores", draft.request_id, record

    def _call(self, call: Call) -> tuple[EventName, str, Record]:
        served = call.served
        facts = call.facts
        unit_id = encodable(optional_text(call.unit_id) or optional_text(call.session_id) or call.request_id)
        start_us = call.start_us()
        provider = optional_text(call.provider)
        request_model = optional_text(call.request_model)
        response_model = optional_text(facts.response_model)
        billed = self._billed(call, provider)
        cost = optional_count("cost_nano_usd", call.cost_nano_usd, self._complain)
        if cost is not None:
            source = "service"
        else:
            cost = billed.cost_nano_usd
            source = "unknown" if cost is None else "gateway"
        error_type = optional_text(call.error_type)
        record: Record = {
            "request_id": call.request_id,
            "event_time": start_us,
            "app": self._app,
            "environment": optional_text(call.environment) or self._environment,
            "prompt": required_text("prompt", call.prompt),
            "version": required_text("version", served.version),
            "label": optional_text(served.label),
            "variant": optional_text(served.variant),
            "experiment": optional_text(served.experiment),
            "allocation_epoch": served.allocation_epoch,
            "unit_group": unit_group(unit_id),
            "resolution": served.resolution,
            "unit_id": unit_id,
            "session_id": optional_text(call.session_id),
            "trace_id": optional_text(call.trace_id),
            "parent_request_id": optional_text(call.parent_request_id),
            "provider": provider,
            # A service that does not say which model it asked is best described by the one that answered.
            "request_model": request_model or response_model or "unknown",
            "response_model": response_model,
            "request_parameters": json_map(call.parameters),
            "service_tier": billed.service_tier,
            **usage_fields(billed.counts),
            "cost_nano_usd": cost,
            "cost_source": source,
            "latency_ms": call.latency_ms(),
            "time_to_first_token_ms": call.time_to_first_token_ms(),
            "outcome": _outcome(call, error_type),
            "finish_reason": optional_text(facts.finish_reason),
            "error_type": error_type,
            "metrics": number_map("metrics", call.metrics, self._complain),
            "segments": text_map(call.segments),
            "input_text": self._captured(call.input_text, "input_text"),
            "output_text": self._captured(call.output_text or facts.text, "output_text"),
            "client_version": self._client_version,
        }
        self._price(record, start_us)
        return "requests", unit_id, record

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
        self._counters.problem("unknown_reply")
        kind = usage.kind if isinstance(usage, OtherReply) else type(usage).__qualname__
        message = "record() finds no counts in the reply %s; its event goes without tokens and cost"
        self._log.report("unknown_reply", message, kind)

    def _without_usage(self, call: Call) -> None:
        self._counters.problem("no_usage")
        if not self._said_no_usage:
            self._said_no_usage = True
            message = (
                "the stream of %s said no usage, so its event has neither tokens nor cost; ask for it with "
                'stream_options={"include_usage": True} and pass the last piece to record(), too (said once; '
                "counted in stats().problems)"
            )
            self._log.report("no_usage", message, call.request_model or "a model")

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

    def _captured(self, text: str | None, field: TextField) -> str | None:
        return self._redactor.apply(text, field) if text and self._capture_text else None

    def _complain(self, field: str) -> None:
        self._counters.problem("bad_value")
        self._log.report("bad_value", "%s has an unusable value, which was left out of the event", field)


def _outcome(call: Call, error_type: str | None) -> OutcomeName:
    # A stream whose end was read before it was closed is complete.
    if call.cancelled and error_type is None and call.facts.finish_reason is None:
        return "cancelled"
    return outcome_of(call.facts.finish_reason, error_type)
