"""Takes out of a text by which a person could be known, before it goes to where more people see it.

Services redact what they send; this is the second look, at the time of sending. It knows patterns, not
meanings: a name in a sentence stays.
"""

import re
from typing import Final

from coalmine_schemas.safe_text import masked

MASK: Final = "█████"

# Each begins at a character that cannot precede itself, so that none is looked at from many starts.
_EMAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_QUERY: Final = re.compile(r"(?<=[\w/])\?[^\s\"'<>]{1,2000}=[^\s\"'<>]*+")
_SECRET: Final = re.compile(
    r"(?<![\w-])(?:sk|pk|rk|ghp|gho|ghs|glpat|xox[abeps]|xapp|AKIA|ASIA|AIza|eyJ)[\w.+/=-]{12,}+"
)
_IBAN: Final = re.compile(r"(?<!\w)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?!\w)")
_ADDRESS: Final = re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w.])")
# Phone numbers, cards, orders: five digits or more, with what people write between them.
_NUMBER: Final = re.compile(r"(?<![\d])\d{2}(?:[ ()/.-]{0,2}\d){3,}+")


def redact(text: str) -> str:
    """Masks addresses of e-mail and machines, secrets, accounts, and long numbers but for two digits."""
    text = masked(text)
    for pattern in (_SECRET, _EMAIL, _IBAN, _ADDRESS):
        text = pattern.sub(MASK, text)
    text = _QUERY.sub(f"?{MASK}", text)
    return _NUMBER.sub(lambda found: found[0][:2] + MASK, text)
