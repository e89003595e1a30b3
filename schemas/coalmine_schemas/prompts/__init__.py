"""Prompts as values: content and digest, what an environment serves, who gets which version."""

from coalmine_schemas.prompts.assignment import Arm, assignment_point, check_arms, choose_arm, percent
from coalmine_schemas.prompts.content import Message, PromptContent, PromptKind
from coalmine_schemas.prompts.errors import (
    InvalidPrompt,
    InvalidSnapshot,
    InvalidTemplate,
    InvalidVariable,
    MissingVariables,
    RenderError,
    RenderLimitExceeded,
    UnknownEnvironment,
    UnknownPrompt,
)
from coalmine_schemas.prompts.json_values import JsonValue, canonical_json
from coalmine_schemas.prompts.names import check_prompt_name, check_version, parse_reference, reference_to
from coalmine_schemas.prompts.resolve import PREFERRED, Choice, resolve
from coalmine_schemas.prompts.snapshot import (
    Experiment,
    Rule,
    Serve,
    ServedPrompt,
    ServeExperiment,
    ServeVersion,
    Snapshot,
    served_words,
)
from coalmine_schemas.prompts.variables import Variable, VariableType

__all__ = [
    "PREFERRED",
    "Arm",
    "Choice",
    "Experiment",
    "InvalidPrompt",
    "InvalidSnapshot",
    "InvalidTemplate",
    "InvalidVariable",
    "JsonValue",
    "Message",
    "MissingVariables",
    "PromptContent",
    "PromptKind",
    "RenderError",
    "RenderLimitExceeded",
    "Rule",
    "Serve",
    "ServeExperiment",
    "ServeVersion",
    "ServedPrompt",
    "Snapshot",
    "UnknownEnvironment",
    "UnknownPrompt",
    "Variable",
    "VariableType",
    "assignment_point",
    "canonical_json",
    "check_arms",
    "check_prompt_name",
    "check_version",
    "choose_arm",
    "parse_reference",
    "percent",
    "reference_to",
    "resolve",
    "served_words",
]
