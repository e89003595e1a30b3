"""Audits of a store: messages, ledger, rows, files, dead letters, rollups and cells must add up."""

from coalmine_consumers.audit.audit import audit
from coalmine_consumers.audit.backlog import waiting_in_spool

__all__ = ["audit", "waiting_in_spool"]
