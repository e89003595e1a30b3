"""Makes a Kafka source anew when its clients are of no use any more, and goes on where the store stands."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError

from coalmine_consumers.errors import SourceMisconfigured
from coalmine_consumers.raw import RawBatch
from coalmine_consumers.sources.base import Positions, Source, SourceLag
from coalmine_consumers.sources.kafka import KafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings
from coalmine_schemas.kafka_watchdog import Watchdog

ASK_EVERY_S: Final = 5.0
"""How often the broker is asked for a sign of life."""
ANSWER_WITHIN_S: Final = 1.0
"""How long it may take to answer."""
FAILURES: Final = 3
"""Clients that may fail within one and a half session timeouts. A session that was lost in an outage can fail
one of them, by the answer to a request from before (fenced); somebody else who uses the store's group
instance id fails them all."""

_FENCED: Final = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()
_REMEDY: Final = (
    "; another process uses a copy of this store: delete the file group-instance-id in one of them"
)
_log = logging.getLogger(__name__)


class RenewedKafkaSource:
    """A `KafkaSource` for as long as it works, then the next one.

    Each starts from the positions of the store, so nothing is lost or read twice by a change.

    Args:
        settings: Of each.
        make: Makes one.
        watchdog: Says when one is dead.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        settings: KafkaSourceSettings,
        *,
        make: Callable[[KafkaSourceSettings], KafkaSource] = KafkaSource,
        watchdog: Watchdog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Configures the first; nothing is connected yet.

        Raises:
            SourceMisconfigured: librdkafka refuses the settings.
        """
        self._settings = settings
        self._make = make
        self._source = make(settings)
        self._start: Callable[[Source], None] | None = None
        self._watchdog = watchdog or Watchdog(settings.bootstrap_servers)
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._clock = clock
        self._ask_at = clock() + ASK_EVERY_S
        self._closed = False

    def start(self, positions: Callable[[], Positions], quiesce: Callable[[], None]) -> None:
        """See `Source.start`."""
        self._start = lambda source: source.start(positions, quiesce)
        self._start(self._source)

    def poll(self, max_messages: int, timeout_s: float) -> RawBatch | None:
        """See `Source.poll`."""
        if self._closed:
            return None
        if self._clock() >= self._ask_at:
            self._ask()
        try:
            return self._source.poll(max_messages, timeout_s)
        except SourceMisconfigured as error:
            self._fails(error)
            return None

    def committed(self, positions: Positions) -> None:
        """See `Source.committed`."""
        self._source.committed(positions)

    def rewind(self) -> None:
        """See `Source.rewind`."""
        self._source.rewind()

    def lag(self) -> SourceLag:
        """See `Source.lag`."""
        return self._source.lag()

    def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
        self._source.close()

    def _ask(self) -> None:
        self._ask_at = self._clock() + ASK_EVERY_S
        if self._source.answers(ANSWER_WITHIN_S):
            self._watchdog.heard()
        elif self._watchdog.is_dead():
            self._renew("hears nothing from a broker that takes connections")

    def _fails(self, error: SourceMisconfigured) -> None:
        now = self._clock()
        self._failures.append(now)
        within_s = 1.5 * self._settings.session_timeout_s
        if len(self._failures) == FAILURES and now - self._failures[0] < within_s:
            remedy = _REMEDY if _FENCED in str(error) else ""
            raise SourceMisconfigured(f"{error}, {FAILURES} times within {within_s:g} s{remedy}") from error
        self._renew(f"failed: {error}")

    def _renew(self, reason: str) -> None:
        assert self._start is not None, "start comes before poll"
        _log.warning("the Kafka consumer %s; it is made anew", reason)
        # Closing waits for answers that may never come.
        threading.Thread(target=self._source.close, name="coalmine-kafka-close", daemon=True).start()
        self._source = self._make(self._settings)
        self._start(self._source)
