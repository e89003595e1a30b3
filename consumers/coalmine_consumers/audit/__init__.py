"""Whether everything adds up."""

from coalmine_consumers.audit.audit import audit
from coalmine_consumers.audit.report import AuditReport, Check, Identity

__all__ = ["AuditReport", "Check", "Identity", "audit"]
