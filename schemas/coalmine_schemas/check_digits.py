"""Check digits of numbers that belong to people, for whatever masks or forbids them."""


def luhn(digits: str) -> bool:
    """True if the last digit is the one that Luhn's check gives (ISO/IEC 7812-1, annex B).

    Args:
        digits: Decimal digits and nothing else.
    """
    doubled = (sum(divmod(2 * int(each), 10)) for each in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def mod_97(iban: str) -> bool:
    """True if an account number has the check digits of ISO 13616.

    Args:
        iban: Letters and digits in upper case, without spaces.
    """
    return int("".join(str(int(each, 36)) for each in iban[4:] + iban[:4])) % 97 == 1
