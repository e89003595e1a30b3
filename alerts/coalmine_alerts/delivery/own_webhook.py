"""A webhook of the user's own: every transition, in order, signed, at least once and with an id.

The receiver takes the body as it came, computes HMAC-SHA256 of `<t>.<body>` with the secret, and compares it
with each `v1` of `Coalmine-Signature: t=<unix time>,v1=<hex>`. It refuses a `t` that is more than five
minutes off, and a `Coalmine-Delivery` that it has had. While one secret replaces another there are two `v1`.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from coalmine_alerts.delivery.addresses import PublicOnly, networks
from coalmine_alerts.delivery.channels import SentMessage, Telling, WebhookSettings
from coalmine_alerts.delivery.posting import Poster
from coalmine_alerts.messages.own_webhook import own_webhook_body
from coalmine_alerts.results.alerts import Transition
from coalmine_alerts.results.story import readable

_DELIVERIES: Final = UUID("5a6f0c1e-6f0b-4d0e-9a55-5f1c6c8a7d10")
EVENT: Final = "alert_transition"


class OwnWebhook:
    """A service that takes every transition."""

    edits: Final = False
    one_by_one: Final = True
    at_once: Final = True

    def __init__(
        self, settings: WebhookSettings, secrets: Sequence[str], *, clock: Callable[[], datetime]
    ) -> None:
        """Prepares; nothing is connected to."""
        self.name: Final = settings.name
        self._url, self._secrets, self._clock = settings.url, tuple(secrets), clock
        backend = PublicOnly(networks(settings.allowed_networks))
        self._poster = Poster(secrets=self._secrets, backend=backend)

    def send(self, telling: Telling) -> SentMessage:
        """Sends a transition; see `Channel`."""
        (transition,) = telling.told
        body = own_webhook_body(transition, telling.alert(transition))
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        delivery = delivery_id(self.name, transition)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "coalmine",
            "Coalmine-Event": EVENT,
            "Coalmine-Delivery": delivery,
            "Coalmine-Signature": signature(self._secrets, content, self._clock()),
        }
        self._poster.post(self._url, content, headers)
        return SentMessage(external_id=delivery, text=readable(transition.summary), body=body)


def delivery_id(channel: str, transition: Transition) -> str:
    """Returns the id of a delivery: the same at every attempt, and of no other one."""
    what = (channel, str(transition.seq), transition.fingerprint, transition.at.isoformat())
    return str(uuid5(_DELIVERIES, "\n".join(what)))


def signature(secrets: Sequence[str], body: bytes, at: datetime) -> str:
    """Returns the header `Coalmine-Signature` of a body."""
    seconds = int(at.timestamp())
    signed = f"{seconds}.".encode() + body
    made = (hmac.new(each.encode(), signed, hashlib.sha256).hexdigest() for each in secrets)
    return ",".join([f"t={seconds}", *(f"v1={each}" for each in made)])
