"""Signing in by OpenID Connect (Core 1.0, authorization code flow with PKCE), by Authlib.

Between the way out and the way back the browser holds what ties them together: state, nonce and PKCE's verifier, in a
cookie of ten minutes. It is SameSite=Lax, for the way back comes from the provider's page.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from core.errors import SignInRefused, Unavailable
from core.logs import logger
from core.settings import Settings

log = logger(__name__)

PENDING_COOKIE = "__Host-lucency-oidc"
PENDING_SECONDS = 600
CALLBACK = "/v1/session/oidc/callback"
HTTP_TIMEOUT = 5.0
# What may sign an ID token: neither nothing nor a shared secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class OidcUnreachable(Unavailable):
    code, title = "oidc_unreachable", "The provider of single sign-on cannot be reached"


class OidcFailed(SignInRefused):
    code, title = "oidc_failed", "Single sign-on did not work"


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that is under way; `next` is where the browser goes after it."""

    state: str
    nonce: str
    code_verifier: str
    next: str

    def packed(self) -> str:
        """As the cookie holds it."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()

    @classmethod
    def unpacked(cls, cookie: str) -> Pending:
        """Raises OidcFailed for what is none."""
        try:
            values = json.loads(base64.urlsafe_b64decode(cookie.encode()))
            return cls(**{name: str(values[name]) for name in cls.__slots__})
        except (binascii.Error, ValueError, KeyError, TypeError) as error:
            raise OidcFailed from error


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, as the provider says. `email` is null where the provider does not vouch for it."""

    issuer: str
    subject: str
    email: str | None


class Provider:
    """The configured provider. Its documents are read when first needed, and its keys again when they changed."""

    def __init__(self, settings: Settings) -> None:
        assert settings.oidc_issuer is not None  # noqa: S101 — asked by `provider_of`
        self._issuer = settings.oidc_issuer.rstrip("/")
        self._trusts_email = settings.oidc_trust_email
        secret = settings.oidc_client_secret
        from authlib.integrations.starlette_client import OAuth  # noqa: PLC0415 - an HTTP client: not for every start

        registry = OAuth()
        self._client = registry.register(
            "oidc",
            server_metadata_url=f"{self._issuer}/.well-known/openid-configuration",
            client_id=settings.oidc_client_id,
            client_secret=secret.get_secret_value() if secret is not None else None,
            client_kwargs={
                "scope": "openid email profile",
                "code_challenge_method": "S256",
                "timeout": HTTP_TIMEOUT,
            },
        )

    async def begin(self, *, redirect_uri: str, after: str) -> tuple[str, Pending]:
        """Where to send the browser, and what to keep meanwhile. Raises OidcUnreachable."""
        try:
            await self._metadata()
            made = await self._client.create_authorization_url(redirect_uri)
        except Exception as error:
            log.warning("oidc_unreachable", error=type(error).__name__)
            raise OidcUnreachable from error
        pending = Pending(state=made["state"], nonce=made["nonce"], code_verifier=made["code_verifier"], next=after)
        return str(made["url"]), pending

    async def finish(self, pending: Pending, answered: Mapping[str, str], *, redirect_uri: str) -> Identity:
        """Who came back. Raises OidcFailed for whatever does not hold: state, code, signature, issuer, nonce, times."""
        if not hmac.compare_digest(answered.get("state", "").encode(), pending.state.encode()):
            raise OidcFailed
        # RFC 9207: where the provider names itself, it must be ours.
        if answered.get("iss", self._issuer).rstrip("/") != self._issuer or "code" not in answered:
            raise OidcFailed
        try:
            await self._metadata()
            token = await self._client.fetch_access_token(
                redirect_uri=redirect_uri, code=answered["code"], code_verifier=pending.code_verifier
            )
            rules = {
                "iss": {"essential": True, "values": [self._client.server_metadata["issuer"]]},
                "aud": {"essential": True, "values": [self._client.client_id]},
            }
            claims = await self._client.parse_id_token(token, nonce=pending.nonce, claims_options=rules)
        except Exception as error:
            # Whatever a provider, or who pretends to be one, may answer; the browser is told that it did not work.
            log.warning("oidc_failed", error=type(error).__name__)
            raise OidcFailed from error
        return self._identity(claims)

    def _identity(self, claims: Mapping[str, Any] | None) -> Identity:
        if not claims or not claims.get("sub"):
            raise OidcFailed
        email = claims.get("email")
        vouched = claims.get("email_verified") is True or (self._trusts_email and "email_verified" not in claims)
        return Identity(
            issuer=self._issuer,
            subject=str(claims["sub"]),
            email=str(email) if isinstance(email, str) and vouched else None,
        )

    async def _metadata(self) -> None:
        """Raises OidcFailed where the document is of another issuer (OpenID Connect Discovery 1.0, 4.3)."""
        found = cast("dict[str, Any]", await self._client.load_server_metadata())
        if str(found.get("issuer", "")).rstrip("/") != self._issuer:
            found.clear()
            raise OidcFailed
        offered = found.get("id_token_signing_alg_values_supported") or ["RS256"]
        found["id_token_signing_alg_values_supported"] = [name for name in offered if name in ALGORITHMS]
