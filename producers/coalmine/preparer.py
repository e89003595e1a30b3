"""From what the application did to a framed event, ready for Kafka or the spool."""

import time
from collections.abc import Callable
from typing import Final

from coalmine.call import Call
from coalmine.mistakes import Mistake, Mistakes, Place
from coalmine.record_builder import Record, RecordBuilder
from coalmine.texts import Draft
from coalmine.values import encodable_record
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.events import EventName
from coalmine_schemas.limits import ID_CHARS, shortened
from coalmine_schemas.rules import first_problem, fitted
from coalmine_schemas.spool_blocks import SpoolRecord

_TEXT_FIELDS: Final = ("output_text", "input_text", "correction", "comment", "rationale")
"""What an event that is too large can do without."""


class Preparer:
    """Builds, checks and frames one event after another; for one thread.

    Frames are always Avro single-object ones: they need no registry, and `framing` turns them into
    Confluent's by swapping the header.

    Args:
        builder: Builds the records.
        max_message_bytes: Largest frame.
        mistakes: Told why an event is dropped, without values: they may be a user's text.
        tells: Whether to tell what follows a call of its record; not where events are only checked.
    """

    def __init__(
        self, builder: RecordBuilder, *, max_message_bytes: int, mistakes: Mistakes, tells: bool = True
    ) -> None:
        self._builder = builder
        self._max_message_bytes = max_message_bytes
        self._mistakes = mistakes
        self._counters = mistakes.counters
        self._log = mistakes.log
        self._place: Place | None = None
        self._encoder = Encoder(SingleObjectFraming())
        self._tells = tells

    def prepare(self, draft: Draft) -> SpoolRecord | None:
        """The framed event; None when it was dropped, which has then been counted and logged."""
        self._place = draft.made_at if isinstance(draft, Call) else None
        try:
            event, key, record = self._builder.build(draft)
            if self._tells and isinstance(draft, Call) and draft.followed_by is not None:
                self._tell(draft.followed_by, record)
            problem = first_problem(event, record)
            if problem is not None:
                record = self._shortened(event, record, problem)
        except Mistake:
            raise
        except InvalidParameter as error:
            self._invalid(str(error))
            return None
        except Exception as error:  # noqa: BLE001 - e.g. a text where the rules compare numbers
            self._invalid(f"a value has the wrong type ({type(error).__name__})")
            return None
        frame = self._frame(event, record)
        if frame is None:
            return None
        return SpoolRecord(
            event, shortened(key, ID_CHARS).encode("utf-8", "replace"), frame, time.time_ns() // 1000
        )

    def _tell(self, follower: Callable[[Record], None], record: Record) -> None:
        try:
            follower(record)
        except Exception as error:  # noqa: BLE001 - the event is sent, whatever follows it
            message = "what follows calls failed: %s"
            self._mistakes.report("internal", "follow", message, type(error).__name__, place=self._place)

    def _shortened(self, event: EventName, record: Record, problem: str) -> Record:
        """The record within the limits of names and maps.

        Raises:
            InvalidParameter: That does not help.
        """
        record = fitted(event, record)
        remaining = first_problem(event, record)
        if remaining is not None:
            raise InvalidParameter(remaining)
        message = "%s; it was shortened, and its event sent"
        self._mistakes.report("shortened", _field_of(problem), message, problem, place=self._place)
        return record

    def _frame(self, event: EventName, record: Record) -> bytes | None:
        try:
            frame = self._encode(event, record)
            if len(frame) > self._max_message_bytes:
                frame = self._encode(event, self._without_texts(record))
        except InvalidParameter as error:
            # The codec's message quotes the value, so only the kind of error is told.
            self._invalid(f"a value has the wrong type ({type(error.__cause__).__name__})")
            return None
        if len(frame) > self._max_message_bytes:
            self._counters.drop("too_large")
            self._log.report("too_large", "an event of %d bytes was dropped: too large for Kafka", len(frame))
            return None
        return frame

    def _encode(self, event: EventName, record: Record) -> bytes:
        try:
            return self._encoder.encode(event, record)
        except InvalidParameter as error:
            if not isinstance(error.__cause__, UnicodeEncodeError):
                raise
            return self._encoder.encode(event, encodable_record(record))

    def _without_texts(self, record: Record) -> Record:
        self._counters.problem("text_too_long")
        self._log.report("text_too_long", "the texts of an event were dropped: too large for Kafka")
        kept = {name: None if name in _TEXT_FIELDS else value for name, value in record.items()}
        if record.get("correction") is not None:
            kept["correction"] = ""  # that there was one counts
        return kept

    def _invalid(self, why: str) -> None:
        self._mistakes.drop(_field_of(why), "an event was dropped: %s", why, place=self._place)


def _field_of(problem: str) -> str:
    """The field that a rule's words begin with: of each one is told."""
    return problem.partition(" ")[0].partition("[")[0]
