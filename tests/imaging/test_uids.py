"""Remapped UIDs: valid, the same each time, another one at another Site, and nothing that leads back."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID, ExplicitVRLittleEndian

from core.sealing import SiteKey
from imaging.dictionary import uids, vrs
from imaging.uids import remapped

KEY, OTHER = SiteKey(b"k" * 32), SiteKey(b"o" * 32)
UIDS = st.lists(st.integers(0, 10**9), min_size=2, max_size=6).map(lambda parts: "1.3." + ".".join(map(str, parts)))


@given(UIDS)
def test_remapped_uid_is_valid_stable_and_the_sites_own(uid: str) -> None:
    found = remapped(uid, KEY)
    assert UID(found).is_valid
    assert found.startswith("2.25.")
    assert found == remapped(f"{uid}\0", KEY) == remapped(f" {uid} ", KEY)
    assert found != remapped(uid, OTHER)
    assert remapped(found, KEY) != found


def test_the_dictionary_is_pydicoms() -> None:
    from pydicom._dicom_dict import DicomDictionary

    assert vrs() == {tag: entry[0] for tag, entry in DicomDictionary.items()}
    # In a process of its own: pynetdicom adds to pydicom's table where it is loaded.
    printed = "from pydicom._uid_dict import UID_dictionary; print(*UID_dictionary)"
    known = subprocess.run([sys.executable, "-c", printed], capture_output=True, text=True, check=True).stdout
    assert uids() == set(known.split())


def test_two_uids_never_meet() -> None:
    assert len({remapped(f"1.2.3.{number}", KEY) for number in range(20_000)}) == 20_000


def test_uids_of_the_standard_and_empty_ones_stay() -> None:
    assert remapped(ExplicitVRLittleEndian, KEY) == ExplicitVRLittleEndian
    assert remapped("1.2.840.10008.5.1.4.1.1.1", KEY) == "1.2.840.10008.5.1.4.1.1.1"
    assert remapped("", KEY) == "" == remapped("\0", KEY)
    # Beside them, what only looks like theirs does not.
    assert remapped("1.2.840.10008.5.1.4.1.1.1.999", KEY).startswith("2.25.")
