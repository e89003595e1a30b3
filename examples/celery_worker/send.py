"""Sends some messages to the worker and prints what comes back, as lines of JSON."""

import json
import sys

from tasks import summarize  # type: ignore[import-not-found] # beside this file

MESSAGES = (
    "My parcel came on Tuesday, and the box was open. I would like half of the postage back.",
    "How long do I have to send the shoes back? I am away for three weeks.",
    "The code that you sent me does not work. I have tried it twice, on the phone and on the computer.",
    "Thank you, all fine. You may close the ticket.",
)


def main(count: int) -> None:
    """Sends so many, of five users by turns."""
    sent = [summarize.delay(MESSAGES[each % len(MESSAGES)], f"user-{each % 5}") for each in range(count)]
    for result in sent:
        sys.stdout.write(json.dumps(result.get(timeout=120)) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
