"""Hears which buttons are pressed in Slack, by Socket Mode: no address of ours has to be public."""

import json
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from coalmine_alerts.delivery.buttons import Buttons
from coalmine_alerts.delivery.channels import SLACK_URL
from coalmine_alerts.delivery.posting import Poster
from coalmine_alerts.errors import Later
from coalmine_schemas.errors import CoalmineError

_ANSWERS_TO: Final = "hooks.slack.com"
"""Host of the addresses that Slack names for an answer."""

_log = structlog.stdlib.get_logger("coalmine.alerts")


class SocketMode:
    """A connection to Slack on which it tells what is pressed."""

    def __init__(
        self, app_token: str, buttons: Buttons, *, url: str = SLACK_URL, answers_to: str = _ANSWERS_TO
    ) -> None:
        """Prepares; `keep_connected` connects.

        Args:
            app_token: Of the app, `xapp-...`, with the scope `connections:write`.
            buttons: What pressing does.
            url: Of Slack's API.
            answers_to: Host that answers to people are posted to.
        """
        # What is not used is not loaded.
        from slack_sdk.socket_mode.builtin import SocketModeClient  # noqa: PLC0415
        from slack_sdk.socket_mode.client import BaseSocketModeClient  # noqa: PLC0415
        from slack_sdk.socket_mode.request import SocketModeRequest  # noqa: PLC0415
        from slack_sdk.socket_mode.response import SocketModeResponse  # noqa: PLC0415
        from slack_sdk.web import WebClient  # noqa: PLC0415

        def heard(client: BaseSocketModeClient, request: SocketModeRequest) -> None:
            # Within three seconds, whatever it is and however long it takes.
            client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
            if request.type == "interactive":
                self._press(request.payload)

        self._buttons, self._answers_to = buttons, answers_to
        self._poster = Poster(secrets=(app_token,))
        web = WebClient(base_url=f"{url.rstrip('/')}/", retry_handlers=[], timeout=10)
        self._client = SocketModeClient(app_token, web_client=web)
        self._client.socket_mode_request_listeners.append(heard)

    def keep_connected(self) -> None:
        """Connects, unless it is connected; a connection that breaks is renewed by itself.

        Raises:
            Later: Slack does not let us, or not now.
        """
        if self._client.is_connected():
            return
        try:
            self._client.connect()
        except Exception as error:
            raise Later(f"Slack's Socket Mode cannot be reached ({type(error).__name__})") from error

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def _press(self, payload: dict[str, Any]) -> None:
        try:
            said = self._buttons.press(payload)
            if said:
                self._answer(payload, said)
        except CoalmineError as error:
            _log.warning("a button could not be answered", reason=str(error))

    def _answer(self, payload: dict[str, Any], text: str) -> None:
        """Tells the person who pressed, and nobody else."""
        url = str(payload.get("response_url") or "")
        if urlsplit(url).netloc != self._answers_to:
            return
        body = {"response_type": "ephemeral", "replace_original": False, "text": text}
        self._poster.post(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
