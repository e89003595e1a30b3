"""Facts out of providers' replies, by their shape."""

from coalmine.replies.facts import ReplyFacts
from coalmine.replies.reader import is_first_token, merge, read_reply, with_arguments

__all__ = ["ReplyFacts", "is_first_token", "merge", "read_reply", "with_arguments"]
