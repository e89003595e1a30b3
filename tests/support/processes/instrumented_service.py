"""A service without our client: an official instrumentation of OpenAI's package, and an OTLP exporter.

`python instrumented_service.py INSTRUMENTATION ENDPOINT TOKEN` asks a model in each style and writes the
request id of each as JSON. It names its prompt as the documentation says: by baggage that becomes attributes.
"""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

import openai
from opentelemetry import baggage, context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.processor.baggage import BaggageSpanProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from coalmine_schemas.identifiers import uuid7
from tests.support.data.replies import OPENAI_CHAT, OPENAI_CHAT_STREAM, OPENAI_EMBEDDINGS, OPENAI_RESPONSE
from tests.support.servers.llm import Asked, Reply, llm_server

QUESTION: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


MODULES = {
    "genai": "opentelemetry.instrumentation.genai.openai",
    "openllmetry": "opentelemetry.instrumentation.openai",
    "openinference": "openinference.instrumentation.openai",
}


def answer(asked: Asked) -> Reply:
    """What the model's API says; a temperature above 2 is the status it fails with."""
    status = int(asked.body.get("temperature") or 200)
    if status != 200:
        return Reply({"error": {"message": "no", "type": "x"}}, status=status)
    if asked.body.get("stream"):
        return Reply("", pieces=(*map(json.dumps, OPENAI_CHAT_STREAM), "[DONE]"))
    if asked.path.endswith("/embeddings"):
        return Reply(OPENAI_EMBEDDINGS)
    return Reply(OPENAI_RESPONSE if asked.path.endswith("/responses") else OPENAI_CHAT)


def instrument(name: str, provider: TracerProvider) -> None:
    """Switches an instrumentation on."""
    import_module(MODULES[name]).OpenAIInstrumentor().instrument(tracer_provider=provider)


def main(name: str, endpoint: str, token: str) -> None:
    """Asks, exports, and writes which requests these were."""
    provider = TracerProvider(resource=Resource.create({"service.name": f"{name}-service"}))
    provider.add_span_processor(
        BaggageSpanProcessor(lambda key: key.startswith(("gen_ai.prompt.", "coalmine.")))
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, headers={"Authorization": f"Bearer {token}"})
    provider.add_span_processor(BatchSpanProcessor(exporter))
    instrument(name, provider)
    asked: dict[str, str] = {}
    with llm_server(answer) as model:
        client = openai.OpenAI(base_url=model.url, api_key="x", max_retries=0)
        chat: Any = client.chat.completions.create
        usage = {"include_usage": True}

        def closed() -> None:
            stream = chat(**QUESTION, stream=True)
            next(iter(stream))
            stream.close()

        styles: dict[str, Callable[[], object]] = {
            "chat": lambda: chat(**QUESTION),
            "stream": lambda: list(chat(**QUESTION, stream=True, stream_options=usage)),
            "closed": closed,
            "too_many": lambda: chat(**QUESTION, temperature=429),
            "bad": lambda: chat(**QUESTION, temperature=400),
            "broken": lambda: chat(**QUESTION, temperature=500),
            "responses": lambda: client.responses.create(model="gpt-4.1", input="hi"),
            "embeddings": lambda: client.embeddings.create(model="text-embedding-3-small", input="hi"),
        }
        for style, ask in styles.items():
            asked[style] = uuid7()
            told = baggage.set_baggage("gen_ai.prompt.name", "support-refund")
            told = baggage.set_baggage("gen_ai.prompt.version", "1.2.0", told)
            told = baggage.set_baggage("coalmine.request_id", asked[style], told)
            before = context.attach(told)
            try:
                ask()
            except openai.APIStatusError:
                pass
            finally:
                context.detach(before)
        client.close()
    provider.shutdown()
    sys.stdout.write(json.dumps(asked))


if __name__ == "__main__":
    main(*sys.argv[1:])
