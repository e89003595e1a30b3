"""What can go wrong when a message is sent, as classes that answer what the outbox should do.

::

    Transient
    ├── Later        it was certainly not taken: try again
    │   └── Unusable the channel takes nothing until a person mends it: tell the others at once
    └── Ambiguous    it may have been taken: look it up, or say that it may be a repeat
    Terminal
    └── Refused      it will never be taken: park it, and tell the other channels

No text of theirs holds a secret: a webhook's URL is one.
"""

from coalmine_schemas.errors import Terminal, Transient


class Later(Transient):
    """The channel did not take the message, and may take it later.

    Args:
        reason: Why.
        retry_after_s: How long the channel wants no message at all; None: it did not say.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason, retry_after_s)
        self.reason = reason
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.reason


class Unusable(Later):
    """The channel takes no message, whatever is in it: its token was revoked, or it is gone."""


class Ambiguous(Transient):
    """Nobody can say whether the channel took the message: the connection broke, or the answer is garbage."""


class Refused(Terminal):
    """The channel will not take this message, however often it is sent."""
