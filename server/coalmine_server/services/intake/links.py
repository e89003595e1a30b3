"""Who may vote by a link: the key, the pages that may hold the script, and how often a link is taken."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from coalmine_schemas.feedback_link import is_signed
from coalmine_server.services.intake.limits import EventLimits
from coalmine_server.settings.sections import EventsSettings, proxies

PER_MINUTE: Final = 10
"""Votes that one link takes in a minute: somebody who changes their mind, and not a program."""


@dataclass(frozen=True, slots=True)
class FeedbackLinks:
    """Checks links and where they are used."""

    key: str
    """The secret that links are signed with."""
    origins: frozenset[str]
    """Origins of pages of others whose scripts may vote, `https://app.example.com`."""
    limits: EventLimits = field(default_factory=lambda: EventLimits(PER_MINUTE))
    """Votes by link."""

    @classmethod
    def of(cls, settings: EventsSettings) -> "FeedbackLinks | None":
        """As the settings say; None where they name no key."""
        if settings.feedback_link_key is None:
            return None
        origins = frozenset(proxies(settings.feedback_link_origins))
        return cls(settings.feedback_link_key.get_secret_value(), origins)

    def problem(self, app: str, request_id: str, expires: int, signature: str, now_s: float) -> str | None:
        """Why a link is not taken; None if it is.

        Args:
            app: As the link says.
            request_id: As the link says.
            expires: As the link says.
            signature: As the link says.
            now_s: The time, in seconds since 1970.
        """
        if not is_signed(self.key, app, request_id, expires, signature):
            return "the link is not signed by this server's key, or was changed: open it as it was sent"
        if now_s >= expires:
            return "the link has ended: ask for a new one"
        return None

    def allows(self, origin: str | None, host: str) -> bool:
        """Returns True if a page may vote.

        Args:
            origin: What the browser says; None or `null` for a form, and for what is no browser.
            host: Of the request: our own page is allowed.
        """
        if origin in (None, "null") or origin in self.origins:
            return True
        try:
            return urlsplit(str(origin)).netloc == host
        except ValueError:  # it is no address
            return False
