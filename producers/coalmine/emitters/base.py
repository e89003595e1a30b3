"""Where framed events go: the interface of Kafka and of the spool."""

from typing import Protocol

from coalmine_schemas.spool_blocks import SpoolRecord


class Emitter(Protocol):
    """Takes framed events and makes them safe. For one thread, the client's; no method raises.

    An event is safe once Kafka has acknowledged it or a spool file holds it.
    """

    def submit(self, record: SpoolRecord) -> None:
        """Takes one event; does not block on the network."""

    def poll(self) -> None:
        """Does what is due: writes what is waiting, serves delivery reports.

        To be called every 50 ms while there are events, else when `due_in_s` says.
        """

    def due_in_s(self) -> float:
        """Seconds until `poll` has something to do if no event comes; infinity for never."""

    def mark(self) -> int:
        """A mark after all events taken so far, for `settled`."""

    def settled(self, mark: int) -> bool:
        """Returns True if all events before the mark are safe or dropped."""

    def seal(self) -> None:
        """Finishes the open spool file, so that readers see what it holds."""

    def close(self, deadline_s: float) -> None:
        """Makes everything safe, by the monotonic deadline; drops and counts what then still is not."""

    def abandon(self) -> None:
        """Drops everything without sending it: for a forked child, whose parent will send it."""
