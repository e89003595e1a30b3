"""Credit for a quantity that should lie in a range."""

from coalmine_schemas.prompts.errors import InvalidPrompt


def credit(found: float, least: float, most: float | None, *, partial: bool) -> float:
    """1 within the range; outside, if `partial`, how near it is: twice too many are worth a half."""
    if found < least:
        return found / least if partial else 0.0
    if most is not None and found > most:
        return most / found if partial else 0.0
    return 1.0


def check_range(least: float, most: float | None, names: tuple[str, str]) -> None:
    """Rejects a range that nothing lies in.

    Raises:
        InvalidPrompt: It is one.
    """
    if least < 0:
        raise InvalidPrompt(names[0], least, "give 0 or more")
    if most is not None and most < least:
        raise InvalidPrompt(names[1], most, f"give at least {names[0]}, which is {least}")
