"""The words that tables, messages, JSON and the UI share. Their values are stored and sent: never rename one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class JobState(StrEnum):
    """The states of a Job; `db.repositories.jobs` alone moves it between them."""

    HELD = "held"  # in quarantine, until an administrator releases it
    QUEUED = "queued"
    RUNNING = "running"
    RETRY_WAIT = "retry_wait"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DEAD = "dead"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset(
    {JobState.SUCCEEDED, JobState.FAILED, JobState.DEAD, JobState.CANCELLED, JobState.EXPIRED},
)
CLAIMABLE_STATES = frozenset({JobState.QUEUED, JobState.RETRY_WAIT})


class JobEventKind(StrEnum):
    """What happened to a Job: one JobEvent each, append-only."""

    SUBMITTED = "submitted"
    CLAIMED = "claimed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRY_SCHEDULED = "retry_scheduled"
    RELEASED = "released"
    LEASE_EXPIRED = "lease_expired"
    DIED = "died"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REPLAYED = "replayed"


class MediaKind(StrEnum):
    """What an upload is, told by its content."""

    DICOM = "dicom"
    PNG = "png"
    JPEG = "jpeg"

    @property
    def content_type(self) -> str:
        return {"dicom": "application/dicom", "png": "image/png", "jpeg": "image/jpeg"}[self.value]


class ModelState(StrEnum):
    """The states of a ModelVersion; at most one is active."""

    CANDIDATE = "candidate"
    ACTIVE = "active"
    SHADOW = "shadow"
    RETIRED = "retired"


class ModelVerb(StrEnum):
    """What an administrator does with a ModelVersion."""

    ACTIVATE = "activate"
    SHADOW = "shadow"
    RETIRE = "retire"


# The state that a verb leads to; a pair that is not here is refused. The active version is only ever replaced by
# another, so that jobs always have one; to shadow a shadow again changes its share.
MODEL_MOVES = {
    (ModelState.CANDIDATE, ModelVerb.ACTIVATE): ModelState.ACTIVE,
    (ModelState.CANDIDATE, ModelVerb.SHADOW): ModelState.SHADOW,
    (ModelState.CANDIDATE, ModelVerb.RETIRE): ModelState.RETIRED,
    (ModelState.ACTIVE, ModelVerb.ACTIVATE): ModelState.ACTIVE,
    (ModelState.SHADOW, ModelVerb.ACTIVATE): ModelState.ACTIVE,
    (ModelState.SHADOW, ModelVerb.SHADOW): ModelState.SHADOW,
    (ModelState.SHADOW, ModelVerb.RETIRE): ModelState.RETIRED,
    (ModelState.RETIRED, ModelVerb.ACTIVATE): ModelState.ACTIVE,
    (ModelState.RETIRED, ModelVerb.SHADOW): ModelState.SHADOW,
    (ModelState.RETIRED, ModelVerb.RETIRE): ModelState.RETIRED,
}


class ModelEventKind(StrEnum):
    """What happened to a ModelVersion: one ModelVersionEvent each, append-only."""

    REGISTERED = "registered"
    ACTIVATED = "activated"
    ROLLED_BACK = "rolled_back"
    REPLACED = "replaced"
    SHADOWED = "shadowed"
    RETIRED = "retired"


class Decision(StrEnum):
    """A Finding's decision: its probability against its threshold."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


class ThreeWay(StrEnum):
    """The conformal decision of a Finding: `refer` where the stated coverage allows neither answer alone."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    REFER = "refer"


class SanityFlag(StrEnum):
    """What may be wrong with an image that could be decoded. It still gets its figures, but is referred."""

    NOT_RADIOGRAPH = "not_radiograph"
    UNSUPPORTED_REGION = "unsupported_region"
    INVERTED_POLARITY = "inverted_polarity"
    BLURRED = "blurred"
    TOO_SMALL = "too_small"


class EngineName(StrEnum):
    """The inference engines (`networks.engines`)."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"
    TENSORFLOW = "tensorflow"


class BatchState(StrEnum):
    """A Batch takes files while it is open; `complete` closes it, and what was not sent by then is rejected."""

    OPEN = "open"
    CLOSED = "closed"


class BatchItemState(StrEnum):
    """What became of a file of a manifest. All but `awaiting` are final."""

    AWAITING = "awaiting"
    JOB = "job"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class DicomObject:
    """What an instance of a report is: SOP class (PS3.4 table B.5-1) and Modality; its series' number and name."""

    sop_class: str
    modality: str
    series_number: int
    series_name: str


@dataclass(frozen=True, slots=True)
class ReportForm:
    """A report's media type, and how a file of it is named after the job's id; of DICOM the kind of object.

    `pictures`: it is drawn from the result's pictures. `identity`: it can name the patient and the original UIDs.
    """

    media_type: str
    suffix: str
    pictures: bool = False
    identity: bool = False
    dicom: DicomObject | None = None


def _dicom(suffix: str, made: DicomObject, *, pictures: bool = False) -> ReportForm:
    return ReportForm("application/dicom", suffix, pictures, identity=True, dicom=made)


class ReportKind(StrEnum):
    """The forms of one result (`reports`)."""

    JSON = "json"
    OVERLAY = "overlay"
    PDF = "pdf"
    SR = "sr"
    SC = "sc"
    GSPS = "gsps"
    FHIR = "fhir"
    CSV = "csv"

    @property
    def form(self) -> ReportForm:
        """What is true of it wherever it is made, asked for or sent."""
        return _REPORT_FORMS[self]


_REPORT_FORMS = {
    ReportKind.JSON: ReportForm("application/json", ".json"),
    ReportKind.OVERLAY: ReportForm("image/png", ".png", pictures=True),
    ReportKind.PDF: ReportForm("application/pdf", ".pdf", pictures=True, identity=True),
    # Series of high numbers, so that a viewer lists them behind the study's own.
    ReportKind.SR: _dicom(".sr.dcm", DicomObject("1.2.840.10008.5.1.4.1.1.88.33", "SR", 9901, "AI findings")),
    ReportKind.SC: _dicom(".sc.dcm", DicomObject("1.2.840.10008.5.1.4.1.1.7", "OT", 9902, "AI heatmap"), pictures=True),
    ReportKind.GSPS: _dicom(".gsps.dcm", DicomObject("1.2.840.10008.5.1.4.1.1.11.1", "PR", 9903, "AI regions")),
    ReportKind.FHIR: ReportForm("application/fhir+json", ".fhir.json", identity=True),
    ReportKind.CSV: ReportForm("text/csv; charset=utf-8", ".csv"),
}
DICOM_REPORTS = {kind: kind.form.dicom for kind in ReportKind if kind.form.dicom is not None}


@dataclass(frozen=True, slots=True)
class DeliveryForm:
    """A way out's name in sentences. `node`: its target is a DICOM node, else a URL.

    `reports`: it carries DICOM reports of jobs that succeeded, else a message of how jobs ended, which it signs.
    `authorization`: it takes a header of that name.
    """

    title: str
    node: bool = False
    reports: bool = False
    authorization: bool = False


class DeliveryKind(StrEnum):
    """How a result leaves."""

    # `worker.deliveries` has a module of the same name for each.
    C_STORE = "c_store"
    STOW = "stow"
    WEBHOOK = "webhook"

    @property
    def form(self) -> DeliveryForm:
        """What is true of it wherever a rule is made or followed."""
        return _DELIVERY_FORMS[self]


_DELIVERY_FORMS = {
    DeliveryKind.C_STORE: DeliveryForm("C-STORE", node=True, reports=True),
    DeliveryKind.STOW: DeliveryForm("STOW", reports=True, authorization=True),
    DeliveryKind.WEBHOOK: DeliveryForm("A webhook"),
}


class DeliveryState(StrEnum):
    """A Delivery is tried again from `pending` until it is delivered, or dead when its attempts are spent."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class BurnedInPolicy(StrEnum):
    """What a Site does with an image whose header says that patient data may be burned into its pixels."""

    REFUSE = "refuse"
    QUARANTINE = "quarantine"
    ACCEPT = "accept"


class StudyRule(StrEnum):
    """How the probabilities of a Study's images become one."""

    MEAN = "mean"
    MAX = "max"


class StudyState(StrEnum):
    """A Study is open while images may still come, settled when it was quiet long enough and judged."""

    OPEN = "open"
    SETTLED = "settled"


class AuditAction(StrEnum):
    """What was done with patient data or with the place itself: one AuditRecord each, append-only and hash-chained."""

    IMAGE_RECEIVED = "image_received"
    IMAGE_RETRIEVED = "image_retrieved"
    IDENTITY_OPENED = "identity_opened"
    RESULT_EXPORTED = "result_exported"
    RESULT_DELIVERED = "result_delivered"
    QUARANTINE_RELEASED = "quarantine_released"
    JOBS_CANCELLED = "jobs_cancelled"
    JOBS_REPLAYED = "jobs_replayed"
    ERASED = "erased"
    EXPIRED = "expired"
    SITE_CHANGED = "site_changed"
    KEY_ISSUED = "key_issued"
    KEY_REVOKED = "key_revoked"
    SIGNED_IN = "signed_in"
    SIGN_IN_LOCKED = "sign_in_locked"
    USER_ADDED = "user_added"
    USER_CHANGED = "user_changed"
    WORKER_CONTROLLED = "worker_controlled"
    MODEL_MOVED = "model_moved"
    FEEDBACK_GIVEN = "feedback_given"


class Scope(StrEnum):
    """What an API key, or a user by its role, may do.

    `admin` includes `submit` and `read` at its Site; `operate`, which
    is for the platform as a whole (models, workers, Sites), is included in nothing.
    """

    SUBMIT = "submit"
    READ = "read"
    ADMIN = "admin"
    OPERATE = "operate"


class Role(StrEnum):
    """What a user may do at one Site."""

    VIEWER = "viewer"
    SUBMITTER = "submitter"
    ADMIN = "admin"

    @property
    def scopes(self) -> frozenset[Scope]:
        return ROLE_SCOPES[self]


ROLE_SCOPES = {
    Role.VIEWER: frozenset({Scope.READ}),
    Role.SUBMITTER: frozenset({Scope.READ, Scope.SUBMIT}),
    Role.ADMIN: frozenset({Scope.READ, Scope.SUBMIT, Scope.ADMIN}),
}


class SignIn(StrEnum):
    """How a user proved who they are."""

    PASSWORD = "password"  # noqa: S105 — the name of a way, no secret
    OIDC = "oidc"


class Verdict(StrEnum):
    """What a reader says of a Finding's decision."""

    ACCEPT = "accept"
    REJECT = "reject"


class WorkerWish(StrEnum):
    """What an operator wants of a worker: to go on, to claim nothing more, or to end and be started anew."""

    RUN = "run"
    DRAIN = "drain"
    RESTART = "restart"


DISCLAIMER = "Not a medical device. For research and education; not for clinical use or primary diagnosis."
