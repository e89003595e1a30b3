"""Checks of arguments, before anything is written."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from coalmine_registry.errors import Invalid, NotFound, StaleRevision
from coalmine_registry.provenance import VersionSource, without_secrets
from coalmine_registry.records import ENVIRONMENTS, Evidence
from coalmine_schemas.errors import nearest
from coalmine_schemas.safe_text import masked, printable

_LONGEST_NOTE: Final = 4000
_MOST_EVIDENCE: Final = 20
_LONGEST_REFERENCE: Final = 500
_LONGEST_SUMMARY: Final = 2000
NOTE: Final = "note"
"""The kind of evidence that is free text, for people."""
OF_EXPERIMENTS: Final = ("experiment", "readout")
"""Kinds of evidence whose reference is the name of an experiment."""
_KIND: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_REQUIRED: Final = re.compile(rf"[a-z][a-z0-9_-]{{0,63}}|served_in:(?:{'|'.join(ENVIRONMENTS)})")
_LARGEST_REVISION: Final = 2**53
_MOST_DAYS: Final = 3650


def environment_name(environment: object) -> str:
    """Returns the name of an environment.

    Raises:
        NotFound: No environment has that name.
    """
    if environment in ENVIRONMENTS:
        return str(environment)
    shown = f"{environment:.40}" if isinstance(environment, str) else type(environment).__name__
    near = nearest(shown, ENVIRONMENTS)
    hint = f"did you mean {near}? " if near else ""
    raise NotFound(f"no environment {shown!r}: {hint}there are {', '.join(ENVIRONMENTS)}")


def storable(field: str, value: object, longest: int = _LONGEST_NOTE) -> str:
    """Returns a text that both databases can hold.

    Raises:
        Invalid: It is not a text, is too long, or has characters that UTF-8 or PostgreSQL cannot hold.
    """
    if not isinstance(value, str):
        raise Invalid(field, value, "give a text")
    if len(value) > longest:
        raise Invalid(field, value, f"give at most {longest} characters")
    if "\0" in value or not _is_unicode(value):
        raise Invalid(field, value, "leave out zero bytes and halves of surrogate pairs")
    return value


def name_given(field: str, value: object, longest: int) -> str:
    """Returns a name that people can tell from others.

    Raises:
        Invalid: It is empty or cannot be stored, or has characters that are not seen where it is shown.
    """
    name = storable(field, value, longest)
    if not name.strip():
        raise Invalid(field, name, "give a name")
    if printable(name, lines=False) != name:
        raise Invalid(field, name, "leave out control characters and invisible ones")
    return name


def matches(pattern: re.Pattern[str], value: object) -> bool:
    """Returns True if something is a text that a pattern matches as a whole."""
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def is_storable(value: object) -> bool:
    """Returns True if a database can hold the text; what it cannot hold need not be looked for."""
    return isinstance(value, str) and "\0" not in value and _is_unicode(value)


def reason_given(reason: object) -> str | None:
    """Returns a reason, or None if it is empty.

    Raises:
        Invalid: It is not a text that can be stored.
    """
    return None if reason is None else (storable("reason", reason).strip() or None)


def moment(field: str, value: object) -> datetime:
    """Returns a time that has a time zone, in UTC.

    Raises:
        Invalid: It has none, or is no time.
    """
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise Invalid(field, value, "give a time with its time zone")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise Invalid(field, value.isoformat(), "give a time between the years 1 and 9999") from None


def check_revision(what: str, expected: object, actual: int) -> None:
    """Checks that the caller has seen the current state.

    Args:
        what: Name of what is to be changed.
        expected: Revision the caller has seen; None to change any.
        actual: Current revision.

    Raises:
        StaleRevision: They differ.
        Invalid: `expected` is not a revision.
    """
    if expected is None:
        return
    if not isinstance(expected, int) or isinstance(expected, bool) or not 0 <= expected <= _LARGEST_REVISION:
        raise Invalid(
            "expected_revision", expected, "give the revision you have seen; 0 if there is none yet"
        )
    if expected != actual:
        raise StaleRevision(what, expected, actual)


def evidence_given(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Returns evidence that can be stored.

    Raises:
        Invalid: Some of it cannot be stored.
    """
    if len(evidence) > _MOST_EVIDENCE:
        raise Invalid("evidence", f"a list of {len(evidence)}", f"give at most {_MOST_EVIDENCE}")
    for place, each in enumerate(evidence):
        if not matches(_KIND, each.kind):
            raise Invalid(f"evidence[{place}].kind", each.kind, "give a word in lower case, e.g. eval_run")
        if not storable(f"evidence[{place}].reference", each.reference, _LONGEST_REFERENCE):
            raise Invalid(f"evidence[{place}].reference", each.reference, "give an id or a URL")
        summary_given(f"evidence[{place}].summary", each.summary)
    return tuple(evidence)


def source_given(source: VersionSource | None) -> dict[str, str | None] | None:
    """Returns a source as it is stored, without secrets in its addresses; None if it says nothing.

    Raises:
        Invalid: Some of it cannot be stored.
    """
    if source is None:
        return None
    found: dict[str, str | None] = {}
    for field, value in asdict(source).items():
        if isinstance(value, str) and field in ("repository", "pull_request"):
            value = without_secrets(value) or None  # noqa: PLW2901 - first: an error repeats the value
        found[field] = None if value is None else name_given(f"source.{field}", value, _LONGEST_REFERENCE)
    return found if any(found.values()) else None


def summary_given(field: str, value: object) -> str:
    """Returns what evidence says, for people.

    Raises:
        Invalid: It cannot be stored.
    """
    return storable(field, value, _LONGEST_SUMMARY)


def kind_to_record(kind: str) -> str:
    """Returns a kind of evidence that can be recorded.

    Raises:
        Invalid: It is not a kind, or one that is not recorded.
    """
    if not matches(_KIND, kind) or kind in (NOTE, *OF_EXPERIMENTS):
        raise Invalid(
            "kind", kind, "give a word in lower case, e.g. eval_run; notes and experiments are not recorded"
        )
    return kind


def web_address(field: str, value: object) -> str:
    """Returns an http or https address without user and password.

    Raises:
        Invalid: It is none.
    """
    storable(
        field, masked(value) if isinstance(value, str) else value, _LONGEST_REFERENCE
    )  # errors repeat it
    text = str(value)
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or printable(text, lines=False) != text:
        raise Invalid(field, text, "give an http or https address")
    if parts.username is not None or parts.password is not None:
        raise Invalid(field, f"{parts.scheme}://...@{parts.hostname}", "leave out user and password")
    return text


def required_evidence(kinds: Sequence[str]) -> tuple[str, ...]:
    """Returns the kinds of evidence of a policy, each once.

    Raises:
        Invalid: One is not a kind of evidence.
    """
    if len(kinds) > _MOST_EVIDENCE:
        raise Invalid("required_evidence", f"a list of {len(kinds)}", f"give at most {_MOST_EVIDENCE}")
    found: dict[str, None] = {}
    for place, kind in enumerate(kinds):
        plain = storable(f"required_evidence[{place}]", kind).replace(" ", "")
        if not matches(_REQUIRED, plain):
            raise Invalid(
                f"required_evidence[{place}]",
                kind,
                "give a word in lower case, e.g. eval_run, or served_in:ENVIRONMENT",
            )
        if plain == NOTE:
            raise Invalid(
                f"required_evidence[{place}]",
                kind,
                "a note is any text and proves nothing: require something that is checked, e.g. eval_run",
            )
        found[plain] = None
    return tuple(found)


def days_given(field: str, days: object) -> int | None:
    """Returns a number of days; None stands for no limit.

    Raises:
        Invalid: It is none.
    """
    if days is None:
        return None
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= _MOST_DAYS:
        raise Invalid(field, days, f"give a number of days from 1 to {_MOST_DAYS}, or null for no limit")
    return days


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
