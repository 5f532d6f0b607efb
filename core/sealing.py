"""Keys and sealing: a Site's key is kept sealed by the installation's, and everything of the Site's is sealed by it.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce before the ciphertext; keys for one purpose each by HKDF-SHA256
(RFC 5869).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.errors import IdentityKeyMissing, SealBroken
from core.settings import Settings

KEY_BYTES = 32
NONCE_BYTES = 12


class SiteKey:
    """One Site's secrets: seals, opens, and derives what must be the same whenever it is asked for."""

    def __init__(self, secret: bytes) -> None:
        self._seal = AESGCM(_derived(secret, "seal"))
        self._hash = _derived(secret, "hash")

    def __repr__(self) -> str:
        return "SiteKey(…)"

    def seal(self, data: bytes, *, context: str) -> bytes:
        """Ciphertext that opens with the same `context` only, such as the table and the row's id."""
        return _seal(self._seal, data, context=context)

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Raises SealBroken for another key's, another context's or an altered ciphertext."""
        return _open(self._seal, sealed, context=context)

    def keyed_hash(self, text: str, *, purpose: str) -> bytes:
        """HMAC-SHA256 (32 bytes) of `text`, another one for each `purpose`; nobody without the key can compute it."""
        return hmac.new(self._hash, f"{purpose}\0{text}".encode(), hashlib.sha256).digest()


class InstallationKey:
    """The key of the whole place (the setting `identity_key`): it seals the Sites' keys and nothing else."""

    def __init__(self, encoded: str) -> None:
        """`encoded`: 32 bytes in URL-safe base64. Raises SealBroken for anything else."""
        try:
            secret = base64.urlsafe_b64decode(encoded)
        except (binascii.Error, ValueError) as error:
            raise SealBroken("The setting identity_key is no base64") from error
        if len(secret) != KEY_BYTES:
            raise SealBroken("The setting identity_key must be 32 bytes in URL-safe base64")
        self._seal = AESGCM(_derived(secret, "installation"))

    @classmethod
    def of(cls, settings: Settings) -> InstallationKey:
        """The key that the settings hold. Raises IdentityKeyMissing where they have none, SealBroken."""
        if settings.identity_key is None:
            raise IdentityKeyMissing
        return cls(settings.identity_key.get_secret_value())

    def __repr__(self) -> str:
        return "InstallationKey(…)"

    def new_site_key(self, *, context: str) -> tuple[SiteKey, bytes]:
        """A random key for a Site, and the same sealed, to be kept."""
        secret = os.urandom(KEY_BYTES)
        return SiteKey(secret), _seal(self._seal, secret, context=context)

    def site_key(self, sealed: bytes, *, context: str) -> SiteKey:
        """The key that `new_site_key` gave. Raises SealBroken."""
        return SiteKey(_open(self._seal, sealed, context=context))


def new_installation_key() -> str:
    """A random value for the setting `identity_key`."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def _derived(secret: bytes, purpose: str) -> bytes:
    derived: bytes = HKDF(SHA256(), KEY_BYTES, salt=None, info=f"lucency {purpose}".encode()).derive(secret)
    return derived


def _seal(cipher: AESGCM, data: bytes, *, context: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, data, context.encode())


def _open(cipher: AESGCM, sealed: bytes, *, context: str) -> bytes:
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise SealBroken from error
