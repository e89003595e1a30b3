"""Tokens that are for some prompts: what each route does with them, decided and enforced in one place."""

from coalmine_server.api.prompt_scope.decisions import DECISIONS, Decision
from coalmine_server.api.prompt_scope.middleware import PromptScopeMiddleware

__all__ = ["DECISIONS", "Decision", "PromptScopeMiddleware"]
