"""Prompts for services: resolved from memory, followed in the background, rendered in the sandbox."""

from coalmine.prompts.poll_policy import PollPolicy
from coalmine.prompts.prompt import Prompt

__all__ = ["PollPolicy", "Prompt"]
