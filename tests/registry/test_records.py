"""What the registry returns is what the API serves: documents read back as the same values."""

import subprocess
import sys
from typing import Any

import pytest
from pydantic import TypeAdapter

from coalmine_registry.records import (
    AuditEntry,
    DeploymentRecord,
    Diff,
    ExperimentRecord,
    Hygiene,
    NewToken,
    Policy,
    Promotion,
    PromptSummary,
    Registered,
    ServedVersion,
    TokenRecord,
    VersionRecord,
)
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import Rule, ServeVersion
from coalmine_schemas.results import Page
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import ADMIN, ANN, BOB, PROMPT, arms, push, serve


def _values(registry: Registry) -> list[tuple[Any, object]]:
    serve(registry, "1.0.0", "1.1.0")
    push(registry, "1.2.0")
    rule = Rule("vip", {"tier": ("gold", "silver")}, ServeVersion("1.0.0"))
    registry.set_rules(BOB, "prod", PROMPT, [rule])
    registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.0.0", "1.1.0"), reason="try")
    registry.set_weights(BOB, "tone", {"treatment": 0.5})
    token = registry.tokens.create(ADMIN, "zoe", "author")
    return [
        (Registered, registry.classify(PROMPT, "2.0.0", content("Something else", variables={}))),
        (VersionRecord, registry.version(PROMPT, "1.1.0")),
        (Page[VersionRecord], registry.versions(PROMPT, limit=2)),
        (Page[PromptSummary], registry.prompts()),
        (Diff, registry.diff(PROMPT, "1.0.0", "1.1.0")),
        (Policy, registry.policy("prod")),
        (Promotion, registry.promote(ANN, PROMPT, "1.1.0", "staging")),
        (Page[Promotion], registry.promotions()),
        (DeploymentRecord, registry.deployment("prod", PROMPT)),
        (list[ServedVersion], registry.served_versions("prod", PROMPT)),
        (ExperimentRecord, registry.experiment("tone")),
        (Page[ExperimentRecord], registry.experiments()),
        (Hygiene, registry.hygiene({}, keep_newest=0, idle_days=0)),
        (Page[AuditEntry], registry.audit_log()),
        (NewToken, token),
        (TokenRecord, registry.tokens.revoke(ADMIN, token.id)),
    ]


def test_every_value_reads_back_from_its_document(registry: Registry) -> None:
    for kind, value in _values(registry):
        adapter = TypeAdapter[Any](kind)
        assert adapter.validate_json(adapter.dump_json(value)) == value


_SERVED = (
    *(AuditEntry, DeploymentRecord, Diff, ExperimentRecord, Hygiene, NewToken, Policy, Promotion),
    *(PromptSummary, Registered, ServedVersion, TokenRecord, VersionRecord),
)


@pytest.mark.parametrize("kind", _SERVED)
def test_every_field_is_described_and_required(kind: Any) -> None:
    document = TypeAdapter[Any](kind).json_schema(mode="serialization")
    for schema in (document, *document.get("$defs", {}).values()):
        assert schema["description"]
        assert list(schema.get("properties", {})) == schema.get("required", [])
        for name, field in schema.get("properties", {}).items():
            assert len(field["description"].split()) > 2, (schema["title"], name)


def test_values_can_be_used_without_a_database() -> None:
    program = """
import sys
import coalmine_registry.records, coalmine_registry.prompt_files.diff
print([name for name in ("sqlalchemy", "pydantic", "coalmine_registry.registry") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
