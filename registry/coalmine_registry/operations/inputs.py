"""Refuses what no book can hold, before anything is written."""

import re
from collections.abc import Sequence
from typing import Final

from coalmine_registry.errors import Invalid, NotFound, StaleRevision
from coalmine_registry.records import ENVIRONMENTS, Evidence

LONGEST_PAGE: Final = 500
_LONGEST_NOTE: Final = 4000
_MOST_EVIDENCE: Final = 50
_KIND: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_REQUIRED: Final = re.compile(rf"[a-z][a-z0-9_-]{{0,63}}|served_in:(?:{'|'.join(ENVIRONMENTS)})")
_LARGEST_REVISION: Final = 2**53


def environment_name(environment: object) -> str:
    """The environment, if there is one of that name.

    Raises:
        NotFound: There is none.
    """
    if environment in ENVIRONMENTS:
        return str(environment)
    shown = f"{environment:.40}" if isinstance(environment, str) else type(environment).__name__
    raise NotFound(f"there is no environment {shown!r}: there are {', '.join(ENVIRONMENTS)}")


def storable(field: str, value: object, longest: int = _LONGEST_NOTE) -> str:
    """A text that both databases can hold.

    Raises:
        Invalid: It is no text, too long, or holds what UTF-8 or PostgreSQL cannot say.
    """
    if not isinstance(value, str):
        raise Invalid(field, value, "give a text")
    if len(value) > longest:
        raise Invalid(field, value, f"give at most {longest} characters")
    if "\0" in value or not _is_unicode(value):
        raise Invalid(field, value, "leave out zero bytes and halves of surrogate pairs")
    return value


def matches(pattern: re.Pattern[str], value: object) -> bool:
    """Whether something is a text that a pattern matches as a whole."""
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def is_storable(value: object) -> bool:
    """Whether a text can stand in a book at all; what cannot need not be looked for."""
    return isinstance(value, str) and "\0" not in value and _is_unicode(value)


def reason_given(reason: object) -> str | None:
    """A reason, or None where it is empty.

    Raises:
        Invalid: It is no text that can be kept.
    """
    return None if reason is None else (storable("reason", reason).strip() or None)


def page_limit(limit: object) -> int:
    """How many rows a page holds.

    Raises:
        Invalid: Too few or too many.
    """
    if isinstance(limit, int) and not isinstance(limit, bool) and 1 <= limit <= LONGEST_PAGE:
        return limit
    raise Invalid("limit", limit, f"give 1 to {LONGEST_PAGE}")


def number_cursor(cursor: str | None) -> int | None:
    """A cursor that is a number.

    Raises:
        Invalid: It is none.
    """
    if cursor is None:
        return None
    if re.fullmatch(r"[0-9]{1,15}", cursor):
        return int(cursor)
    raise Invalid("cursor", cursor, "give the `next_cursor` of the page before")


def text_cursor(cursor: str | None) -> str | None:
    """A cursor that is a name or an id.

    Raises:
        Invalid: It is none.
    """
    if cursor is None or re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", cursor):
        return cursor
    raise Invalid("cursor", cursor, "give the `next_cursor` of the page before")


def check_revision(what: str, expected: object, actual: int) -> None:
    """Refuses a change that was decided on an older state.

    Args:
        what: What is to be changed.
        expected: Revision the caller has seen; None for a caller who does not mind.
        actual: Revision it has.

    Raises:
        StaleRevision: They differ.
        Invalid: `expected` is no revision.
    """
    if expected is None:
        return
    if not isinstance(expected, int) or isinstance(expected, bool) or not 0 <= expected <= _LARGEST_REVISION:
        raise Invalid("expected_revision", expected, "give the revision you have seen, 0 for none yet")
    if expected != actual:
        raise StaleRevision(what, expected, actual)


def evidence_given(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Evidence that can be kept.

    Raises:
        Invalid: Some cannot.
    """
    if len(evidence) > _MOST_EVIDENCE:
        raise Invalid("evidence", f"a list of {len(evidence)}", f"give at most {_MOST_EVIDENCE}")
    for place, each in enumerate(evidence):
        if not matches(_KIND, each.kind):
            raise Invalid(f"evidence[{place}].kind", each.kind, "give a word in lower case, e.g. eval_run")
        if not storable(f"evidence[{place}].reference", each.reference):
            raise Invalid(f"evidence[{place}].reference", each.reference, "say where it is found")
        storable(f"evidence[{place}].summary", each.summary)
    return tuple(evidence)


def required_evidence(kinds: Sequence[str]) -> tuple[str, ...]:
    """Kinds of evidence a policy may ask for, each once.

    Raises:
        Invalid: One is none.
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
        found[plain] = None
    return tuple(found)


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
