"""Signing in by password, and the session that comes of it. No database session is open while a password is hashed."""

from __future__ import annotations

from uuid import UUID

from api.backends import Backends
from api.cookies import csrf_token
from api.sessions.oidc import Identity
from api.sessions.schemas import Credentials, PasswordChange, PostView, SessionView, SignedInUserView
from core.errors import PasswordWrong, SignInLocked, SignInRefused
from core.passwords import check_fit, hash_password, verify_password
from core.settings import Settings
from core.vocabulary import AuditAction, SignIn
from db.repositories import sessions, sign_in, users
from db.repositories.sessions import SignedIn
from db.session import Session


def locking_of(settings: Settings) -> sign_in.Locking:
    return sign_in.Locking(failures=settings.login_failures, lock_s=settings.login_lock, cap_s=settings.login_lock_cap)


def prove(backends: Backends, *, email: str, password: str) -> tuple[sign_in.Attempt, str | None]:
    """Whose password it is, and a better hash of it where there is one. Raises SignInRefused, SignInLocked."""
    with backends.database.unit_of_work() as session:
        attempted = sign_in.attempt(session, email, locking=locking_of(backends.settings))
    right, better = verify_password(password, attempted.password_hash)
    if right:
        return attempted, better
    with backends.database.unit_of_work() as session:
        sign_in.failed(session, attempted)
    if attempted.locks_s:
        raise SignInLocked(retry_after=attempted.locks_s)
    raise SignInRefused


def by_password(
    backends: Backends, credentials: Credentials, *, old: str | None, agent: str
) -> tuple[SessionView, str]:
    """A new session and its token; the session of the token `old`, of the same browser, ends.

    Raises SignInRefused, SignInLocked, RequestInvalid.
    """
    attempted, better = prove(backends, email=credentials.email, password=credentials.password)
    with backends.database.unit_of_work() as session:
        user_id = sign_in.succeeded(session, attempted, better_hash=better)
        token = begin(session, backends, user_id=user_id, provider=SignIn.PASSWORD, old=old, agent=agent)
    return look(backends, token), token


def by_identity(backends: Backends, identity: Identity, *, agent: str) -> str | None:
    """The token of a new session for who the provider says it is; null where that is no user of ours."""
    with backends.database.unit_of_work() as session:
        user = users.by_oidc(session, issuer=identity.issuer, subject=identity.subject, email=identity.email)
        if user is None:
            return None
        return begin(session, backends, user_id=user.id, provider=SignIn.OIDC, old=None, agent=agent)


def begin(session: Session, backends: Backends, *, user_id: UUID, provider: SignIn, old: str | None, agent: str) -> str:
    """A new session in place of the one that the browser had; last in the transaction."""
    lifetime = backends.settings.session_lifetime
    token = sessions.begin(session, user_id=user_id, provider=provider, lifetime_s=lifetime, agent=agent)
    if old is not None:
        sessions.end_token(session, old)
    return token


def change_password(
    backends: Backends, found: SignedIn, change: PasswordChange, *, agent: str
) -> tuple[SessionView, str]:
    """Set it, end all of the user's sessions, and begin a new one for this browser. Raises PasswordUnfit,
    PasswordWrong, SignInLocked."""
    check_fit(change.new)
    try:
        attempted, _better = prove(backends, email=found.email, password=change.current)
    except SignInRefused as error:
        raise PasswordWrong from error
    hashed = hash_password(change.new)
    with backends.database.unit_of_work() as session:
        sign_in.succeeded(session, attempted)
        users.set_password(session, found.user_id, password_hash=hashed)
        _id, token = sessions.insert(
            session,
            user_id=found.user_id,
            provider=found.provider,
            lifetime_s=backends.settings.session_lifetime,
            agent=agent,
            site_id=found.site_id,
        )
        users.record(
            session,
            found.user_id,
            action=AuditAction.USER_CHANGED,
            actor=f"user {found.user_id}",
            detail={"password": "changed"},
        )
    return look(backends, token), token


def look(backends: Backends, token: str, *, attended: bool = True) -> SessionView:
    """The session of this token. Raises Unauthorized."""
    with backends.database.unit_of_work() as session:
        found = sessions.find(session, token, idle_s=backends.settings.session_idle, attended=attended)
        return session_view(session, found, token, idle_s=backends.settings.session_idle)


def session_view(session: Session, found: SignedIn, token: str, *, idle_s: float) -> SessionView:
    """What its page needs to know."""
    sites = [PostView(id=post.site_id, name=post.site, role=post.role) for post in users.posts(session, found.user_id)]
    return SessionView(
        user=SignedInUserView(
            id=found.user_id,
            email=found.email,
            name=found.name,
            operator=found.operator,
            has_password=found.has_password,
        ),
        sites=sites,
        site=next((site for site in sites if site.id == found.site_id), None),
        scopes=sorted(found.scopes),
        csrf_token=csrf_token(token),
        expires_at=found.expires_at,
        idle_seconds=idle_s,
        provider=found.provider,
    )
