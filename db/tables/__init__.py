"""The tables, by subject. UUIDv7 keys made here, times `timestamptz` by the database's clock."""

from __future__ import annotations

from db.tables.audit import AuditHead, AuditRecord
from db.tables.base import Base, quoted
from db.tables.batches import Batch, BatchItem
from db.tables.deliveries import Delivery, DeliveryRule
from db.tables.feedback import Feedback
from db.tables.images import Image, SealedIdentity, Study
from db.tables.jobs import ACTIVE_STATES, UNSUCCESSFUL_STATES, WORKED_STATES, Job, JobEvent
from db.tables.models import ModelVersion, ModelVersionEvent, ShadowPrediction
from db.tables.predictions import Explanation, Finding, Prediction
from db.tables.sites import ApiKey, Site, SitePolicy
from db.tables.studies import StudyResult
from db.tables.users import Membership, Stranger, User, UserSession
from db.tables.workers import Worker

__all__ = [
    "ACTIVE_STATES",
    "UNSUCCESSFUL_STATES",
    "WORKED_STATES",
    "ApiKey",
    "AuditHead",
    "AuditRecord",
    "Base",
    "Batch",
    "BatchItem",
    "Delivery",
    "DeliveryRule",
    "Explanation",
    "Feedback",
    "Finding",
    "Image",
    "Job",
    "JobEvent",
    "Membership",
    "ModelVersion",
    "ModelVersionEvent",
    "Prediction",
    "SealedIdentity",
    "ShadowPrediction",
    "Site",
    "SitePolicy",
    "Stranger",
    "Study",
    "StudyResult",
    "User",
    "UserSession",
    "Worker",
    "quoted",
]
