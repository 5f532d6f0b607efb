"""Which of an instance's forms an Accept field takes (PS3.18 sections 8.7.3 and 8.7.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.dicomweb.media_types import ANY, DICOM, DICOM_JSON, JSON, OCTETS, MediaType
from core import transfer_syntaxes as syntaxes
from core.errors import NotAcceptable
from imaging.decode_requests import PictureFormat


@dataclass(frozen=True, slots=True)
class Form:
    """How something is sent: its media type and transfer syntax, as it is stored or decoded; in parts or alone."""

    media_type: str
    transfer_syntax: str
    decoded: bool
    related: bool

    @property
    def content_type(self) -> str:
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}"


def dicom_form(stored_syntax: str, accepted: Sequence[MediaType], *, alone: bool) -> Form:
    """The form of an instance as a file; `alone` tells that it may be sent without multipart.

    Without a transfer syntax that is Explicit VR Little Endian, the default of PS3.18; `*` is as it is stored. Raises
    NotAcceptable.
    """
    for wanted in accepted:
        if not wanted.takes(DICOM) or not (wanted.is_related or alone or wanted.type in ("*/*", "multipart/*")):
            continue
        related = wanted.is_related or wanted.type != DICOM
        syntax = wanted.transfer_syntax or syntaxes.EXPLICIT
        if syntax in (ANY, stored_syntax):
            return Form(DICOM, stored_syntax, decoded=False, related=related)
        if syntax == syntaxes.EXPLICIT:
            return Form(DICOM, syntax, decoded=True, related=related)
    raise NotAcceptable("An instance is given as application/dicom, in its own transfer syntax or in Explicit VR LE.")


def frame_form(stored_syntax: str, accepted: Sequence[MediaType]) -> Form:
    """The form of a frame, or of the pixel data as bulk data: as octets decoded, or the codestream as it is stored.

    Octets of any transfer syntax (`*`) are the codestream too: viewers that ask so decode it themselves. Raises
    NotAcceptable.
    """
    names = syntaxes.CODESTREAMS.get(stored_syntax, ())
    for wanted in accepted:
        syntax, related = wanted.transfer_syntax, wanted.is_related or wanted.type.endswith("/*")
        if wanted.takes(OCTETS):
            if names and syntax in (ANY, stored_syntax):
                return Form(OCTETS, stored_syntax, decoded=False, related=related)
            if syntax in (None, ANY, syntaxes.EXPLICIT):
                return Form(OCTETS, syntaxes.EXPLICIT, decoded=True, related=related)
        named = next((name for name in names if wanted.takes(name)), None)
        if named is not None and syntax in (None, ANY, stored_syntax):
            return Form(named, stored_syntax, decoded=False, related=related)
    raise NotAcceptable("A frame is given as application/octet-stream, or in the media type that it is stored in.")


def octets_form(accepted: Sequence[MediaType]) -> Form:
    """The form of bulk data that is no pixel data. Raises NotAcceptable."""
    for wanted in accepted:
        if wanted.takes(OCTETS):
            related = wanted.is_related or wanted.type.endswith("/*")
            return Form(OCTETS, syntaxes.EXPLICIT, decoded=True, related=related)
    raise NotAcceptable("Bulk data is given as application/octet-stream.")


def picture_format(accepted: Sequence[MediaType]) -> PictureFormat:
    """JPEG unless PNG is preferred (PS3.18 table 8.7.4-1). Raises NotAcceptable."""
    for wanted in accepted:
        for form in PictureFormat:
            if wanted.takes(form.media_type):
                return form
    raise NotAcceptable("A rendered picture is given as image/jpeg or image/png.")


def json_type(accepted: Sequence[MediaType]) -> str:
    """application/dicom+json, or application/json where only that is taken. Raises NotAcceptable."""
    for wanted in accepted:
        for form in (DICOM_JSON, JSON):
            if wanted.takes(form) and not wanted.is_related:
                return form
    raise NotAcceptable("Metadata is given as application/dicom+json.")
