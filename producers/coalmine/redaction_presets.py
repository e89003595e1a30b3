"""`redact="standard"`: masks what patterns recognise, for services without a hook of their own.

Every pattern has bounded repeats, or repeats that never give back what they took, so that the time grows in
proportion to the text. docs/security.md says what was found in labelled texts, and what is missed.
"""

import re
from ipaddress import IPv6Address
from itertools import accumulate
from typing import Final

from coalmine_schemas.check_digits import luhn_sums, mod_97

_NAMES: Final = frozenset(
    {"prompt", "label", "variant", "experiment", "name", "scorer", "error_type", "trace_id"}
)
"""Fields that the service names itself."""
_IDENTIFIERS: Final = frozenset({"unit_id", "session_id"})

_CARD_DIGITS: Final = range(13, 20)
_IBAN_LENGTHS: Final = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "NL"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "LT", "LU"), 20),
    **dict.fromkeys(("CH", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "BH", "CR", "DE", "GB", "GE", "IE", "ME", "RS"), 22),
    **dict.fromkeys(("AE", "GI", "IL"), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN"), 24),
    **dict.fromkeys(("PT",), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("FR", "GR", "IT", "MC", "SM"), 27),
    **dict.fromkeys(("AL", "AZ", "CY", "DO", "GT", "HU", "LB", "PL"), 28),
    **dict.fromkeys(("BR", "PS", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU", "QA"), 30),
    **dict.fromkeys(("MT",), 31),
}
"""Characters of an IBAN by country (ISO 13616)."""

_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY-----"
    r"(?:[^-]|-(?!----))*+(?:-----END [A-Z0-9 ]{1,60}-----)?"
)
_TOKEN: Final = re.compile(
    r"(?<![\w-])(?:"
    r"(?:sk|pk|rk)[-_][\w-]{16,}+|gh[pousr]_\w{20,}+|github_pat_\w{20,}+|glpat-[\w-]{16,}+"
    r"|xox[abeoprs]-[\w-]{10,}+|xapp-[\w-]{10,}+|(?:AKIA|ASIA)[0-9A-Z]{16}(?!\w)|AIza[\w-]{30,}+"
    r"|hf_\w{20,}+|npm_\w{20,}+|eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+)?"
    r")"
)
_BEARER: Final = re.compile(r"(?i:\bbearer )[\w.~+/=-]{12,}+")
_ASSIGNED: Final = re.compile(
    r"(?i:\b(?:password|passwort|passwd|pwd|secret|api[_ -]?key|(?:access|auth)[_ -]?token)[\"']?"
    r"\s{0,3}(?:is\b|ist\b|[:=])\s{0,3}[\"']?)(?=[^\s\"',;]{0,100}\d)[^\s\"',;]{6,}+"
)
_URL_USER: Final = re.compile(r"(?<=://)[^\s/@:]{0,100}:[^\s/@]{1,200}(?=@)")
# Begins at a character that cannot precede itself, so that no text is looked at from many starts.
_EMAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_IBAN: Final = re.compile(r"(?<!\w)[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_DIGITS: Final = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,63}+")
_IPV4: Final = re.compile(
    r"(?<![\w.])(?:25[0-5]|2[0-4]\d|1?\d{1,2})(?:\.(?:25[0-5]|2[0-4]\d|1?\d{1,2})){3}(?!\.?\w)"
)
_IPV6: Final = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{4,39}(?![\w:])")
_PHONES: Final = (
    re.compile(r"(?<![\w+])(?:\+|00)[1-9](?:[ ()./-]{0,2}\d){7,14}(?!\d)"),
    re.compile(r"(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![\w-])"),
    re.compile(r"(?<![\w.,/-])\(?0\d{2,4}\)?[ /-]{1,3}\d{2,4}(?:[ -]?\d{2,4}){1,3}(?![\d-])"),
    re.compile(r"(?<![\w.,/-])0\d(?:[ .-]\d{2}){4}(?![\d-])"),
    re.compile(
        r"(?i:(?<!\w)(?:tel|phone|telephone|telefon|mobile|cell|handy)\b(?: number| is|[.:]){0,3} {0,2})"
        r"\(?\d(?:[ ()./-]{0,2}\d){5,14}(?!\d)"
    ),
)
_STREETS: Final = (
    re.compile(
        r"(?<![\w.])\d{1,5}[A-Za-z]? (?:[A-Z][\w'.-]{0,30} ){1,3}"
        r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Boulevard|Blvd|Court|Square|Terrace)\b\.?"
    ),
    re.compile(
        r"(?<!\w)[^\W\d_a-z][\w-]{0,40}(?:straße|strasse|str\.|weg|gasse|allee|platz|ring|damm|ufer)"
        r" \d{1,4} ?[a-z]?\b"
    ),
)


class StandardRedaction:
    """The hook of `redact="standard"`.

    In texts, segments, metadata and parameters, what it recognises becomes a tag such as `[email]`. A unit or
    session that holds an e-mail address, phone number, IBAN or secret is dropped, since a tag would make one
    unit of many people. Names that the service gives (prompt, experiment, scorer) stay.

    Args:
        hashed: Identifiers of units and sessions are hashed afterwards, so they stay as they are.
    """

    def __init__(self, *, hashed: bool = False) -> None:
        self._hashed = hashed

    def __call__(self, text: str, field: str) -> str | None:
        """What may be kept of the text."""
        if field in _NAMES:
            return text
        if field in _IDENTIFIERS:
            # No cards: one in ten numbers has the check digit of one.
            return text if self._hashed or _without(text, cards=False) == text else None
        return _without(text, cards=True)


def _without(text: str, *, cards: bool) -> str:
    for secret in (_PRIVATE_KEY, _TOKEN, _BEARER, _ASSIGNED, _URL_USER):
        text = secret.sub("[secret]", text)
    if "@" in text:
        text = _EMAIL.sub("[email]", text)
    text = _IBAN.sub(lambda found: _iban_masked(found[0]), text)
    if cards:
        text = _DIGITS.sub(lambda found: _cards_masked(found[0]), text)
        text = _IPV4.sub("[ip]", text)
        text = _IPV6.sub(lambda found: "[ip]" if _is_ipv6(found[0]) else found[0], text)
        for street in _STREETS:
            text = street.sub("[street]", text)
    for phone in _PHONES:
        text = phone.sub("[phone]", text)
    return text


def _iban_masked(found: str) -> str:
    """Masks the IBAN that the text begins with; what follows it may have been taken for a part of it."""
    length = _IBAN_LENGTHS.get(found[:2].upper())
    counts = accumulate(each.isalnum() for each in found)
    end = next((place for place, count in enumerate(counts, 1) if count == length), None)
    if end is None or found[end : end + 1].isalnum():
        return found
    packed = re.sub("[ -]", "", found[:end]).upper()
    return f"[iban]{found[end:]}" if mod_97(packed) else found


def _cards_masked(found: str) -> str:
    """Masks the cards among groups of digits; other numbers may stand before and after them."""
    groups = re.split("([ -])", found)
    digits = [int(each) for each in "".join(groups[::2])]
    bounds = [0, *accumulate(map(len, groups[::2]))]
    sums = luhn_sums(digits)
    masked, first = [], 0
    while first < len(bounds) - 1:
        last = _end_of_card(first, bounds, digits, sums)
        masked.append(groups[2 * first] if last is None else "[card]")
        first = last or first + 1
        masked += groups[2 * first - 1 : 2 * first]
    return "".join(masked)


def _end_of_card(
    first: int, bounds: list[int], digits: list[int], sums: tuple[list[int], list[int]]
) -> int | None:
    """Where the longest card ends that begins with a group; None if none does.

    A card has Luhn's check digit, a length of one, and the first digit of a network.
    """
    begin = bounds[first]
    if digits[begin] in range(2, 7):
        for last in range(min(len(bounds) - 1, first + _CARD_DIGITS[-1]), first, -1):
            end = bounds[last]
            if end - begin < _CARD_DIGITS[0]:
                break
            if end - begin in _CARD_DIGITS:
                of_end = sums[end % 2]
                if (of_end[end] - of_end[begin]) % 10 == 0:
                    return last
    return None


def _is_ipv6(found: str) -> bool:
    try:
        IPv6Address(found)
    except ValueError:
        return False
    return True
