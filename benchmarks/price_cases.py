# ruff: noqa: E501 - a case is a table's row
"""Calls whose cost is known from published prices, with usages as providers and gateways send them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Reply = dict[str, Any]

PUBLISHED = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""When the calls were made, unless a case says otherwise: prices change."""


@dataclass(frozen=True, slots=True)
class PriceCase:
    """One call."""

    name: str
    model: str
    """As the service asks for it."""
    replies: Sequence[Reply]
    """What `record` is given: one reply, or the pieces of a stream."""
    billed: Sequence[tuple[float, str]] = ()
    """Tokens and what a million of them costs in US dollars, as the provider publishes it."""
    provider: str | None = None
    also_usd: str = "0"
    """What is billed in addition: searches, or the whole of a cost that a gateway states."""
    at: datetime = field(default=PUBLISHED)

    @property
    def nano_usd(self) -> int:
        """What the call costs."""
        tokens = sum(Decimal(str(count)) * Decimal(price) * 1000 for count, price in self.billed)
        return int(tokens + Decimal(self.also_usd) * 10**9)


def _chat(model: str, usage: Reply, **fields: object) -> list[Reply]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
    return [{"object": "chat.completion", "model": model, "choices": [choice], "usage": usage, **fields}]


def _response(model: str, usage: Reply, **fields: object) -> list[Reply]:
    reply = {"object": "response", "status": "completed", "model": model, "output": [], "usage": usage}
    return [{**reply, **fields}]


def _message(model: str, usage: Reply) -> list[Reply]:
    return [{"type": "message", "model": model, "content": [], "stop_reason": "end_turn", "usage": usage}]


def _tokens(prompt: int, completion: int, inputs: Reply | None = None, outputs: Reply | None = None) -> Reply:
    usage: Reply = {"prompt_tokens": prompt, "completion_tokens": completion}
    usage["total_tokens"] = prompt + completion
    usage |= {"prompt_tokens_details": inputs} if inputs else {}
    return usage | ({"completion_tokens_details": outputs} if outputs else {})


def _claude(fresh: int, output: int, read: int = 0, short: int = 0, long: int = 0, **more: object) -> Reply:
    return {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": short + long,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": output,
        "service_tier": "standard",
        **more,
    }


_CLAUDE_BY_LITELLM = {
    **_tokens(20000, 500),
    "cache_creation_input_tokens": 19000,
    "cache_read_input_tokens": 0,
}
_GEMINI = {
    "promptTokenCount": 1300,
    "candidatesTokenCount": 80,
    "thoughtsTokenCount": 220,
    "cachedContentTokenCount": 300,
    "totalTokenCount": 1600,
}

OPENAI = [
    PriceCase("chat", "gpt-4o-mini", _chat("gpt-4o-mini-2024-07-18", _tokens(1200, 80)),
              [(1200, "0.15"), (80, "0.60")]),
    PriceCase("chat, cached", "gpt-4o", _chat("gpt-4o-2024-08-06", _tokens(3000, 200, {"cached_tokens": 2048})),
              [(952, "2.50"), (2048, "1.25"), (200, "10")]),
    PriceCase("chat, streamed with usage", "gpt-4.1",
              [{"object": "chat.completion.chunk", "model": "gpt-4.1-2025-04-14",
                "choices": [{"delta": {"content": "Yes."}, "finish_reason": "stop"}], "usage": None},
               {"object": "chat.completion.chunk", "model": "gpt-4.1-2025-04-14", "choices": [],
                "usage": _tokens(900, 300, {"cached_tokens": 512})}],
              [(388, "2"), (512, "0.50"), (300, "8")]),
    PriceCase("responses, reasoning", "gpt-5",
              _response("gpt-5-2025-08-07", {"input_tokens": 900, "input_tokens_details": {"cached_tokens": 512},
                                             "output_tokens": 700, "total_tokens": 1600,
                                             "output_tokens_details": {"reasoning_tokens": 640}}),
              [(388, "1.25"), (512, "0.125"), (700, "10")]),
    PriceCase("responses, web search", "gpt-5",
              [{**_response("gpt-5-2025-08-07", {"input_tokens": 9000, "output_tokens": 100})[0],
                "output": [{"type": "web_search_call", "action": {"type": "search"}}]}],
              [(9000, "1.25"), (100, "10")], also_usd="0.01"),
    PriceCase("flex", "gpt-5", _chat("gpt-5-2025-08-07", _tokens(1000, 100), service_tier="flex"),
              [(1000, "0.625"), (100, "5")]),
    PriceCase("flex, responses", "o3",
              _response("o3-2025-04-16", {"input_tokens": 500, "output_tokens": 800}, service_tier="flex"),
              [(500, "1"), (800, "4")]),
    PriceCase("priority, cached", "gpt-5",
              _chat("gpt-5-2025-08-07", _tokens(1000, 100, {"cached_tokens": 256}), service_tier="priority"),
              [(744, "2.50"), (256, "0.25"), (100, "20")]),
    PriceCase("default tier", "gpt-5-mini", _chat("gpt-5-mini-2025-08-07", _tokens(10, 10), service_tier="default"),
              [(10, "0.25"), (10, "2")]),
    PriceCase("cache writes, chat", "gpt-5.6-sol",
              _chat("gpt-5.6-sol", _tokens(3000, 50, {"cached_tokens": 1024, "cache_write_tokens": 1500})),
              [(476, "4"), (1024, "0.40"), (1500, "5"), (50, "20")]),
    PriceCase("before a price went down", "gpt-5.6-sol",
              _chat("gpt-5.6-sol", _tokens(3000, 50, {"cached_tokens": 1024, "cache_write_tokens": 1500})),
              [(476, "5"), (1024, "0.50"), (1500, "6.25"), (50, "30")], at=datetime(2026, 8, 1, tzinfo=UTC)),
    PriceCase("cache writes, responses", "gpt-5.6-luna",
              _response("gpt-5.6-luna", {"input_tokens": 3000, "output_tokens": 50,
                                         "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 2500}}),
              [(500, "0.20"), (2500, "0.25"), (50, "1.20")]),
    PriceCase("audio in and out", "gpt-4o-audio-preview",
              _chat("gpt-4o-audio-preview-2024-12-17",
                    _tokens(1000, 200, {"audio_tokens": 400, "cached_tokens": 0}, {"audio_tokens": 100})),
              [(600, "2.50"), (400, "40"), (100, "10"), (100, "80")]),
    PriceCase("audio, small", "gpt-4o-mini-audio-preview",
              _chat("gpt-4o-mini-audio-preview-2024-12-17",
                    _tokens(1000, 200, {"audio_tokens": 400}, {"audio_tokens": 100})),
              [(600, "0.15"), (400, "10"), (100, "0.60"), (100, "20")]),
    PriceCase("audio, newer", "gpt-audio",
              _chat("gpt-audio-2025-08-28", _tokens(500, 300, {"audio_tokens": 450}, {"audio_tokens": 280})),
              [(50, "2.50"), (450, "32"), (20, "10"), (280, "64")]),
    PriceCase("realtime", "gpt-realtime",
              [{"type": "response.done", "response": {
                  "object": "realtime.response", "status": "completed", "output": [],
                  "usage": {"total_tokens": 900, "input_tokens": 600, "output_tokens": 300,
                            "input_token_details": {"text_tokens": 200, "audio_tokens": 400, "cached_tokens": 192,
                                                    "cached_tokens_details": {"text_tokens": 128,
                                                                              "audio_tokens": 64}},
                            "output_token_details": {"text_tokens": 50, "audio_tokens": 250}}}}],
              [(72, "4"), (336, "32"), (192, "0.40"), (50, "16"), (250, "64")]),
    PriceCase("images", "gpt-image-1",
              [{"created": 1, "data": [], "usage": {"input_tokens": 300, "output_tokens": 4160, "total_tokens": 4460,
                                                    "input_tokens_details": {"text_tokens": 42,
                                                                             "image_tokens": 258}}}],
              [(42, "5"), (258, "10"), (4160, "40")]),
    PriceCase("transcription", "gpt-4o-transcribe",
              [{"text": "Yes.", "usage": {"type": "tokens", "input_tokens": 120, "output_tokens": 30,
                                          "total_tokens": 150,
                                          "input_token_details": {"text_tokens": 20, "audio_tokens": 100}}}],
              [(20, "2.50"), (100, "6"), (30, "10")]),
    PriceCase("transcription by the minute", "whisper-1",
              [{"text": "Yes.", "usage": {"type": "duration", "seconds": 90}}], also_usd="0.009"),
    PriceCase("embeddings", "text-embedding-3-small",
              [{"object": "list", "data": [], "model": "text-embedding-3-small",
                "usage": {"prompt_tokens": 800, "total_tokens": 800}}], [(800, "0.02")]),
    PriceCase("fine-tuned", "ft:gpt-4o-mini-2024-07-18:acme::8dk2",
              _chat("ft:gpt-4o-mini-2024-07-18:acme::8dk2", _tokens(2000, 100, {"cached_tokens": 1024})),
              [(976, "0.30"), (1024, "0.15"), (100, "1.20")]),
    PriceCase("fine-tuned, newer", "ft:gpt-4.1-mini-2025-04-14:acme::8dk2",
              _chat("ft:gpt-4.1-mini-2025-04-14:acme::8dk2", _tokens(2000, 100)), [(2000, "0.80"), (100, "3.20")]),
    PriceCase("azure", "azure/gpt-4o", _chat("gpt-4o-2024-08-06", _tokens(1000, 100, {"cached_tokens": 512})),
              [(488, "2.50"), (512, "1.25"), (100, "10")]),
]  # fmt: skip

CLAUDE = [
    PriceCase("messages, cache of both lifetimes", "claude-sonnet-4-5",
              _message("claude-sonnet-4-5-20250929", _claude(50, 503, 1800, 148, 100)),
              [(50, "3"), (1800, "0.30"), (148, "3.75"), (100, "6"), (503, "15")]),
    PriceCase("messages, long context", "claude-sonnet-4-5",
              _message("claude-sonnet-4-5-20250929", _claude(200_001, 1000, 1000)),
              [(200_001, "6"), (1000, "0.60"), (1000, "22.50")]),
    PriceCase("messages, batch", "claude-sonnet-4-5",
              _message("claude-sonnet-4-5-20250929", _claude(1000, 100, service_tier="batch")),
              [(1000, "1.50"), (100, "7.50")]),
    PriceCase("messages, fast", "claude-opus-5",
              _message("claude-opus-5", _claude(1000, 100, 500, speed="fast", inference_geo="global")),
              [(1000, "10"), (500, "1"), (100, "50")]),
    PriceCase("messages, in the US only", "claude-opus-4-6",
              _message("claude-opus-4-6", _claude(1000, 100, 500, 200, 40, inference_geo="us")),
              [(1000, "5.50"), (500, "0.55"), (200, "6.875"), (40, "11"), (100, "27.50")]),
    PriceCase("messages, fast in the US only", "claude-opus-5",
              _message("claude-opus-5", _claude(1000, 100, speed="fast", inference_geo="us",
                                                server_tool_use={"web_search_requests": 1})),
              [(1000, "11"), (100, "55")], also_usd="0.01"),
    PriceCase("messages, web searches", "claude-haiku-4-5",
              _message("claude-haiku-4-5-20251001", _claude(9000, 400, server_tool_use={"web_search_requests": 3})),
              [(9000, "1"), (400, "5")], also_usd="0.03"),
    PriceCase("messages, cache for an hour", "claude-opus-4-1",
              _message("claude-opus-4-1-20250805", _claude(10, 20, 0, 0, 4000)),
              [(10, "15"), (4000, "30"), (20, "75")]),
    PriceCase("messages, streamed", "claude-haiku-4-5",
              [{"type": "message_start", "message": {**_message("claude-haiku-4-5-20251001",
                                                                _claude(100, 1, 2000, 300, 0))[0]}},
               {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Yes."}},
               {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 250}}],
              [(100, "1"), (2000, "0.10"), (300, "1.25"), (250, "5")]),
    PriceCase("litellm, cache writes", "anthropic/claude-sonnet-4-5", _chat("claude-sonnet-4-5-20250929",
              _CLAUDE_BY_LITELLM), [(1000, "3"), (19000, "3.75"), (500, "15")]),
    PriceCase("litellm, cache for an hour", "anthropic/claude-sonnet-4-5",
              _chat("claude-sonnet-4-5-20250929", {**_tokens(1000, 200, {
                  "cached_tokens": 0, "cache_creation_tokens": 300,
                  "cache_creation_token_details": {"ephemeral_5m_input_tokens": 0,
                                                   "ephemeral_1h_input_tokens": 300}}),
                  "cache_creation_input_tokens": 300}), [(700, "3"), (300, "6"), (200, "15")]),
    PriceCase("pydantic-ai", "claude-sonnet-4-5",
              [{"usage": {"input_tokens": 2098, "cache_read_tokens": 1800, "cache_write_tokens": 248,
                          "output_tokens": 503}}], [(50, "3"), (1800, "0.30"), (248, "3.75"), (503, "15")]),
    PriceCase("langchain", "claude-sonnet-4-5",
              [{"content": "Yes.", "response_metadata": {"model_name": "claude-sonnet-4-5-20250929"},
                "usage_metadata": {"input_tokens": 2098, "output_tokens": 503, "total_tokens": 2601,
                                   "input_token_details": {"cache_read": 1800, "cache_creation": 248}}}],
              [(50, "3"), (1800, "0.30"), (248, "3.75"), (503, "15")]),
    PriceCase("bedrock by litellm", "bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0",
              _chat("anthropic.claude-3-5-sonnet-20241022-v2:0", _tokens(1000, 100)), [(1000, "3"), (100, "15")]),
    PriceCase("bedrock, regional", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
              _message("claude-sonnet-4-5-20250929", _claude(1000, 100)), [(1000, "3.30"), (100, "16.50")]),
    PriceCase("vertex", "vertex_ai/claude-sonnet-4-5@20250929",
              _message("claude-sonnet-4-5-20250929", _claude(1000, 100, 500)),
              [(1000, "3"), (500, "0.30"), (100, "15")]),
    PriceCase("openrouter, no cost said", "openrouter/anthropic/claude-sonnet-4",
              _chat("anthropic/claude-sonnet-4", _tokens(1000, 100, {"cached_tokens": 400})),
              [(600, "3"), (400, "0.30"), (100, "15")]),
]  # fmt: skip

OTHERS = [
    PriceCase("gemini, thoughts and cache", "gemini-2.5-flash",
              [{"candidates": [{"finishReason": "STOP"}], "modelVersion": "gemini-2.5-flash", "usageMetadata": _GEMINI}],
              [(1000, "0.30"), (300, "0.03"), (300, "2.50")]),
    PriceCase("gemini, audio", "gemini/gemini-2.5-flash",
              [{"candidates": [{"finishReason": "STOP"}], "modelVersion": "gemini-2.5-flash",
                "usageMetadata": {"promptTokenCount": 500, "candidatesTokenCount": 40, "totalTokenCount": 540,
                                  "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100},
                                                          {"modality": "AUDIO", "tokenCount": 400}]}}],
              [(100, "0.30"), (400, "1"), (40, "2.50")]),
    PriceCase("gemini, long context", "gemini-2.5-pro",
              [{"candidates": [{"finish_reason": "STOP"}], "model_version": "gemini-2.5-pro",
                "usage_metadata": {"prompt_token_count": 250_000, "candidates_token_count": 500,
                                   "thoughts_token_count": 500}}],
              [(250_000, "2.50"), (1000, "15")]),
    PriceCase("gemini in openai's shape", "gemini-2.5-flash",
              _chat("gemini-2.5-flash", {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 430}),
              [(10, "0.30"), (420, "2.50")]),
    PriceCase("bedrock converse", "amazon.nova-pro-v1:0",
              [{"output": {"message": {"role": "assistant"}}, "stopReason": "end_turn",
                "usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 2120,
                          "cacheReadInputTokens": 2000, "cacheWriteInputTokens": 0}}],
              [(100, "0.80"), (2000, "0.20"), (20, "3.20")]),
    PriceCase("deepseek, cache hits", "deepseek-chat",
              _chat("deepseek-chat", {**_tokens(5000, 50), "prompt_cache_hit_tokens": 4992,
                                      "prompt_cache_miss_tokens": 8}),
              [(8, "0.27"), (4992, "0.07"), (50, "1.10")], at=datetime(2025, 4, 1, 12, tzinfo=UTC)),
    PriceCase("groq", "groq/llama-3.3-70b-versatile",
              _chat("llama-3.3-70b-versatile", _tokens(1000, 100)), [(1000, "0.59"), (100, "0.79")]),
    PriceCase("groq, flex", "groq/llama-3.3-70b-versatile",
              _chat("llama-3.3-70b-versatile", _tokens(1000, 100), service_tier="flex"),
              [(1000, "0.59"), (100, "0.79")]),
    PriceCase("groq, streamed", "groq/llama-3.3-70b-versatile",
              [{"object": "chat.completion.chunk", "model": "llama-3.3-70b-versatile", "choices": [],
                "x_groq": {"usage": _tokens(1000, 100)}}], [(1000, "0.59"), (100, "0.79")]),
    PriceCase("groq, another maker's model", "groq/openai/gpt-oss-120b",
              _chat("openai/gpt-oss-120b", _tokens(1000, 100)), [(1000, "0.15"), (100, "0.60")]),
    PriceCase("xai, reasoning beside", "xai/grok-4",
              _chat("grok-4-0709", {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
                                    "prompt_tokens_details": {"cached_tokens": 6},
                                    "completion_tokens_details": {"reasoning_tokens": 94}}),
              [(26, "3"), (6, "0.75"), (103, "15")]),
    PriceCase("xai, cost said", "xai/grok-4",
              _chat("grok-4-0709", {**_tokens(32, 9), "cost_in_usd_ticks": 37_756_000}), also_usd="0.0037756"),
    PriceCase("perplexity, deep research", "perplexity/sonar-deep-research",
              _chat("sonar-deep-research", {**_tokens(33, 7163), "citation_tokens": 20016,
                                            "num_search_queries": 21, "reasoning_tokens": 73997}),
              [(33, "2"), (7163, "8"), (20016, "2"), (73997, "3")], also_usd="0.105"),
    PriceCase("perplexity, cost said", "sonar",
              _chat("sonar", {**_tokens(14, 200), "cost": {"request_cost": 0.005, "total_cost": 0.005214}}),
              also_usd="0.005214"),
    PriceCase("mistral", "mistral/mistral-large-2411",
              _chat("mistral-large-2411", _tokens(1000, 100)), [(1000, "2"), (100, "6")]),
    PriceCase("cohere", "command-r-plus-08-2024",
              [{"finish_reason": "COMPLETE", "message": {"role": "assistant"},
                "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 418},
                          "tokens": {"input_tokens": 71, "output_tokens": 418}}}],
              [(5, "2.50"), (418, "10")]),
    PriceCase("cohere, first chat API", "command-r-plus-08-2024",
              [{"text": "Yes.", "finish_reason": "COMPLETE",
                "meta": {"billed_units": {"input_tokens": 5, "output_tokens": 418}}}], [(5, "2.50"), (418, "10")]),
    PriceCase("cohere, embeddings", "embed-v4.0",
              [{"embeddings": {}, "meta": {"billed_units": {"input_tokens": 1200}}}], [(1200, "0.12")]),
    PriceCase("voyage, embeddings", "voyage-3",
              [{"object": "list", "data": [], "model": "voyage-3", "usage": {"total_tokens": 1700}}],
              [(1700, "0.06")]),
    PriceCase("together", "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo",
              _chat("meta-llama/Llama-3.3-70B-Instruct-Turbo", _tokens(1000, 100)), [(1100, "0.88")]),
    PriceCase("fireworks", "fireworks_ai/accounts/fireworks/models/llama-v3p3-70b-instruct",
              _chat("accounts/fireworks/models/llama-v3p3-70b-instruct", _tokens(1000, 100)), [(1100, "0.90")]),
    PriceCase("moonshot, cached", "moonshot/kimi-k2-0905-preview",
              _chat("kimi-k2-0905-preview", {**_tokens(400, 30), "cached_tokens": 256}),
              [(144, "0.60"), (256, "0.15"), (30, "2.50")]),
    PriceCase("openrouter, cost said", "openrouter/google/gemini-2.5-pro",
              _chat("google/gemini-2.5-pro", {**_tokens(1000, 100), "cost": 0.0021}), also_usd="0.0021"),
    PriceCase("openrouter, a key of one's own", "openrouter/openai/gpt-4o",
              _chat("openai/gpt-4o", {**_tokens(1000, 100), "cost": 0.000175, "is_byok": True,
                                      "cost_details": {"upstream_inference_cost": 0.0035}}),
              also_usd="0.003675"),
    PriceCase("openrouter, a free model", "openrouter/z-ai/glm-4.5-air:free",
              _chat("z-ai/glm-4.5-air:free", {**_tokens(1000, 100), "cost": 0})),
    PriceCase("litellm, cost said", "our-deployment",
              [{**_chat("gpt-4o", _tokens(1000, 100))[0], "_hidden_params": {"response_cost": 0.0031}}],
              also_usd="0.0031"),
]  # fmt: skip

CASES = {"openai": OPENAI, "claude": CLAUDE, "others": OTHERS}
