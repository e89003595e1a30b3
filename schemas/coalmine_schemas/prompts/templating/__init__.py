"""Renders prompts in a sandbox: a template reads values and nothing else, and its work is bounded."""

from coalmine_schemas.prompts.syntax import MAX_NODES
from coalmine_schemas.prompts.templating.budget import MAX_CPU_S, MAX_OUTPUT_CHARS, MAX_STEPS
from coalmine_schemas.prompts.templating.compiled import CompiledPrompt, check_template, compile_prompt
from coalmine_schemas.prompts.templating.rewrite import MAX_INCLUDE_DEPTH, MAX_NESTING, Lookup

__all__ = [
    "MAX_CPU_S",
    "MAX_INCLUDE_DEPTH",
    "MAX_NESTING",
    "MAX_NODES",
    "MAX_OUTPUT_CHARS",
    "MAX_STEPS",
    "CompiledPrompt",
    "Lookup",
    "check_template",
    "compile_prompt",
]
