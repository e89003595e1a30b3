"""Which feedback counts: a unit's last word on a request, of thumb and rating each the last one given."""

from coalmine_consumers.sql import statement


def last_words(said: str) -> str:
    """The query for the last words in a relation of feedback (see `sql/last_words.sql`)."""
    return statement("last_words", __package__).format(said=said)
