"""Contents and snapshots that tests of prompts share."""

from collections.abc import Mapping
from typing import Any

from coalmine_schemas.prompts import PromptContent, Snapshot, Variable

QUESTION = {"question": Variable()}


def content(template: str = "Answer: {{ question }}", **arguments: Any) -> PromptContent:
    """A text prompt that declares `question`."""
    return PromptContent(template=template, **{"variables": QUESTION, **arguments})


def snapshot_json(
    *,
    environment: str = "prod",
    revision: int = 1,
    version: str = "1.0.0",
    prompt: str = "support-refund",
) -> dict[str, Any]:
    """An environment that serves one version of one prompt, whose template says which."""
    return {
        "environment": environment,
        "revision": revision,
        "prompts": {prompt: {"revision": revision, "default": {"version": version}}},
        "contents": {f"{prompt}@{version}": content(f"v{version} {{{{ question }}}}").to_json()},
    }


def experiment_json(treatment: float = 0.1, *, revision: int = 2, epoch: int = 1) -> dict[str, Any]:
    """An environment with a rule for one tier and an experiment for the others."""
    contents: Mapping[str, PromptContent] = {
        f"support-refund@{version}": content(f"v{version} {{{{ question }}}}", model=f"model-{version}")
        for version in ("1.0.0", "1.1.0", "0.9.0")
    }
    return {
        "environment": "prod",
        "revision": revision,
        "prompts": {
            "support-refund": {
                "revision": revision,
                "default": {"experiment": "refund-tone"},
                "rules": [
                    {
                        "name": "careful",
                        "when": {"tier": ["enterprise", "public"], "country": ["DE"]},
                        "serve": {"version": "0.9.0"},
                    }
                ],
                "experiments": {
                    "refund-tone": {
                        "salt": "5c1f",
                        "allocation_epoch": epoch,
                        "arms": [
                            {"variant": "treatment", "version": "1.1.0", "weight": treatment},
                            {"variant": "control", "version": "1.0.0", "weight": 1.0 - treatment},
                        ],
                    }
                },
            }
        },
        "contents": {reference: each.to_json() for reference, each in contents.items()},
    }


def snapshot(value: dict[str, Any]) -> Snapshot:
    """The value read."""
    return Snapshot.from_json(value)
