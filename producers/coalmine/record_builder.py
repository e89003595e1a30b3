"""From what the application did to the record of its event."""

from datetime import UTC, datetime
from typing import Any

from coalmine.call import Call
from coalmine.mistakes import Mistakes, Place
from coalmine.pricing import Pricer, TokenUsage
from coalmine.redaction import Redactor
from coalmine.texts import TEXT_FIELDS, Draft
from coalmine.values import (
    encodable,
    metric_problem,
    number_map,
    optional_count,
    optional_text,
    required_text,
    text_map,
)
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.events import EventName, PromptFeedback, PromptRequest, PromptScore
from coalmine_schemas.identifiers import unit_group

Record = dict[str, Any]
"""Values by field name, as the encoder takes them."""


class RecordBuilder:
    """Builds records: fills in what is the same for all, prices, applies the redaction hook. For one thread.

    Args:
        app: Name of the service.
        environment: Its environment.
        client_version: Version of this package.
        capture_text: Whether texts of inputs, outputs, feedback and scores are sent.
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
        redactor: Redactor,
        mistakes: Mistakes,
    ) -> None:
        self._app = app
        self._environment = environment
        self._client_version = client_version
        self._capture_text = capture_text
        self._redactor = redactor
        self._mistakes = mistakes
        self._place: Place | None = None
        self._pricer = Pricer()

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
            if draft.correction and record["correction"] is None:
                record["correction"] = ""  # that there was one counts
            return "feedback", draft.request_id, record
        return "scores", draft.request_id, record

    def _event(self, event: PromptRequest | PromptFeedback | PromptScore) -> Record:
        record = event.to_record()
        if not self._capture_text:
            record.update(dict.fromkeys(TEXT_FIELDS[type(event)]))
        if isinstance(event, PromptScore) and (problem := metric_problem(event.name, event.value)):
            raise InvalidParameter(f"value {problem}")
        if isinstance(event, PromptRequest) and record["cost_nano_usd"] is None:
            record["cost_nano_usd"] = self._cost_of(event)
        return record

    def _call(self, call: Call) -> Record:
        served = call.served
        facts = call.facts
        unit_id = encodable(optional_text(call.unit_id) or optional_text(call.session_id) or call.request_id)
        start_us = call.start_us()
        provider = optional_text(call.provider)
        request_model = optional_text(call.request_model)
        response_model = optional_text(facts.response_model)
        input_tokens = optional_count("input_tokens", facts.input_tokens, self._complain)
        cached_tokens = optional_count("cached_input_tokens", facts.cached_input_tokens, self._complain)
        output_tokens = optional_count("output_tokens", facts.output_tokens, self._complain)
        cost = optional_count("cost_nano_usd", call.cost_nano_usd, self._complain)
        if cost is None and input_tokens is not None and output_tokens is not None:
            cost = self._pricer.cost_nano_usd(
                TokenUsage(
                    input_tokens,
                    output_tokens,
                    cached_tokens or 0,
                    facts.cache_write_tokens or 0,
                    facts.cache_write_1h_tokens or 0,
                ),
                models=(response_model, request_model),
                provider=provider,
                at=datetime.fromtimestamp(start_us / 1e6, UTC),
            )
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
            "input_tokens": input_tokens,
            "cached_input_tokens": cached_tokens,
            "output_tokens": output_tokens,
            "cost_nano_usd": cost,
            "latency_ms": call.latency_ms(),
            "time_to_first_token_ms": call.time_to_first_token_ms(),
            "finish_reason": optional_text(facts.finish_reason),
            "error_type": optional_text(call.error_type),
            "metrics": number_map("metrics", call.metrics, self._complain),
            "segments": text_map(call.segments),
            "input_text": call.input_text if self._capture_text else None,
            "output_text": (call.output_text or facts.text) if self._capture_text else None,
            "client_version": self._client_version,
        }
        return record

    def _cost_of(self, request: PromptRequest) -> int | None:
        if request.input_tokens is None or request.output_tokens is None:
            return None
        return self._pricer.cost_nano_usd(
            TokenUsage(request.input_tokens, request.output_tokens, request.cached_input_tokens or 0),
            models=(request.response_model, request.request_model),
            provider=request.provider,
            at=request.event_time,
        )

    def _complain(self, field: str) -> None:
        self._mistakes.report(
            "bad_value",
            field.partition("[")[0],
            "%s has an unusable value, which was left out of the event",
            field,
            place=self._place,
        )
