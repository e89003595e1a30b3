"""Usages as providers, gateways and client libraries send them, with the counts they mean."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class UsageCase:
    """One reply."""

    name: str
    reply: dict[str, Any]
    counts: dict[str, int | float]
    """By genai-prices' names; wholes include their parts; zeros are left out."""
    oracle: tuple[str, str] | None = None
    """Provider and flavor by which genai-prices reads the same counts out of it."""
    provider: str | None = None
    """What the service says."""


def chat(usage: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A chat completion."""
    message = {"role": "assistant", "content": "Yes."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"object": "chat.completion", "model": "gpt-4o", "choices": [choice], "usage": usage, **fields}


def message(usage: dict[str, Any]) -> dict[str, Any]:
    """A message of Anthropic's API."""
    content = [{"type": "text", "text": "Yes."}]
    return {"type": "message", "model": "claude-sonnet-4-5", "content": content, "usage": usage}


def response(usage: dict[str, Any]) -> dict[str, Any]:
    """A response of OpenAI's Responses API."""
    return {"object": "response", "model": "gpt-5", "status": "completed", "output": [], "usage": usage}


USAGES = [
    UsageCase(
        "openai chat with everything",
        chat(
            {
                "prompt_tokens": 1000,
                "completion_tokens": 200,
                "total_tokens": 1200,
                "prompt_tokens_details": {"cached_tokens": 128, "audio_tokens": 400},
                "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 100},
            }
        ),
        {
            "input_tokens": 1000,
            "cache_read_tokens": 128,
            "input_audio_tokens": 400,
            "output_tokens": 200,
            "output_reasoning_tokens": 64,
            "output_audio_tokens": 100,
        },
        ("openai", "chat"),
    ),
    UsageCase(
        "openai chat with cache writes",
        chat(
            {
                "prompt_tokens": 3000,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 1500},
            }
        ),
        {
            "input_tokens": 3000,
            "cache_read_tokens": 1024,
            "cache_write_tokens": 1500,
            "output_tokens": 50,
        },
        ("openai", "chat"),
    ),
    UsageCase(
        "openai responses",
        response(
            {
                "input_tokens": 900,
                "input_tokens_details": {"cached_tokens": 512, "cache_write_tokens": 100},
                "output_tokens": 700,
                "output_tokens_details": {"reasoning_tokens": 640},
                "total_tokens": 1600,
            }
        ),
        {
            "input_tokens": 900,
            "cache_read_tokens": 512,
            "cache_write_tokens": 100,
            "output_tokens": 700,
            "output_reasoning_tokens": 640,
        },
        ("openai", "responses"),
    ),
    UsageCase(
        "openai realtime",
        {
            "type": "response.done",
            "response": {
                "object": "realtime.response",
                "status": "completed",
                "output": [],
                "usage": {
                    "total_tokens": 900,
                    "input_tokens": 600,
                    "output_tokens": 300,
                    "input_token_details": {
                        "text_tokens": 200,
                        "audio_tokens": 400,
                        "image_tokens": 0,
                        "cached_tokens": 192,
                        "cached_tokens_details": {"text_tokens": 128, "audio_tokens": 64, "image_tokens": 0},
                    },
                    "output_token_details": {"text_tokens": 50, "audio_tokens": 250},
                },
            },
        },
        {
            "input_tokens": 600,
            "input_audio_tokens": 400,
            "cache_read_tokens": 192,
            "cache_audio_read_tokens": 64,
            "output_tokens": 300,
            "output_audio_tokens": 250,
        },
        ("openai", "realtime"),
    ),
    UsageCase(
        "openai images",
        {
            "created": 1,
            "data": [{"b64_json": "AA=="}],
            "usage": {
                "input_tokens": 300,
                "input_tokens_details": {"text_tokens": 42, "image_tokens": 258},
                "output_tokens": 4160,
                "total_tokens": 4460,
            },
        },
        {"input_tokens": 300, "input_image_tokens": 258, "output_tokens": 4160},
        ("openai", "images"),
    ),
    UsageCase(
        "openai transcription by duration",
        {"text": "Hello.", "usage": {"type": "duration", "seconds": 12}},
        {"audio_seconds": 12},
        ("openai", "live"),
    ),
    UsageCase(
        "anthropic",
        message(
            {
                "input_tokens": 50,
                "cache_creation_input_tokens": 248,
                "cache_read_input_tokens": 1800,
                "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
                "output_tokens": 503,
                "output_tokens_details": {"thinking_tokens": 400},
                "server_tool_use": {"web_search_requests": 3},
            }
        ),
        {
            "input_tokens": 2098,
            "cache_read_tokens": 1800,
            "cache_write_tokens": 248,
            "cache_write_5m_tokens": 148,
            "cache_write_1h_tokens": 100,
            "output_tokens": 503,
            "output_reasoning_tokens": 400,
            "web_searches": 3,
        },
        ("anthropic", "default"),
    ),
    UsageCase(
        "deepseek",
        chat(
            {
                "prompt_tokens": 5000,
                "completion_tokens": 50,
                "total_tokens": 5050,
                "prompt_cache_hit_tokens": 4992,
                "prompt_cache_miss_tokens": 8,
            }
        ),
        {"input_tokens": 5000, "cache_read_tokens": 4992, "output_tokens": 50},
    ),
    UsageCase(
        "deepseek reasoner",
        chat(
            {
                "prompt_tokens": 100,
                "completion_tokens": 900,
                "total_tokens": 1000,
                "prompt_tokens_details": {"cached_tokens": 64},
                "completion_tokens_details": {"reasoning_tokens": 700},
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
            }
        ),
        {
            "input_tokens": 100,
            "cache_read_tokens": 64,
            "output_tokens": 900,
            "output_reasoning_tokens": 700,
        },
        ("deepseek", "chat"),
    ),
    UsageCase(
        "litellm for anthropic",
        chat(
            {
                "prompt_tokens": 20000,
                "completion_tokens": 500,
                "total_tokens": 20500,
                "prompt_tokens_details": {
                    "cached_tokens": 500,
                    "cache_creation_tokens": 19000,
                    "cache_creation_token_details": {
                        "ephemeral_5m_input_tokens": 18700,
                        "ephemeral_1h_input_tokens": 300,
                    },
                },
                "cache_creation_input_tokens": 19000,
                "cache_read_input_tokens": 500,
            }
        ),
        {
            "input_tokens": 20000,
            "cache_read_tokens": 500,
            "cache_write_tokens": 19000,
            "cache_write_5m_tokens": 18700,
            "cache_write_1h_tokens": 300,
            "output_tokens": 500,
        },
    ),
    UsageCase(
        "a proxy whose prompt_tokens leave the cache out",
        chat(
            {
                "prompt_tokens": 500,
                "completion_tokens": 100,
                "total_tokens": 20100,
                "cache_creation_input_tokens": 19000,
                "cache_read_input_tokens": 500,
            }
        ),
        {
            "input_tokens": 20000,
            "cache_read_tokens": 500,
            "cache_write_tokens": 19000,
            "output_tokens": 100,
        },
    ),
    UsageCase(
        "openrouter",
        chat(
            {
                "prompt_tokens": 700,
                "completion_tokens": 1500,
                "total_tokens": 2200,
                "cost": 0.0421,
                "prompt_tokens_details": {
                    "cached_tokens": 100,
                    "cache_write_tokens": 200,
                    "audio_tokens": 0,
                    "video_tokens": 30,
                },
                "completion_tokens_details": {"reasoning_tokens": 20, "image_tokens": 1290},
            }
        ),
        {
            "input_tokens": 700,
            "cache_read_tokens": 100,
            "cache_write_tokens": 200,
            "input_video_tokens": 30,
            "output_tokens": 1500,
            "output_reasoning_tokens": 20,
            "output_image_tokens": 1290,
        },
    ),
    UsageCase(
        "xai leaves reasoning out of the completion",
        chat(
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "cached_tokens": 6},
                "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0},
            }
        ),
        {
            "input_tokens": 32,
            "cache_read_tokens": 6,
            "output_tokens": 103,
            "output_reasoning_tokens": 94,
        },
        ("x-ai", "chat"),
    ),
    UsageCase(
        "gemini behind the shape of openai",
        chat({"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 430}),
        {"input_tokens": 10, "output_tokens": 420, "output_reasoning_tokens": 400},
    ),
    UsageCase(
        "perplexity deep research",
        chat(
            {
                "prompt_tokens": 33,
                "completion_tokens": 7163,
                "total_tokens": 7196,
                "citation_tokens": 20016,
                "num_search_queries": 21,
                "reasoning_tokens": 73997,
                "search_context_size": "low",
            }
        ),
        {
            "input_tokens": 33,
            "output_tokens": 7163 + 20016 + 73997,
            "output_citation_tokens": 20016,
            "output_reasoning_tokens": 73997,
            "web_searches": 21,
        },
        ("perplexity", "default"),
    ),
    UsageCase(
        "moonshot",
        chat({"prompt_tokens": 400, "completion_tokens": 30, "total_tokens": 430, "cached_tokens": 256}),
        {"input_tokens": 400, "cache_read_tokens": 256, "output_tokens": 30},
        ("anthropic", "chat"),
    ),
    UsageCase(
        "qwen",
        chat(
            {
                "prompt_tokens": 3019,
                "completion_tokens": 104,
                "total_tokens": 3123,
                "prompt_tokens_details": {
                    "cached_tokens": 1024,
                    "cache_creation_input_tokens": 1500,
                    "cache_creation": {"ephemeral_5m_input_tokens": 1500},
                    "cache_type": "ephemeral",
                },
            }
        ),
        {
            "input_tokens": 3019,
            "cache_read_tokens": 1024,
            "cache_write_tokens": 1500,
            "cache_write_5m_tokens": 1500,
            "output_tokens": 104,
        },
    ),
    UsageCase(
        "gemini",
        {
            "candidates": [{"content": {"parts": [{"text": "Yes."}]}, "finishReason": "STOP"}],
            "usageMetadata": {
                "promptTokenCount": 1300,
                "candidatesTokenCount": 80,
                "thoughtsTokenCount": 220,
                "totalTokenCount": 1600,
                "cachedContentTokenCount": 512,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 942},
                    {"modality": "IMAGE", "tokenCount": 258},
                    {"modality": "AUDIO", "tokenCount": 100},
                ],
            },
            "modelVersion": "gemini-2.5-flash",
        },
        {
            "input_tokens": 1300,
            "cache_read_tokens": 512,
            "input_image_tokens": 258,
            "input_audio_tokens": 100,
            "output_tokens": 300,
            "output_reasoning_tokens": 220,
        },
        ("google", "default"),
    ),
    UsageCase(
        "gemini as its python package has it",
        {
            "candidates": [{"finish_reason": "STOP"}],
            "usage_metadata": {
                "prompt_token_count": 1300,
                "candidates_token_count": 80,
                "thoughts_token_count": 220,
                "cached_content_token_count": 512,
                "prompt_tokens_details": [{"modality": "AUDIO", "token_count": 100}],
            },
            "model_version": "gemini-2.5-flash",
        },
        {
            "input_tokens": 1300,
            "cache_read_tokens": 512,
            "input_audio_tokens": 100,
            "output_tokens": 300,
            "output_reasoning_tokens": 220,
        },
    ),
    UsageCase(
        "bedrock converse",
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "Yes."}]}},
            "stopReason": "end_turn",
            "usage": {
                "inputTokens": 100,
                "outputTokens": 20,
                "totalTokens": 3620,
                "cacheReadInputTokens": 2000,
                "cacheWriteInputTokens": 1500,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 500}, {"ttl": "5m", "inputTokens": 1000}],
            },
        },
        {
            "input_tokens": 3600,
            "cache_read_tokens": 2000,
            "cache_write_tokens": 1500,
            "cache_write_5m_tokens": 1000,
            "cache_write_1h_tokens": 500,
            "output_tokens": 20,
        },
        ("aws", "default"),
    ),
    UsageCase(
        "cohere",
        {
            "finish_reason": "COMPLETE",
            "message": {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]},
            "usage": {
                "billed_units": {"input_tokens": 5, "output_tokens": 418},
                "tokens": {"input_tokens": 71, "output_tokens": 418},
            },
        },
        {"input_tokens": 5, "output_tokens": 418},
        ("cohere", "default"),
        "cohere",
    ),
    UsageCase(
        "cohere embeddings",
        {"embeddings": {}, "meta": {"billed_units": {"input_tokens": 12}}},
        {"input_tokens": 12},
        ("cohere", "embeddings"),
    ),
    UsageCase(
        "voyage embeddings",
        {"object": "list", "data": [], "model": "voyage-3", "usage": {"total_tokens": 17}},
        {"input_tokens": 17},
    ),
    UsageCase(
        "langchain",
        {
            "content": "Yes.",
            "response_metadata": {"model_name": "claude-sonnet-4-5", "finish_reason": "stop"},
            "usage_metadata": {
                "input_tokens": 350,
                "output_tokens": 240,
                "total_tokens": 590,
                "input_token_details": {"audio": 10, "cache_creation": 200, "cache_read": 100},
                "output_token_details": {"audio": 11, "reasoning": 200},
            },
        },
        {
            "input_tokens": 350,
            "cache_read_tokens": 100,
            "cache_write_tokens": 200,
            "input_audio_tokens": 10,
            "output_tokens": 240,
            "output_audio_tokens": 11,
            "output_reasoning_tokens": 200,
        },
    ),
    UsageCase(
        "langchain with lifetimes of the cache",
        {
            "content": "Yes.",
            "usage_metadata": {
                "input_tokens": 350,
                "output_tokens": 240,
                "input_token_details": {
                    "cache_creation": 0,
                    "cache_read": 100,
                    "ephemeral_5m_input_tokens": 150,
                    "ephemeral_1h_input_tokens": 50,
                },
            },
        },
        {
            "input_tokens": 350,
            "cache_read_tokens": 100,
            "cache_write_tokens": 200,
            "cache_write_5m_tokens": 150,
            "cache_write_1h_tokens": 50,
            "output_tokens": 240,
        },
    ),
    UsageCase(
        "pydantic-ai",
        {
            "usage": {
                "input_tokens": 2000,
                "cache_read_tokens": 1500,
                "cache_write_tokens": 100,
                "input_audio_tokens": 30,
                "cache_audio_read_tokens": 20,
                "output_tokens": 50,
                "output_audio_tokens": 7,
            }
        },
        {
            "input_tokens": 2000,
            "cache_read_tokens": 1500,
            "cache_write_tokens": 100,
            "input_audio_tokens": 30,
            "cache_audio_read_tokens": 20,
            "output_tokens": 50,
            "output_audio_tokens": 7,
        },
    ),
    UsageCase(
        "openai-agents",
        {"context_wrapper": {"usage": {"requests": 1, "input_tokens": 100, "output_tokens": 20}}},
        {"input_tokens": 100, "output_tokens": 20},
    ),
    UsageCase(
        "openai-agents, no cache in anthropic's sense",
        {
            "output": [],
            "usage": {"input_tokens": 9, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 8}},
        },
        {"input_tokens": 9, "cache_read_tokens": 8, "output_tokens": 2},
    ),
    UsageCase(
        "ollama",
        {"model": "llama3.2", "done_reason": "stop", "prompt_eval_count": 26, "eval_count": 298},
        {"input_tokens": 26, "output_tokens": 298},
    ),
    UsageCase(
        "last event of a stream of bedrock's converse",
        {"metadata": {"usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}, "metrics": {}}},
        {"input_tokens": 100, "output_tokens": 20},
    ),
    UsageCase(
        "groq, end of a stream",
        {
            "object": "chat.completion.chunk",
            "choices": [{"delta": {}, "finish_reason": "stop"}],
            "x_groq": {"usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}},
        },
        {"input_tokens": 10, "output_tokens": 20},
    ),
    UsageCase(
        "mistral, audio by time",
        chat(
            {"prompt_audio_seconds": 203, "prompt_tokens": 4, "completion_tokens": 635, "total_tokens": 3264}
        ),
        {"input_tokens": 4, "audio_seconds": 203, "output_tokens": 635},
    ),
    UsageCase(
        "cohere, first chat API",
        {"text": "Yes.", "meta": {"billed_units": {"input_tokens": 10, "output_tokens": 20}}},
        {"input_tokens": 10, "output_tokens": 20},
    ),
    UsageCase(
        "cohere, end of a stream",
        {
            "type": "message-end",
            "delta": {"usage": {"billed_units": {"input_tokens": 10, "output_tokens": 20}}},
        },
        {"input_tokens": 10, "output_tokens": 20},
    ),
    UsageCase(
        "helper of openai's streams",
        {
            "type": "chunk",
            "chunk": {
                "object": "chat.completion.chunk",
                "choices": [],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5},
            },
        },
        {"input_tokens": 10, "output_tokens": 5},
    ),
    UsageCase(
        "llama-index",
        {"message": {"role": "assistant"}, "raw": chat({"prompt_tokens": 10, "completion_tokens": 5})},
        {"input_tokens": 10, "output_tokens": 5},
    ),
    UsageCase(
        "instructor",
        {"answer": 4, "_raw_response": chat({"prompt_tokens": 10, "completion_tokens": 5})},
        {"input_tokens": 10, "output_tokens": 5},
    ),
    UsageCase(
        "openai response, searches",
        {
            **response({"input_tokens": 1000, "output_tokens": 100}),
            "output": [
                {"type": "web_search_call", "action": {"type": "search"}},
                {"type": "web_search_call", "action": {"type": "open_page"}},
                {"type": "web_search_call", "status": "completed"},
                {"type": "message", "content": []},
            ],
        },
        {"input_tokens": 1000, "output_tokens": 100, "web_searches": 2},
    ),
]
