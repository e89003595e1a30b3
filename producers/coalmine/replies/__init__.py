"""Facts out of providers' replies, by their shape."""

from coalmine.replies.facts import ReplyFacts
from coalmine.replies.reader import is_first_token, merge, read_reply
from coalmine.replies.usage import BilledUsage, billed_usage

__all__ = ["BilledUsage", "ReplyFacts", "billed_usage", "is_first_token", "merge", "read_reply"]
