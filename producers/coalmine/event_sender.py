"""The half of a client that sends what is said of calls, and whole events, and knows what became of them."""

import time
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from coalmine.mistakes import Mistakes
from coalmine.reactions import checked_feedback, feedback_event, outcome_event, score_event
from coalmine.settings import ClientSettings
from coalmine.stats import Stats
from coalmine.values import as_text
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.events import (
    PromptFeedback,
    PromptRequest,
    PromptScore,
    ScoreSourceName,
    ThumbsName,
)

if TYPE_CHECKING:  # a service may import the client and make none
    from coalmine.pipeline import Pipeline
    from coalmine.sink import Sink

DEFAULT_TIMEOUT_S: Final = 5.0
"""How long `flush` and `close` take at most by default."""


class EventSender:
    """Base of `Coalmine`, which sets the attributes."""

    settings: ClientSettings
    """The settings of this client."""
    _mistakes: Mistakes
    _pipeline: "Pipeline"
    _sink: "Sink"

    def __deepcopy__(self, _memo: object) -> Self:
        """The same one: services copy what holds it, such as the state of an agent."""
        return self

    def feedback(
        self,
        request_id: str,
        thumbs: ThumbsName | None = None,
        *,
        rating: float | None = None,
        comment: str | None = None,
        correction: str | None = None,
        unit_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        event_time: datetime | None = None,
    ) -> bool:
        """Sends what a person thought of a call.

        Args:
            request_id: The call's `request_id`; the call may be any time ago, in any process.
            thumbs: `up` or `down`.
            rating: A number, on the service's own scale.
            comment: What the person wrote.
            correction: What the answer should have been.
            unit_id: Who gave it.
            metadata: Named texts to keep with it.
            event_time: When, if not now; aware.

        Returns:
            True if it was queued. Feedback that says nothing is not: it needs thumbs, rating, comment or
            correction.
        """
        return self._sink.react(
            "feedback",
            partial(
                feedback_event,
                self.settings.app,
                request_id,
                thumbs=thumbs,
                rating=rating,
                comment=comment,
                correction=correction,
                unit_id=unit_id,
                metadata=metadata,
                event_time=event_time,
            ),
        )

    def feedback_link(self, request_id: str, *, days: float = 30.0) -> str | None:
        """A link by which whoever has it may give one call a thumb, without a token: no network, no wait.

        Args:
            request_id: The call's `request_id`.
            days: How long the link is good, at most 366.

        Returns:
            The link, for a mail or for the script of `docs/without-the-client.md`; None where it cannot be
            made, e.g. without `feedback_link_key`, which is one warning.
        """
        from coalmine_schemas.feedback_link import feedback_link  # noqa: PLC0415 - few services make links

        settings = self.settings
        url = settings.feedback_link_url or settings.server_url
        try:
            if settings.feedback_link_key is None or url is None:
                raise InvalidParameter(
                    "a feedback link needs feedback_link_key, and feedback_link_url or server_url"
                )
            return feedback_link(
                url,
                settings.feedback_link_key,
                settings.app,
                as_text(request_id),
                now_s=time.time(),
                days=days,
            )
        except InvalidParameter as error:
            self._mistakes.report("misuse", "feedback_link", "%s", error)
        except Exception as error:  # noqa: BLE001 - e.g. days that are no number
            self._sink.failed("feedback_link()", error)
        return None

    def score(
        self,
        request_id: str,
        name: str,
        value: float,
        *,
        source: ScoreSourceName = "unknown",
        scorer: str | None = None,
        rationale: str | None = None,
        event_time: datetime | None = None,
    ) -> bool:
        """Sends a quality score for a call.

        Args:
            request_id: The call's `request_id`.
            name: Name of the score; `quality` is shown beside cost and latency.
            value: A finite number.
            source: `heuristic`, `judge` or `human`.
            scorer: What or who scored, e.g. `toxicity@3`.
            rationale: Why.
            event_time: When, if not now; aware.

        Returns:
            True if it was queued.
        """
        return self._sink.react(
            "score",
            partial(
                score_event,
                self.settings.app,
                request_id,
                name=name,
                value=value,
                source=source,
                scorer=scorer,
                rationale=rationale,
                event_time=event_time,
            ),
        )

    def outcome(
        self,
        name: str,
        value: float = 1.0,
        *,
        unit_id: str | None = None,
        session_id: str | None = None,
        prompt: str | None = None,
        outcome_id: str | None = None,
        event_time: datetime | None = None,
    ) -> bool:
        """Sends what became of a user or session hours or days later, where no `request_id` was kept.

        It counts for the version that this unit, or session, was served in its last call before `event_time`,
        if that call began at most 72 hours before it. The collector finds the call, also if its event comes
        later than the outcome. In experiments it is compared once calls are that old: as a metric of its name
        the mean of its values. `per_unit.NAME` is the sum of values within 72 hours of each unit's first call
        there, by all units first served that long ago, had they an outcome or not.

        ```python
        cm.outcome("converted", unit_id=user_id)
        cm.outcome("spent_usd", 19.90, unit_id=user_id, outcome_id=order.number, event_time=order.paid_at)
        ```

        Args:
            name: Name of the outcome: a metric by that name, as a score's.
            value: A finite number; 1 for what happened.
            unit_id: Whose it is, as given to `prompt` and `call`. Hashed where this client hashes units.
            session_id: Which session's. Needed without a unit; with both, calls of this unit in this session.
            prompt: Whose last call it counts for; without it that of any prompt.
            outcome_id: What tells it from others of its name, e.g. an order's number: sent again with the
                same `event_time` it counts once. It is hashed.
            event_time: When it happened, if not now; aware.

        Returns:
            True if it was queued.
        """
        return self._sink.react(
            "outcome",
            partial(
                outcome_event,
                self.settings.app,
                name=name,
                value=value,
                unit_id=unit_id,
                session_id=session_id,
                prompt=prompt,
                outcome_id=outcome_id,
                event_time=event_time,
            ),
        )

    def emit_request(self, event: PromptRequest, /, *, wait_s: float | None = None) -> bool:
        """Sends a finished call with its own times, tokens and identity.

        For replays, back-fills and services that measure by themselves; `call` is the way for all others.
        The event's own app and environment are kept, its texts are dropped unless this client captures
        texts, and a cost it does not know is looked up at the event's time.

        Args:
            event: The call.
            wait_s: How long to wait for room when the queue is full; None does what `on_full` says.

        Returns:
            True if it was queued.
        """
        return self._sink.offer(event, wait_s=wait_s)

    def emit_feedback(self, event: PromptFeedback, /, *, wait_s: float | None = None) -> bool:
        """Sends finished feedback, as `emit_request` does a call."""
        return self._sink.react("emit_feedback", partial(checked_feedback, event), wait_s=wait_s)

    def emit_score(self, event: PromptScore, /, *, wait_s: float | None = None) -> bool:
        """Sends a finished score, as `emit_request` does a call."""
        return self._sink.offer(event, wait_s=wait_s)

    def flush(self, timeout_s: float = DEFAULT_TIMEOUT_S) -> bool:
        """Waits until everything so far is acknowledged by Kafka or in a sealed spool file, or was dropped.

        Args:
            timeout_s: Longest wait.

        Returns:
            False when that took too long; nothing is lost by it.
        """
        done = self._pipeline.flush(timeout_s)
        self._mistakes.raise_kept()
        return done

    def stats(self) -> Stats:
        """What became of the events of this process so far."""
        return self._pipeline.stats()
