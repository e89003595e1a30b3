"""A week of calls to ask about: two versions side by side, two models, three tiers of users.

With your own data leave this out. Version 1.1.0 adds instructions, 300 tokens to read, and asks for short
answers. gpt-4o follows, and writes half as much; gpt-4o-mini does not. So 1.1.0 is cheaper by one model and
dearer by the other, and an average over both hides that.
"""

import math
import random
from datetime import UTC, datetime, timedelta

from coalmine import Coalmine, PromptRequest

USERS = 1_500
CALLS = 9_000
TIERS = ("enterprise", "pro", "free")
INPUT_TOKENS = {"1.0.0": 700, "1.1.0": 1_000}
OUTPUT_TOKENS = {
    ("1.0.0", "gpt-4o"): 400,
    ("1.1.0", "gpt-4o"): 200,
    ("1.0.0", "gpt-4o-mini"): 400,
    ("1.1.0", "gpt-4o-mini"): 400,
}


def main() -> None:
    """Sends the calls; the same ones, at other times, whenever it is run."""
    rng = random.Random(7)
    now = datetime.now(UTC)
    # Some write long letters and some short ones: calls of one user resemble each other.
    length = [rng.lognormvariate(0, 0.3) for _ in range(USERS)]
    with Coalmine(app="support-bot", on_full="wait") as cm:
        for _ in range(CALLS):
            user = min(int(USERS * rng.random() ** 1.5), USERS - 1)
            version = "1.1.0" if user % 2 else "1.0.0"
            model = "gpt-4o" if user % 5 < 2 else "gpt-4o-mini"
            written = OUTPUT_TOKENS[version, model] * length[user] * rng.lognormvariate(0, 0.3)
            cm.emit_request(
                PromptRequest(
                    event_time=now - timedelta(days=7 * rng.random() * 0.99),
                    app="support-bot",
                    environment="prod",
                    prompt="support-refund",
                    version=version,
                    unit_id=f"user-{user}",
                    provider="openai",
                    request_model=model,
                    response_model=model,
                    input_tokens=INPUT_TOKENS[version] + int(rng.lognormvariate(math.log(100), 0.5)),
                    output_tokens=max(int(written), 1),
                    latency_ms=500 + 8 * written,
                    segments={"tier": TIERS[user % 3]},
                    outcome="ok",
                )
            )


if __name__ == "__main__":
    main()
