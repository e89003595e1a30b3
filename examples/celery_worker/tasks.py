"""Tasks that ask a model: the client is made once, before Celery forks its pool, and works in every child."""

import os
from pathlib import Path
from typing import Any

from celery import Celery
from openai import APIConnectionError, OpenAI, RateLimitError

from coalmine import Coalmine
from coalmine.integrations import using
from coalmine.integrations.openai import instrument

FOLDER = Path(__file__).parent / "broker"
"""Stands in for Redis or RabbitMQ, so that the example runs with nothing else installed."""

app = Celery(
    "tasks",
    broker=os.environ.get("CELERY_BROKER_URL", "filesystem://"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", f"file://{FOLDER / 'results'}"),
)
if app.conf.broker_url == "filesystem://":
    for name in ("queue", "control", "results"):
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
    app.conf.update(
        broker_transport_options={
            "data_folder_in": str(FOLDER / "queue"),
            "data_folder_out": str(FOLDER / "queue"),
            "control_folder": str(FOLDER / "control"),
        }
    )

cm = Coalmine.from_env(app="summaries")
model: Any = instrument(OpenAI())  # not used before the fork, so no child shares a connection with another


@app.task(autoretry_for=(APIConnectionError, RateLimitError), retry_backoff=True, max_retries=3)  # type: ignore[untyped-decorator]
def summarize(text: str, user_id: str) -> dict[str, str]:
    """Summarizes a customer's message, by the version that this user is served.

    Returns:
        The `summary`, and the `request_id` of its call for feedback that comes later.
    """
    prompt = cm.prompt("summarize", unit_id=user_id)
    with using(prompt.call) as request_ids:
        reply = model.chat.completions.create(
            model=prompt.model or "gpt-4o-mini",
            messages=prompt.messages(text=text),
            **prompt.parameters,
        )
    summary = reply.choices[0].message.content or ""
    request_id = request_ids[-1]
    cm.score(request_id, "length_ratio", len(summary) / max(len(text), 1), source="heuristic")
    return {"summary": summary, "request_id": request_id}
