"""Finds scorers by name: those that come with Coalmine, those of other packages, and adaptors."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from typing import Any, Final, cast

from coalmine_evals.records import Scorer
from coalmine_evals.results.scorers import KnownScorer, Setting
from coalmine_evals.scorers import custom, tools
from coalmine_evals.scorers.bleu_chrf import BleuChrf
from coalmine_evals.scorers.contains import Contains
from coalmine_evals.scorers.embedding_similarity import EmbeddingSimilarity
from coalmine_evals.scorers.exact import Exact
from coalmine_evals.scorers.json_schema import JsonSchema
from coalmine_evals.scorers.key_facts import KeyFacts
from coalmine_evals.scorers.length_ratio import LengthRatio
from coalmine_evals.scorers.must_never import MustNever
from coalmine_evals.scorers.numeric_answer import NumericAnswer
from coalmine_evals.scorers.refusal import Refusal
from coalmine_evals.scorers.regex_match import RegexMatch
from coalmine_evals.scorers.rouge import Rouge
from coalmine_evals.scorers.sentence_count import SentenceCount
from coalmine_evals.scorers.settings import made
from coalmine_evals.scorers.token_overlap import TokenOverlap
from coalmine_schemas.errors import nearest
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.json_values import JsonValue
from coalmine_schemas.results import descriptions

BUILT_IN: Final[Mapping[str, type]] = {
    "exact": Exact,
    "contains": Contains,
    "regex": RegexMatch,
    "numeric_answer": NumericAnswer,
    "key_facts": KeyFacts,
    "json_schema": JsonSchema,
    "sentence_count": SentenceCount,
    "length_ratio": LengthRatio,
    "refusal": Refusal,
    "must_never": MustNever,
    "token_overlap": TokenOverlap,
    "rouge": Rouge,
    "bleu_chrf": BleuChrf,
    "embedding_similarity": EmbeddingSimilarity,
}
"""The class of each scorer; its fields are the settings."""
JUDGES: Final[Mapping[str, str]] = {
    "llm_judge": "coalmine_evals.judges.scorer:LlmJudge",
    "llm_judge_pairs": "coalmine_evals.judges.pairs:LlmJudgePairs",
}
"""Where those are that ask a judge, and name themselves by the judge and its model."""


def scorer_of(name: str, settings: Mapping[str, JsonValue] | None = None) -> Scorer:
    """Makes a scorer.

    Args:
        name: One that comes with Coalmine, the name of an entry point in `coalmine.scorers`, or a scorer of
            another tool, such as `autoevals:Factuality`.
        settings: Of the scorer; those not given have their defaults.

    Raises:
        InvalidPrompt: No scorer has this name, or its settings are not valid; the message names what is.
        MissingLibrary: It needs a package that is not installed.
    """
    settings = settings or {}
    if name in BUILT_IN:
        return cast("Scorer", made(_class_of(name), settings))
    if ":" in name:
        return tools.scorer_of(name, settings)
    if name in JUDGES:
        return cast("Scorer", _class_of(name).of(settings))
    if name in custom.names():
        return custom.scorer_of(name, settings)
    known = [*BUILT_IN, *JUDGES, *custom.names()]
    near = nearest(name, known)
    raise InvalidPrompt(
        "scorer", name, f"did you mean {near}?" if near else f"scorers are {', '.join(known)}"
    )


def known_scorers() -> list[KnownScorer]:
    """Every scorer that can be used by its name; those of other packages are not imported."""
    built_in = [
        KnownScorer(
            name=name,
            version=None if name in JUDGES else _class_of(name).name,
            origin="coalmine",
            description=" ".join((_class_of(name).__doc__ or "").split("\n\n")[0].split()),
            settings=tuple(_settings_of(_class_of(name).Settings if name in JUDGES else _class_of(name))),
        )
        for name in (*BUILT_IN, *JUDGES)
    ]
    return [*built_in, *custom.known()]


def _class_of(name: str) -> Any:  # noqa: ANN401 - a class of Scorer, whose name is known without an instance
    if name in BUILT_IN:
        return BUILT_IN[name]
    module, _, attribute = JUDGES[name].partition(":")
    return getattr(import_module(module), attribute)


def _settings_of(cls: type) -> Iterator[Setting]:
    assert is_dataclass(cls)
    for each in fields(cls):
        default = None if each.default is MISSING else each.default
        yield Setting(
            name=each.name,
            required=each.default is MISSING and each.default_factory is MISSING,
            default=list(default) if isinstance(default, tuple) else default,
            description=" ".join(descriptions(cls).get(each.name, "").split()),
        )
