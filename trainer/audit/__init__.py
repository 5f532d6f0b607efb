"""The audit of data sets: duplicates, leaks, contradictions, shortcuts; and a split without them."""

from __future__ import annotations

from trainer.audit.audit import Audit, audit
from trainer.audit.summary import AuditSummary, audit_split, summarised

__all__ = ["Audit", "AuditSummary", "audit", "audit_split", "summarised"]
