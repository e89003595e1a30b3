"""Slack by a bot: once, one message for each group, which changes, and a line in its thread for each change.

Slack takes no key that would make a message unique. So each message carries in its metadata the group and the
last transition that it tells; after an attempt that may have been taken, it is looked up before it is sent.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from coalmine_alerts.delivery.channels import SentMessage, SlackBotSettings, Telling
from coalmine_alerts.delivery.posting import Poster
from coalmine_alerts.delivery.slack_webhook import HEADERS, is_about_blocks
from coalmine_alerts.errors import Ambiguous, Later, Refused, Unusable
from coalmine_alerts.messages.slack import FALLBACKS, SlackMessage, slack_message, slack_thread_line
from coalmine_alerts.results.alerts import Transition

_EVENT_TYPE: Final = "coalmine_alert"
_MAY_BE_TAKEN: Final = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable"})
_NOT_NOW: Final = frozenset({"rate_limited", "ratelimited", "message_limit_exceeded"})
_GONE: Final = frozenset(
    {"cant_update_message", "edit_window_closed", "message_not_found", "thread_not_found"}
)
"""The message cannot be changed any more: a new one is sent."""
_OF_THE_CHANNEL: Final = frozenset(
    {
        *("access_denied", "account_inactive", "invalid_auth", "no_permission", "not_authed"),
        *("token_expired", "token_revoked", "missing_scope", "not_allowed_token_type"),
        *("channel_not_found", "is_archived", "not_in_channel", "posting_to_general_channel_denied"),
        *("ekm_access_denied", "enterprise_is_restricted", "org_login_required", "team_access_not_granted"),
    }
)
"""Errors of any message until a person acts: a token, a scope, an invitation of the bot."""
_WORD: Final = re.compile(r"[a-z0-9_]{1,80}")
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_PAGE: Final = 100
_MOST_PAGES: Final = 20
_SILENT: Final = frozenset({"acknowledge", "inhibit", "silence", "update"})
"""Kinds of transitions that the changed message shows, and that get no line in the thread."""
_MOST_LINES: Final = 5
_LONGEST_GROUP: Final = 500
_OLD_S: Final = 3600.0


class SlackError(Refused):
    """Slack responded, and the answer is an error.

    Args:
        method: What was called.
        error: Slack's name of the error.
    """

    def __init__(self, method: str, error: str) -> None:
        super().__init__(method, error)
        self.method, self.error = method, error

    def __str__(self) -> str:
        return f"{self.method}: {self.error}"


class SlackBot:
    """A Slack channel that a bot writes to."""

    edits: Final = True
    one_by_one: Final = False
    at_once: Final = False

    def __init__(self, settings: SlackBotSettings, token: str, *, dashboard_url: str | None) -> None:
        """Prepares; nothing is connected to."""
        self.name: Final = settings.name
        self._settings, self._dashboard_url = settings, dashboard_url
        self._headers = {**HEADERS, "Authorization": f"Bearer {token}"}
        self._poster = Poster(secrets=(token,))

    def send(self, telling: Telling) -> SentMessage:
        """Sends or changes the group's message; see `Channel`."""
        try:
            return self._send(telling)
        except SlackError as error:
            if error.error in _OF_THE_CHANNEL or error.error.startswith("restricted_action"):
                raise Unusable(str(error)) from error
            raise

    def _send(self, telling: Telling) -> SentMessage:
        ts = telling.message.external_id if telling.message is not None else None
        if ts is None:
            return self._first(telling)
        try:
            changed = self._write("chat.update", telling, ts=ts)
            self._add_line(telling, ts)
        except SlackError as error:
            if error.error not in _GONE:
                raise
            return self._first(telling)
        return changed

    def _first(self, telling: Telling) -> SentMessage:
        """Sends the first message of a group, or finds it if an earlier attempt was taken."""
        if telling.uncertain_since is None:
            return self._write("chat.postMessage", telling)
        try:
            found = self._sent_message(telling, telling.uncertain_since)
        except SlackError:
            # No right to read the channel (`channels:history`): then it is as with a webhook.
            repeated = replace(telling, notice=replace(telling.notice, may_be_repeat=True))
            return self._write("chat.postMessage", repeated)
        if found is None:
            return self._write("chat.postMessage", telling)
        ts, told_until = found
        later = tuple(each for each in telling.told if each.seq > told_until)
        if not later:
            return self._write("chat.update", telling, ts=ts)
        message = SentMessage(external_id=ts, text="", body={})
        return self._send(replace(telling, message=message, told=later))

    def _write(self, method: str, telling: Telling, ts: str | None = None) -> SentMessage:
        """Sends or changes a message, with less in it if Slack does not take all."""
        for without in FALLBACKS:
            drawn = slack_message(
                telling.notice,
                dashboard_url=self._dashboard_url,
                mode="bot",
                texts=self._settings.texts == "redacted",
                without=without,
            )
            # An empty list takes away the blocks that a message had.
            body = {"blocks": [], **drawn.body(), "metadata": _metadata(telling, drawn)}
            place = {"channel": self._settings.channel, **({} if ts is None else {"ts": ts})}
            try:
                answer = self._call(method, {**place, **body})
            except SlackError as error:
                if without != FALLBACKS[-1] and is_about_blocks(error.error):
                    continue
                raise
            sent_ts = answer.get("ts")
            if not isinstance(sent_ts, str):
                raise Ambiguous(f"{method}: the answer names no message")
            return SentMessage(external_id=sent_ts, text=drawn.text, body=body)
        raise AssertionError("the last fallback returns or raises")

    def _sent_message(self, telling: Telling, since: datetime) -> tuple[str, int] | None:
        """Returns id and last transition of the message that an earlier attempt made, if there is one."""
        first = telling.told[0].seq
        oldest = f"{(since - _CLOCKS_DIFFER).timestamp():.6f}"
        for message in self._messages("conversations.history", {"oldest": oldest}):
            until = _told_until(message, telling)
            if until is not None and until >= first and message.get("thread_ts") in (None, message["ts"]):
                return str(message["ts"]), until
        return None

    def _add_line(self, telling: Telling, ts: str) -> None:
        """Writes what is new in the thread, unless an earlier attempt did."""
        until = self._thread_until(telling, ts) if telling.uncertain_since is not None else 0
        told = [each for each in telling.told if each.seq > until]
        line = _line(telling, told)
        if line:
            place = {"channel": self._settings.channel, "thread_ts": ts}
            shown = {"text": line, "reply_broadcast": _is_for_the_channel(telling, told, ts)}
            wanted = {**place, **shown, "metadata": _metadata(telling), "unfurl_links": False}
            self._call("chat.postMessage", wanted)

    def _thread_until(self, telling: Telling, ts: str) -> int:
        """Returns the last transition that a line of a thread tells; 0 if there is none."""
        try:
            lines = [
                _told_until(message, telling)
                for message in self._messages("conversations.replies", {"ts": ts})
                if message["ts"] != ts
            ]
        except SlackError as error:
            if error.error in _GONE:
                raise
            # No right to read the channel. The message itself is changed: a line too few rather than twice.
            return telling.told[-1].seq
        return max((until for until in lines if until is not None), default=0)

    def _messages(self, method: str, arguments: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        cursor = ""
        for _ in range(_MOST_PAGES):
            wanted = {
                "channel": self._settings.channel,
                "include_all_metadata": "1",
                "inclusive": "1",
                "limit": str(_PAGE),
                **arguments,
                **({"cursor": cursor} if cursor else {}),
            }
            # Slack takes JSON only where something is written.
            form = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
            answer = self._answer(method, urlencode(wanted).encode(), form)
            found = answer.get("messages")
            if not isinstance(found, list):
                raise Ambiguous(f"{method}: the answer holds no messages")
            yield from (each for each in found if isinstance(each, dict) and isinstance(each.get("ts"), str))
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    def _call(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return self._answer(method, json.dumps(dict(arguments)).encode(), self._headers)

    def _answer(self, method: str, content: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """Calls a method of Slack's API.

        Raises:
            SlackError: The answer is an error that no repetition changes.
        """
        answer = self._poster.post(f"{self._settings.url}/{method}", content, headers).json()
        if answer.get("ok") is True:
            return answer
        error = str(answer.get("error"))
        if not _WORD.fullmatch(error):
            raise Ambiguous(f"{method}: the answer is neither yes nor no")
        if error in _NOT_NOW:
            raise Later(f"{method}: {error}")
        if error in _MAY_BE_TAKEN:
            raise Ambiguous(f"{method}: {error}")
        raise SlackError(method, error)


def _metadata(telling: Telling, drawn: SlackMessage | None = None) -> dict[str, Any]:
    given = dict(drawn.metadata or {}) if drawn is not None else {}
    payload = {**given.get("event_payload", {}), **_key(telling), "transition": telling.told[-1].seq}
    return {"event_type": _EVENT_TYPE, "event_payload": payload}


def _key(telling: Telling) -> dict[str, Any]:
    return {"group": telling.notice.group[:_LONGEST_GROUP]}


def _told_until(message: Mapping[str, Any], telling: Telling) -> int | None:
    """Returns the last transition that a message of ours tells, if it is one and of this group."""
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
    if not isinstance(payload, dict) or {**payload, **_key(telling)} != payload:
        return None
    until = payload.get("transition")
    return until if isinstance(until, int) else None


def _line(telling: Telling, told: Sequence[Transition]) -> str:
    """Returns what is new, as the text of a line in the thread; empty if the changed message says it all."""
    latest = {each.fingerprint: each for each in told if each.kind not in _SILENT}
    shown = sorted(latest.values(), key=lambda each: each.seq)[:_MOST_LINES]
    lines = [slack_thread_line(replace(telling.notice, history=(each,))) for each in shown]
    if len(latest) > len(shown):
        lines.append(f"and {len(latest) - len(shown)} more")
    return "\n".join(lines)


def _is_for_the_channel(telling: Telling, told: Sequence[Transition], ts: str) -> bool:
    """True for what people must hear of: a changed message and a line in its thread notify nobody.

    That something joins what fires is such news only where the message is old, or of a rollout.
    """
    return any(
        each.kind in ("notice", "repeat")
        or (each.severity == "page" and (each.kind == "severity" or each.to_state == "firing"))
        or (
            (each.kind, each.to_state) == ("state", "firing")
            and (telling.notice.cause.kind == "rollout" or each.at.timestamp() - float(ts) > _OLD_S)
        )
        for each in told
    )
