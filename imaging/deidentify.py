"""A DICOM header without its patient: PS3.15 Annex E, Basic Application Level Confidentiality Profile, with the option
Retain Longitudinal Temporal Information With Modified Dates. What each attribute gets is in `imaging.confidentiality`.

The result is a fixed function of header and key: the same file gives the same bytes. Pixel data is not touched; patient
data that is burned into it is not seen here.
"""

from __future__ import annotations

import base64
import re

from core.sealing import SiteKey
from imaging.confidentiality import EDITION, Action, action, profile_action, rows, vr_of
from imaging.dates import days_back, moved
from imaging.identity import PATIENT_ID, SOP_CLASS_UID, STUDY_INSTANCE_UID
from imaging.tree import Tree
from imaging.uids import is_standard, remapped
from imaging.walk import Encoding, Value

METHOD = f"Lucency: PS3.15 {EDITION} Basic Profile, dates modified"
# PS3.16 CID 7050.
METHOD_CODES = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
)

# What a dummy is, by value representation; 8 zero bytes for numbers fit each of them.
DUMMIES = {
    "AS": b"000Y", "AT": bytes(4), "DA": b"19000101", "DS": b"0", "DT": b"19000101000000", "FD": bytes(8),
    "FL": bytes(4), "IS": b"0", "OB": bytes(2), "OD": bytes(8), "OF": bytes(4), "OL": bytes(4), "OV": bytes(8),
    "OW": bytes(2), "SL": bytes(4), "SS": bytes(2), "SV": bytes(8), "TM": b"000000", "UL": bytes(4), "UN": bytes(2),
    "UR": b"about:blank", "US": bytes(2), "UV": bytes(8),
}  # fmt: skip
ANONYMOUS = b"ANONYMOUS"
# What a value of a kept element may look like (PS3.5 6.2), each of several; more digits than the standard allows are
# common. What does not fit is no such value and goes.
PLAIN = {
    "AS": re.compile(rb"[0-9]{3}[DWMY]"),
    "CS": re.compile(rb"[A-Za-z0-9 _-]{0,16}"),
    "DS": re.compile(rb"[0-9+\-.eE ]{0,64}"),
    "IS": re.compile(rb"[0-9+\- ]{0,32}"),
    "UI": re.compile(rb"[0-9.]{0,64}"),
}
WIDTHS = {"AT": 4, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8}
# PS3.6 leaves these open; a header that names one of them is believed.
OPEN = {"US or SS": ("US", "SS"), "US or OW": ("OW", "US"), "US or SS or OW": ("US", "SS", "OW")}


def patient_key(tree: Tree) -> str:
    """Text that stands for the patient: the Patient ID, or the Study's UID where there is none."""
    for tag in (PATIENT_ID, STUDY_INSTANCE_UID):
        node = tree.get(tag)
        if isinstance(node, Value) and (found := node.data.strip(b" \0")):
            return f"{tag:08x} {found.decode('latin-1')}"
    return ""


def pseudonym(patient_id: str, key: SiteKey) -> str:
    """The Patient ID that stands for `patient_id` (as in the file, bytes read as Latin-1); empty for an empty one."""
    original = patient_id.strip(" \0")
    if not original:
        return ""
    return "P" + base64.b32encode(key.keyed_hash(original, purpose="patient")[:10]).decode()


class Deidentifier:
    """The de-identification of one instance whose root is `tree`."""

    def __init__(self, tree: Tree, encoding: Encoding, key: SiteKey) -> None:
        self._tree = tree
        self._encoding = encoding
        self._key = key
        sop_class = tree.get(SOP_CLASS_UID)
        self._sop_class = sop_class.data.decode("latin-1").strip(" \0") if isinstance(sop_class, Value) else None
        self._days = days_back(patient_key(tree), key)

    def run(self) -> Tree:
        """The tree to be stored, with the record of what was done (PS3.15 E.1.1, PS3.3 C.7.1.1 and C.12.1)."""
        done = self._cleaned(self._tree)
        done[0x00120062] = Value(b"CS", b"YES ")
        done[0x00120063] = Value(b"LO", _even(METHOD.encode(), b" "))
        done[0x00120064] = [self._code(value, meaning) for value, meaning in METHOD_CODES]
        done[0x00280303] = Value(b"CS", b"MODIFIED")
        return done

    @staticmethod
    def _code(value: str, meaning: str) -> Tree:
        return {
            0x00080100: Value(b"SH", value.encode()),
            0x00080102: Value(b"SH", b"DCM "),
            0x00080104: Value(b"LO", _even(meaning.encode(), b" ")),
        }

    def _cleaned(self, tree: Tree) -> Tree:
        done: Tree = {}
        for tag, node in tree.items():
            what = action(tag, sop_class=self._sop_class)
            new = self._sequence(node, what) if isinstance(node, list) else self._value(tag, node, what)
            if new is not None:
                done[tag] = new
        return done

    def _sequence(self, items: list[Tree], what: Action) -> list[Tree] | None:
        if what is Action.KEEP:
            return [self._cleaned(item) for item in items]
        # The action is for the sequence and all its contents (E.1.1): a dummy is one item of nothing.
        if what is Action.DUMMY:
            return [{}]
        return [] if what is Action.EMPTY else None

    def _value(self, tag: int, value: Value, what: Action) -> Value | list[Tree] | None:
        vr = _vr(tag, value)
        if vr == "SQ":
            # Of a known length in UN: its items are not looked at, so that none of them may stay.
            return self._sequence([], Action.EMPTY if what is Action.KEEP else what)
        if what is Action.SHIFT:
            data = self._shifted(value.data, vr)
            if data is not None:
                return Value(vr.encode(), data)
            what = profile_action(tag, sop_class=self._sop_class) if tag in rows() else Action.REMOVE
        if value.vr == b"UN" and vr in WIDTHS and self._encoding.big_endian:
            return None  # PS3.5 6.2.2: what is in UN is little endian, whatever surrounds it
        data = self._new(tag, value.data, vr, what)
        return None if data is None else Value(vr.encode(), data)

    def _new(self, tag: int, data: bytes, vr: str, what: Action) -> bytes | None:
        if what is Action.EMPTY:
            return _even(pseudonym(data.decode("latin-1"), self._key).encode(), b" ") if tag == PATIENT_ID else b""
        if what is Action.DUMMY:
            return self._remapped(data or b"0") if vr == "UI" else _even(DUMMIES.get(vr, ANONYMOUS), b" ")
        if what is Action.REMAP:
            return self._remapped(data)
        if what is Action.STANDARD:
            return data if all(is_standard(uid) for uid in data.decode("latin-1").split("\\")) else None
        return data if what is Action.KEEP and _fits(data, vr) else None

    def _remapped(self, data: bytes) -> bytes:
        uids = data.decode("latin-1").split("\\")
        return _even("\\".join(remapped(uid, self._key) for uid in uids).encode(), b"\0")

    def _shifted(self, data: bytes, vr: str) -> bytes | None:
        texts = [text.strip(" \0") for text in data.decode("latin-1").split("\\")]
        new = [moved(text, vr, self._days) for text in texts]
        return None if None in new else _even("\\".join(text or "" for text in new).encode(), b" ")


def _vr(tag: int, value: Value) -> str:
    """The value representation to go by and to write: the standard's, for what a header says may be a lie."""
    vr = vr_of(tag) or "UN"
    named = (value.vr or b"").decode("latin-1")
    choices = OPEN.get(vr)
    if choices is not None:
        return named if named in choices else choices[0]
    return "OB" if vr == "OB or OW" else vr


def _fits(data: bytes, vr: str) -> bool:
    pattern = PLAIN.get(vr)
    if pattern is not None:
        return all(pattern.fullmatch(part.strip(b" \0")) for part in data.split(b"\\"))
    return len(data) % WIDTHS.get(vr, 1) == 0


def _even(data: bytes, pad: bytes) -> bytes:
    return data + pad * (len(data) % 2)
