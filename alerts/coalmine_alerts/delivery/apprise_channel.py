"""E-mail, Teams, Discord and others by apprise: title, text and link, at least once."""

from dataclasses import asdict, replace
from typing import Final

from coalmine_alerts.delivery.channels import AppriseSettings, SentMessage, Telling
from coalmine_alerts.errors import Ambiguous
from coalmine_alerts.messages.plain import plain_text
from coalmine_schemas.errors import InvalidParameter


class AppriseChannel:
    """Whatever apprise can write to. It does not say why something failed, nor whether it was taken."""

    edits: Final = False
    one_by_one: Final = False
    at_once: Final = False

    def __init__(self, settings: AppriseSettings, url: str, *, dashboard_url: str | None) -> None:
        """Prepares.

        Raises:
            InvalidParameter: apprise is not installed, or does not know such a URL.
        """
        try:
            import apprise  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise InvalidParameter(
                f"channel {settings.name} needs apprise: pip install 'coalmine[notify]'"
            ) from error
        self.name: Final = settings.name
        self._dashboard_url = dashboard_url
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url):
            raise InvalidParameter(f"{settings.secret} of channel {settings.name} is no URL of apprise")

    def send(self, telling: Telling) -> SentMessage:
        """Sends a message; see `Channel`."""
        notice = replace(telling.notice, may_be_repeat=telling.uncertain_since is not None)
        drawn = plain_text(notice, self._dashboard_url)
        if not self._apprise.notify(title=drawn.title, body=drawn.body, body_format="text"):
            raise Ambiguous("apprise could not send it")
        return SentMessage(external_id=None, text=drawn.title, body=asdict(drawn))
