"""Families of models: a judge likes the answers of its own better."""

import re
from collections.abc import Iterable
from typing import Final

_FAMILIES: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (family, re.compile(pattern))
    for family, pattern in (
        ("GPT", r"(?:^|[^a-z])(?:gpt|chatgpt|o[1345](?![a-z\d])|davinci)"),
        ("Claude", r"claude"),
        ("Gemini", r"gemini|gemma|palm"),
        ("Llama", r"llama|vicuna|alpaca"),
        ("Mistral", r"mistral|mixtral|magistral|ministral|codestral|devstral"),
        ("Qwen", r"qwen|qwq"),
        ("DeepSeek", r"deepseek"),
        ("Grok", r"grok"),
        ("Command", r"command-|cohere|c4ai|aya-"),
        ("Phi", r"(?:^|[^a-z])phi-?\d"),
        ("GLM", r"glm-?\d|chatglm"),
        ("Kimi", r"kimi"),
        ("Nova", r"(?:^|[^a-z])nova-"),
    )
)


def family_of(model: str) -> str | None:
    """Returns the family of a model by its name; None if none is known.

    A distilled model belongs to both: what it is called after first decides.
    """
    lowered = model.lower()
    found = [(match.start(), name) for name, pattern in _FAMILIES if (match := pattern.search(lowered))]
    return min(found)[1] if found else None


def shared_family(judge: str, judged: Iterable[str]) -> str | None:
    """Returns the family that a judge shares with a model whose answers it judges; None if it shares none.

    Args:
        judge: Model of the judge.
        judged: Models that answered.
    """
    own = family_of(judge)
    return own if own is not None and own in {family_of(each) for each in judged} else None
