"""The one error tree. Each class has a stable wire code and the HTTP status it answers with.

`detail` is written for clients: it never holds internal text, paths or patient data. The cause (`raise … from …`)
goes to the log only.
"""

from __future__ import annotations

from typing import Any, ClassVar


class LucencyError(Exception):
    """The root. `retryable` says whether the same request or job may succeed later without a change."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.retry_after = retry_after
        # The whole problem object, where this error came as one from the API (`lucency.client`).
        self.problem: dict[str, Any] = {}
        # And the HTTP status that it came with; a proxy's answer has nothing else.
        self.answered: int | None = None


# --- What a client sent ---------------------------------------------------------------------------------------------


class InputRejected(LucencyError):
    """The input cannot be accepted; nothing of it is kept. Permanent."""

    code = "input_rejected"
    status = 422
    title = "Input rejected"


class RequestInvalid(InputRejected):
    code, title = "request_invalid", "A field of the request is invalid"


class EmailInvalid(RequestInvalid):
    code, title = "email_invalid", "That is not an e-mail address"


class TargetRefused(RequestInvalid):
    code, title = "target_refused", "The target's address is not one that deliveries may go to"


class UploadEmpty(InputRejected):
    code, status, title = "upload_empty", 400, "The upload is empty"


class MediaTypeUnsupported(InputRejected):
    code, status, title = "media_type_unsupported", 415, "The request's media type is not supported"


class MultipartMalformed(InputRejected):
    code, status, title = "multipart_malformed", 400, "The multipart body is malformed or lacks its file part"


class UploadTooLarge(InputRejected):
    code, status, title = "upload_too_large", 413, "The upload is too large"


class UploadTooSlow(InputRejected):
    code, status, title = "upload_too_slow", 408, "The upload took too long"


class TypeUnsupported(InputRejected):
    code, status, title = "type_unsupported", 415, "Not a DICOM, PNG or JPEG file"


class AcceptMalformed(InputRejected):
    code, status, title = "accept_malformed", 400, "A media type of the request cannot be read"


class NotAcceptable(InputRejected):
    code, status, title = "not_acceptable", 406, "None of the accepted media types can be given"


class TypeMismatch(InputRejected):
    code, title = "type_mismatch", "The content is not what the file name or media type says"


class DicomInvalid(InputRejected):
    code, title = "dicom_invalid", "Not a valid DICOM file"


class DicomTruncated(InputRejected):
    code, title = "dicom_truncated", "The DICOM file ends before its last element does"


class DicomTooDeep(InputRejected):
    code, title = "dicom_too_deep", "The DICOM file nests sequences too deeply"


class DecompressedTooLarge(InputRejected):
    code, title = "decompressed_too_large", "The file inflates beyond the limit"


class Polyglot(InputRejected):
    code, title = "polyglot", "The file is also a program, script or archive"


class TransferSyntaxUnsupported(InputRejected):
    code, status, title = "transfer_syntax_unsupported", 415, "The transfer syntax is not supported"


class NotApplicable(InputRejected):
    code, title = "not_applicable", "Not a single-frame projection radiograph"


class PixelsTooLarge(InputRejected):
    code, title = "pixels_too_large", "The image has too many pixels"


class PixelsInconsistent(InputRejected):
    code, title = "pixels_inconsistent", "The image's header is at odds with its pixel data"


class StudyMismatch(InputRejected):
    code, status, title = "study_mismatch", 409, "The instance is of another study than the request names"


class BurnedInPhi(InputRejected):
    code, title = "burned_in_phi", "The image says that it has patient data burned into its pixels"


class ImageInvalid(InputRejected):
    code, title = "image_invalid", "The image file is damaged"


class ImageTruncated(InputRejected):
    code, title = "image_truncated", "The image file ends before its data does"


class ImageAnimated(InputRejected):
    code, status, title = "image_animated", 415, "Animated images are not supported"


class ImageColoured(InputRejected):
    code, title = "image_coloured", "A radiograph is grey; this image's channels differ"


class ArchiveUnsafe(InputRejected):
    code, title = "archive_unsafe", "The archive is unsafe; nothing of it was taken"


class NotInManifest(InputRejected):
    code, title = "not_in_manifest", "The file is not in the batch's manifest, or was altered since"


class NotReceived(InputRejected):
    code, title = "not_received", "The file was not sent before the batch was completed"


class BatchCancelled(InputRejected):
    code, title = "batch_cancelled", "The batch was cancelled before the file was sent"


class PasswordUnfit(InputRejected):
    code, title = "password_unfit", "A password has 12 to 1024 characters"


class PasswordWrong(InputRejected):
    code, title = "password_wrong", "That is not the current password"


class IdempotencyMismatch(InputRejected):
    code, title = "idempotency_mismatch", "The Idempotency-Key was used with another request"


# --- Whether this client may, and whether the thing is there ---------------------------------------------------------


class Unauthorized(LucencyError):
    code, status, title = "unauthorized", 401, "A valid API key, or a sign-in, is needed"


class SignInRefused(Unauthorized):
    """One answer for an unknown address, a wrong password, a disabled user and one without a password."""

    code, title = "sign_in_refused", "The e-mail address or the password is wrong"


class SignInLocked(LucencyError):
    code, status, title, retryable = "sign_in_locked", 429, "Too many wrong passwords; wait before the next try", True


class Forbidden(LucencyError):
    code, status, title = "forbidden", 403, "The scopes of the API key, or the user's role, do not allow this"


class CsrfFailed(Forbidden):
    code, title = "csrf_failed", "The request did not come from a page of this server with the session's CSRF token"


class HttpsNeeded(Forbidden):
    code, title = "https_needed", "Signing in needs HTTPS: browsers keep no safe cookie for a plain HTTP address"


class ImageHeld(Forbidden):
    code, title = "image_held", "An administrator must look at the image first"


class NotFound(LucencyError):
    code, status, title = "not_found", 404, "Not found"


class UploadMissing(NotFound):
    code, title = "upload_missing", "Nothing was stored under the upload's address"


class Conflict(LucencyError):
    code, status, title = "conflict", 409, "Conflict"


class NameTaken(Conflict):
    code, title = "name_taken", "There is one of this name"


class AlreadyMember(Conflict):
    code, title = "already_member", "The user is a member of the Site already"


class OwnAccount(Conflict):
    code, title = "own_account", "That is the caller's own account"


class InstanceConflict(Conflict):
    code, title = "instance_conflict", "This SOP Instance UID is known with other content"


class IdempotencyInProgress(Conflict):
    code, title = "idempotency_in_progress", "A request with this Idempotency-Key is still in progress"
    retryable = True


class TransitionIllegal(Conflict):
    code, title = "transition_illegal", "The job's state does not allow this"


class ModelMoveIllegal(Conflict):
    code, title = "model_move_illegal", "The model's state does not allow this"


class BatchClosed(Conflict):
    code, title = "batch_closed", "The batch is complete and takes no more files"


class ResultNotReady(Conflict):
    code, title = "result_not_ready", "The job has no result"


class QuotaExceeded(LucencyError):
    code, status, title, retryable = "quota_exceeded", 429, "The site's limit of active jobs is reached", True


class TooManyStreams(LucencyError):
    code, status, title, retryable = "too_many_streams", 429, "Too many event streams are open", True


class StorageQuotaExceeded(LucencyError):
    code, status, title = "storage_quota_exceeded", 507, "The site's limit of stored images is reached"


# --- What is out of order on our side --------------------------------------------------------------------------------


class Unavailable(LucencyError):
    """A server we need is away. Always worth another try."""

    code, status, title, retryable = "unavailable", 503, "Temporarily unavailable", True


class QueueFull(Unavailable):
    code, title = "queue_full", "The queue is full"


class DatabaseUnavailable(Unavailable):
    code, title = "database_unavailable", "The database is temporarily unavailable"


class StoreUnavailable(Unavailable):
    code, title = "store_unavailable", "The object store is temporarily unavailable"


class BrokerUnavailable(Unavailable):
    code, title = "broker_unavailable", "The broker is temporarily unavailable"


class IdentityKeyMissing(Unavailable):
    code, title = "identity_key_missing", "Patient data is not taken: this installation has no identity key"


class NoActiveModel(Unavailable):
    code, title = "no_active_model", "No model is active"


class DiskFull(Unavailable):
    code, status, title = "disk_full", 507, "No space is left for the upload"


# --- What ends a job's attempt ---------------------------------------------------------------------------------------


class DecodeFailed(LucencyError):
    """The pixel data cannot be decoded, or the decoder crashed or ran out of its limits on it. Permanent."""

    code, status, title = "decode_failed", 422, "The pixel data cannot be decoded"


class InputIntegrity(LucencyError):
    code, title = "input_integrity", "The stored image is missing or was altered"


class ModelOutputInvalid(LucencyError):
    code, title = "model_output_invalid", "The model gave no finite numbers for this image"


class EngineFailed(LucencyError):
    code, title, retryable = "engine_failed", "The inference engine failed", True


class WorkerCrashed(LucencyError):
    code, title, retryable = "worker_crashed", "The worker process died while running this job", True


class DeadlineExceeded(LucencyError):
    code, title = "deadline_exceeded", "The job's deadline passed before it was run"


# --- Bundles and the command line ------------------------------------------------------------------------------------


class SealBroken(LucencyError):
    code, title = "seal_broken", "Sealed data cannot be opened: another key, or it was altered"


class DeliveryFailed(LucencyError):
    """A result did not reach its target. `retryable` tells whether another try may."""

    code, status, title, retryable = "delivery_failed", 502, "The result could not be delivered", True


class DeliveryRefused(DeliveryFailed):
    code, title, retryable = "delivery_refused", "The target refuses the result", False


class DeliveryAddressRefused(DeliveryRefused):
    code, title = "delivery_address_refused", "The target's address is not one that deliveries may go to"


class AuditBroken(LucencyError):
    code, title = "audit_broken", "The audit log was altered or is incomplete"


class GatewayFailed(LucencyError):
    code, title = "gateway_failed", "The DICOM gateway could not be started"


class ObjectMissing(LucencyError):
    """No object has this key. Callers turn it into what it means for them."""

    code, title = "object_missing", "The object does not exist"


class BundleInvalid(LucencyError):
    code, status, title = "bundle_invalid", 409, "The Bundle is damaged or of an unknown format"


class SplitLeaks(LucencyError):
    code, title = "split_leaks", "The split of the training data leaks"


class DataInvalid(LucencyError):
    code, title = "data_invalid", "The data set cannot be read"


class RecipeInvalid(LucencyError):
    code, title = "recipe_invalid", "The recipe cannot be used"


class TrainingFailed(LucencyError):
    code, title = "training_failed", "The training cannot go on"


class StackFailed(LucencyError):
    """A process of the local stack did not start."""

    code, title = "stack_failed", "The local stack could not be started"
