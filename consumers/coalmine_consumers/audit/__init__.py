"""Whether everything adds up."""

from coalmine_consumers.audit.audit import audit
from coalmine_consumers.audit.backlog import waiting_before, waiting_in_spool
from coalmine_consumers.audit.report import AuditReport, Check, Identity, as_json, as_text

__all__ = [
    "AuditReport",
    "Check",
    "Identity",
    "as_json",
    "as_text",
    "audit",
    "waiting_before",
    "waiting_in_spool",
]
